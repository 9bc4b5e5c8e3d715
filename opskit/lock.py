"""One launch of a project at a time on a host, whatever starts it."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from opskit.errors import LockHeldError
from opskit.paths import login


@contextlib.contextmanager
def hold_project(project: str) -> Iterator[None]:
    """Hold the project's lock; two `up` of one project at once never end well.

    The lock is the Engine host's, not the checkout's: two checkouts launch the same containers. The kernel lets it go
    with the process that holds it, so there is no stale one.

    Raises:
        LockHeldError: another process holds it; the message says who, since when, and with which process.
    """
    path = _folder() / f"opskit-{project}.lock"
    holder = path.with_suffix(".holder")
    lock = FileLock(path, timeout=0, mode=0o666)
    try:
        lock.acquire()
    except Timeout:
        raise LockHeldError(
            f"launching {project}: another launch of it is in progress ({_describe(holder)}). Wait for its end, or end "
            "that process; nothing was started here."
        ) from None
    except PermissionError:
        raise LockHeldError(
            f"launching {project}: {path} belongs to another user and may not be locked. Remedy: remove the file when "
            "no launch of theirs is in progress."
        ) from None
    try:
        with contextlib.suppress(PermissionError):
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            holder.write_text(json.dumps({"pid": os.getpid(), "user": login(), "since": now}))
        yield
    finally:
        lock.release()


def read_launcher(project: str) -> str:
    """Who launches that project just now, in words; empty where nobody else does, as far as the kernel tells.

    Source: /proc/locks, proc_locks(5): `1: FLOCK ADVISORY WRITE <pid> <major>:<minor>:<inode> 0 EOF`.
    """
    path = _folder() / f"opskit-{project}.lock"
    try:
        found, locks = path.stat(), Path("/proc/locks").read_text(encoding="ascii")
    except OSError:
        return ""  # no launch ever was, or this kernel does not tell
    place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    holders = [words[4] for line in locks.splitlines() if place in (words := line.split()) and "->" not in words]
    return _describe(path.with_suffix(".holder")) if any(pid != str(os.getpid()) for pid in holders) else ""


def _folder() -> Path:
    return Path("/run/lock") if os.access("/run/lock", os.W_OK) else Path(tempfile.gettempdir())


def _describe(holder: Path) -> str:
    try:
        said = json.loads(holder.read_text())
        return f"pid {said['pid']}, user {said['user']}, since {said['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return f"its holder left no name in {holder}"
