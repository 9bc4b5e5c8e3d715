"""What a check says: verdicts and findings; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from functools import partial


class Verdict(IntEnum):
    """Ordered from harmless to fatal. SKIP means "could not read", with the reason in `found`."""

    PASS = 0
    SKIP = 1
    WARN = 2
    FAIL = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer of one check about one subject.

    Attributes:
        check: stable id `<subject>-<property>`; people accept faults by it.
        subject: what was looked at: a service, a port, a file, a GPU.
        remedy: what to do, with a command where there is one; empty on PASS.
        evidence: what was seen, line by line, for who wants to know more.
        required: a SKIP of a required check blocks the launch like a FAIL.
    """

    check: str
    verdict: Verdict
    subject: str
    found: str
    wanted: str
    remedy: str = ""
    required: bool = True
    accepted_by: str | None = None
    evidence: tuple[str, ...] = ()

    @property
    def stops(self) -> bool:
        """Whether this finding blocks the launch."""
        return self.verdict is Verdict.FAIL or (self.verdict is Verdict.SKIP and self.required)


Check = Callable[[], Iterable[Finding]]
"""A check with its facts given: `functools.partial(check_port_free, stack, holders, containers)`."""

CRASHED = "check-crashed"
"""The id of the finding that stands for a check which raised."""


def id_of(check: Callable[..., object]) -> str:
    """The id of a check by its function's name, `check_port_free` -> `port-free`, also of a partial of it."""
    function = check.func if isinstance(check, partial) else check
    return getattr(function, "__name__", "?").removeprefix("check_").replace("_", "-")
