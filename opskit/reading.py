"""Facts that are read at the same time, each in a thread of its own and with a time of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from opskit.errors import NotReadError, OpskitError

_Fact = TypeVar("_Fact")


class Reading(Generic[_Fact]):
    """One fact, read from now on; a thread that hangs is left behind, since none can be ended.

    Args:
        name: what is read, in words: it begins the reason where it cannot be.
        read: asks the world; called once, in a thread of its own.
        timeout_s: from now; a caller waits no longer.
        refused: what `read` raises where the world does not answer; anything else is raised as it is.
    """

    def __init__(
        self,
        name: str,
        read: Callable[[], _Fact],
        *,
        timeout_s: float,
        refused: tuple[type[Exception], ...] = (OSError,),
    ) -> None:
        self.name = name
        self.timeout_s = timeout_s
        self._refused = refused
        self._began = time.monotonic()
        self._seconds: float | None = None
        self._fact: list[_Fact] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._read, args=(read,), name=name, daemon=True)
        self._thread.start()

    def _read(self, read: Callable[[], _Fact]) -> None:
        try:
            self._fact.append(read())
        except BaseException as error:  # noqa: BLE001  it is raised again where it is waited for
            self._error = error
        self._seconds = time.monotonic() - self._began

    @property
    def seconds(self) -> float:
        """How long it took, or takes by now."""
        return time.monotonic() - self._began if self._seconds is None else self._seconds

    @property
    def done(self) -> bool:
        """Whether it has ended, one way or the other."""
        return not self._thread.is_alive()

    def result(self) -> _Fact:
        """The fact, waited for as long as its time lasts.

        Raises:
            NotReadError: its time is over, or the world refused; the message says which.
        """
        self._thread.join(max(0.0, self._began + self.timeout_s - time.monotonic()))
        if self._thread.is_alive():
            raise NotReadError(f"{self.name}: no answer within {self.timeout_s:g} s")
        if isinstance(self._error, self._refused):
            if isinstance(self._error, OpskitError):  # a sentence already
                raise NotReadError(self._error.reason, self._error.remedy)
            raise NotReadError(f"{self.name}: {self._error}")
        if self._error is not None:
            raise self._error
        return self._fact[0]
