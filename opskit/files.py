"""Writes a file whole or not at all."""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

PART = ".part"
"""What the name of a file ends in that is being written; one that stays is of a process that was killed."""


def utc_stamp() -> str:
    """The time for the name of a file or folder, in microseconds: two within one second have two names."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"


def write_atomically(path: Path, text: str) -> None:
    """Write a text file in one step: a reader sees the old one or the new one, also after a power cut.

    It is its owner's alone (0600); where root replaces another user's file, it stays that user's.

    Raises:
        OSError: it cannot be written; the old file is as it was.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.", suffix=PART)
    try:
        with os.fdopen(handle, "wb") as sink:
            if path.exists() and os.geteuid() == 0:
                os.fchown(sink.fileno(), path.stat().st_uid, path.stat().st_gid)
            sink.write(text.encode())
            sink.flush()
            os.fsync(sink.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
