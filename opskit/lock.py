"""One launch of a project at a time on an Engine, whatever starts it and in whose name."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from opskit.errors import LockHeldError

_TRY_S = 0.2
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""How the file is opened: nothing is ever written to it, and another user's may be locked all the same, flock(2)."""


@contextlib.contextmanager
def hold_project(project: str, *, engine: str = "", wait_s: float = 0.0) -> Iterator[None]:
    """Hold the project's lock; two `up` of one project at once never end well.

    The lock is the host's, not the checkout's or the user's: two checkouts launch the same containers. The kernel lets
    it go with the process that holds it, so there is no stale one.

    Args:
        project: the Compose project.
        engine: the id of the Engine it is on; a project of the same name on another Engine is another one.
        wait_s: seconds to wait for who holds it.

    Raises:
        LockHeldError: another process holds it; the message says whose it is, since when it runs, and its pid.
    """
    path = _path(project, engine)
    descriptor = _open(path, project)
    try:
        _take(descriptor, project, wait_s)
        yield
    finally:
        os.close(descriptor)


def read_launcher(project: str, *, engine: str = "") -> str:
    """Who launches that project just now, in words; empty where nobody else does, as far as the kernel tells."""
    try:
        holders = _holders(os.lstat(_path(project, engine)))
    except OSError:
        return ""  # no launch ever was, or this kernel does not tell
    return ", ".join(_describe(pid) for pid in holders if pid != os.getpid())


def _path(project: str, engine: str) -> Path:
    folder = Path("/run/lock") if os.access("/run/lock", os.W_OK) else Path(tempfile.gettempdir())
    return folder / f"opskit-{hashlib.sha256(engine.encode()).hexdigest()[:8]}-{project}.lock"


def _open(path: Path, project: str) -> int:
    try:
        # Without O_CREAT first: with it the kernel refuses another user's file in a sticky folder, even to root.
        with contextlib.suppress(FileNotFoundError):
            return os.open(path, _READ)
        return os.open(path, _READ | os.O_CREAT, 0o644)
    except OSError as error:
        raise LockHeldError(
            f"launching {project}: {path} cannot be locked: {error.strerror}; wanted a file that this user may read. "
            "Remedy: remove it when no launch is in progress; nothing was started here."
        ) from None


def _take(descriptor: int, project: str, wait_s: float) -> None:
    until = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < until:
                time.sleep(_TRY_S)
                continue
            held = ", ".join(map(_describe, _holders(os.fstat(descriptor)))) or "its process is not seen from here"
            raise LockHeldError(
                f"launching {project}: another launch of it is in progress ({held}). Wait for its end, or end "
                "that process; nothing was started here."
            ) from None
        return


def _holders(file: os.stat_result) -> tuple[int, ...]:
    """The processes that hold a lock on a file.

    Source: /proc/locks, proc_locks(5): `1: FLOCK ADVISORY WRITE <pid> <major>:<minor>:<inode> 0 EOF`.
    """
    place = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
    try:
        locks = Path("/proc/locks").read_text(encoding="ascii")
    except OSError:
        return ()
    return tuple(int(words[4]) for line in locks.splitlines() if place in (words := line.split()) and "->" not in words)


def _describe(pid: int) -> str:
    import psutil  # noqa: PLC0415  only where another launch is in progress

    try:
        process = psutil.Process(pid)
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(process.create_time()))
        return f"pid {pid}, user {process.username()}, started {since}"
    except psutil.Error:
        return f"pid {pid}"
