"""Writes a file whole or not at all, and for whom: its owner, or the group of a shared checkout."""

from __future__ import annotations

import os
import stat
import tempfile
from datetime import UTC, datetime
from pathlib import Path

PART = ".part"
"""What the name of a file ends in that is being written; one that stays is of a process that was killed."""


def utc_stamp() -> str:
    """The time for the name of a file or folder, in microseconds: two within one second have two names."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"


def is_shared(folder: Path) -> bool:
    """Whether a folder is its group's: setgid and group write. What is made in it is the group's too."""
    mode = folder.stat().st_mode
    return bool(mode & stat.S_ISGID and mode & stat.S_IWGRP)


def make_folder(path: Path, mode: int = 0o755) -> None:
    """Make a folder where it is not there, and those above it; in one that is its group's, it is the group's too.

    Raises:
        OSError: it cannot be made, or is a file.
    """
    if not path.is_dir():
        if not path.parent.exists():
            make_folder(path.parent)
        path.mkdir(mode=mode, exist_ok=True)
        share(path)


def share(path: Path) -> None:
    """Give what this process has made to its folder's group, where the folder is the group's."""
    if is_shared(path.parent):
        mode = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode | (0o2070 if path.is_dir() else 0o060))


def write_atomically(path: Path, text: str) -> None:
    """Write a text file in one step: a reader sees the old one or the new one, also after a power cut.

    It is its owner's alone (0600), and the group's too (0660) where its folder is; where root replaces another user's
    file, it stays that user's.

    Raises:
        OSError: it cannot be written; the old file is as it was.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.", suffix=PART)
    try:
        with os.fdopen(handle, "wb") as sink:
            if path.exists() and os.geteuid() == 0:
                os.fchown(sink.fileno(), path.stat().st_uid, path.stat().st_gid)
            share(Path(name))
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
