"""The signals that end a run, held back while they could not be told of: blocked, so that they wait and are not lost.

Raised while modules load, a KeyboardInterrupt ends in a traceback, in a half-made module, or as another error (pydantic
2.12 makes a SchemaError of it); and it comes before there is a record to write it into.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Let them wait; a process or thread that is started meanwhile is born with them waiting too."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def let_in() -> Iterator[None]:
    """Let them come, those first that waited."""
    before = signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
