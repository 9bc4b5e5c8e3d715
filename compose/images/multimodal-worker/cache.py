"""The vectors of queries, kept in Redis. Without it a query is only slower."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from service import StoreError, Stores, log, store_errors

T = TypeVar("T")
_PREFIX = "embedding "
_KEPT_S = 24 * 3600
_ONE_S, _ALL_S, _AGAIN_S = 1.0, 30.0, 10.0
"""How long Redis has for one value and for all, and for how long it is left alone where it did not give one."""


class Cache:
    """Values of text by key. Redis is asked in threads, since looking up its name may take many seconds."""

    def __init__(self, stores: Stores) -> None:
        """Ask nothing yet."""
        self._stores = stores
        self._threads = ThreadPoolExecutor(4)
        self._again = 0.0

    def get(self, key: str) -> str | None:
        """What is kept; None where nothing is, or Redis does not answer."""
        kept = self._try(lambda: self._stores.redis.get(f"{_PREFIX}{key}"))
        return kept.decode() if isinstance(kept, bytes) else None

    def put(self, key: str, value: str) -> None:
        """Keep a value for a day, where Redis answers."""
        self._try(lambda: self._stores.redis.set(f"{_PREFIX}{key}", value, ex=_KEPT_S))

    def count(self) -> int:
        """How many values are kept.

        Raises:
            StoreError: Redis does not answer.
        """
        return self._ask(lambda: sum(1 for _ in self._keys()), _ALL_S)

    def clear(self) -> int:
        """Forget every value; returns how many there were.

        Raises:
            StoreError: Redis does not answer.
        """
        return self._ask(lambda: sum(int(str(self._stores.redis.delete(key))) for key in self._keys()), _ALL_S)

    def _keys(self) -> Iterator[bytes]:
        return self._stores.redis.scan_iter(f"{_PREFIX}*", 1000)

    def _try(self, ask: Callable[[], T]) -> T | None:
        if time.monotonic() < self._again:
            return None
        try:
            return self._ask(ask, _ONE_S)
        except StoreError as error:
            self._again = time.monotonic() + _AGAIN_S
            log.warning("%s; left alone for %g s", error, _AGAIN_S)
            return None

    def _ask(self, ask: Callable[[], T], within_s: float) -> T:
        with store_errors():
            try:
                return self._threads.submit(ask).result(within_s)
            except TimeoutError:
                raise StoreError(f"redis: no answer within {within_s:g} s") from None
