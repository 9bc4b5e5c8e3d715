"""Asks the host: memory, disk, listening ports and their owners, files."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import struct
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import psutil

from opskit.host.kernel import read_kernel
from opskit.host.model import Daemon, Disk, Host, ListeningSocket, Memory
from opskit.paths import login

_KNOCK_S = 5
_DOCKERD = "dockerd"
_PROTOCOLS = {socket.SOCK_STREAM: "tcp", socket.SOCK_DGRAM: "udp"}


def read_host() -> Host:
    """What answers at once; memory and sockets are read apart."""
    hook = shutil.which("nvidia-container-runtime-hook") or shutil.which("nvidia-ctk")
    return Host(
        name=socket.gethostname(),
        user=login(),
        time_s=time.time(),
        kernel=read_kernel(),
        gpu_hook=hook,
        gpu_hook_s=Path(hook).stat().st_ctime if hook else None,
    )


def read_memory() -> Memory:
    """Memory and swap.

    Raises:
        OSError: /proc cannot be read.
    """
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    return Memory(memory.total, memory.available, swap.total, swap.free)


def read_sockets() -> tuple[ListeningSocket, ...]:
    """Every listening socket, with its owner where this user may know.

    Raises:
        psutil.Error, OSError: they cannot be read.
    """
    names: dict[int, str | None] = {}
    return tuple(
        ListeningSocket(c.laddr.ip, c.laddr.port, _PROTOCOLS[c.type], c.pid, _name(c.pid, names))
        for c in psutil.net_connections(kind="inet")
        if c.laddr and (c.status == psutil.CONN_LISTEN or (c.type == socket.SOCK_DGRAM and not c.raddr))
    )


def read_disks(paths: Iterable[str]) -> Mapping[str, Disk | None]:
    """The file system of each path; None where there is nothing, or it may not be looked at."""
    return {path: _disk(path) for path in paths}


def read_kinds(paths: Iterable[str]) -> Mapping[str, str]:
    """What is at each path: file, directory, missing or unreadable."""
    return {path: _kind(Path(path)) for path in paths}


def read_daemon(socket_path: str) -> Daemon | None:
    """The process behind the Engine's socket; None where this user may not know.

    Source: SO_PEERCRED names who made the socket; where that is systemd, the only dockerd there is.
    """
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(_KNOCK_S)
        link.connect(socket_path)
        pid, _, _ = struct.unpack("3i", link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    try:
        process = psutil.Process(pid)
        if process.name() != _DOCKERD:
            found = [other for other in psutil.process_iter(["name"]) if other.info["name"] == _DOCKERD]
            if len(found) != 1:
                return None
            process = found[0]
        return Daemon(process.pid, process.create_time(), _open_files(process))
    except psutil.Error:
        return None


def read_programs(pids: Iterable[int]) -> Mapping[int, str]:
    """The names of processes, where this user may know them."""
    names: dict[int, str | None] = {}
    return {pid: name for pid in pids if (name := _name(pid, names))}


def read_writable(folders: Iterable[Path]) -> Mapping[str, bool]:
    """Whether this user may write in each folder, or in the nearest one above it that is there."""
    there = ((folder, next(place for place in (folder, *folder.parents) if place.exists())) for folder in folders)
    return {str(folder): os.access(place, os.W_OK | os.X_OK) for folder, place in there}


def read_mode(path: Path) -> int | None:
    """Permission bits of a file; None where there is none."""
    try:
        return path.stat().st_mode & 0o777
    except OSError:
        return None


def read_postgres_majors(folders: Mapping[str, str]) -> Mapping[str, str]:
    """The major version of the PostgreSQL data in each folder that holds some, by key; empty where nobody may look."""
    return {key: major for key, folder in folders.items() if (major := _major(Path(folder))) is not None}


def _open_files(process: psutil.Process) -> int | None:
    try:
        return int(process.rlimit(psutil.RLIMIT_NOFILE)[0])
    except (psutil.Error, OSError):
        return None


def _disk(path: str) -> Disk | None:
    try:
        found = os.statvfs(path)
    except OSError:
        return None
    inodes = found.f_favail / found.f_files if found.f_files else None
    return Disk(found.f_bavail * found.f_frsize, inodes, read_only=bool(found.f_flag & os.ST_RDONLY))


def _major(folder: Path) -> str | None:
    """What PG_VERSION says, at the root of a volume or where the images since 18 keep it."""
    try:
        next(folder.iterdir(), None)  # glob finds nothing where it may not look
        found = [*folder.glob("PG_VERSION"), *folder.glob("*/docker/PG_VERSION")]
        return found[0].read_text().strip() if found else None
    except PermissionError:
        return ""
    except OSError:
        return None


def _kind(path: Path) -> str:
    try:
        return "directory" if stat.S_ISDIR(path.stat().st_mode) else "file"
    except PermissionError:
        return "unreadable"
    except OSError:
        return "missing"


def _name(pid: int | None, known: dict[int, str | None]) -> str | None:
    if pid is not None and pid not in known:
        try:
            known[pid] = psutil.Process(pid).name()
        except psutil.Error:
            known[pid] = None
    return known.get(pid) if pid is not None else None
