"""What the host says of itself: memory, disk, listening ports and their owners, files; read once."""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from opskit.paths import login
from opskit.preflight.kernel import KernelFacts, read_kernel_facts


@dataclass(frozen=True, slots=True)
class PortHolder:
    """A listening socket. `pid` and `name` are None where this user may not know."""

    ip: str
    port: int
    protocol: str
    pid: int | None
    name: str | None


@dataclass(frozen=True, slots=True)
class HostFacts:
    """The host.

    Attributes:
        disk_free_bytes: by asked path; None where it cannot be read.
        files: file, directory, missing or unreadable, by asked path.
        holders: listening sockets; None where they cannot be read.
        inodes_free: the free share, 0 to 1, by asked path; None where the file system has no fixed number of them.
        modes: permission bits by name of each guarded file; None where there is none.
        postgres_majors: of the PostgreSQL data found, by volume key.
        gpu_hook: the program by which the Engine gives GPUs to containers; None where none is on PATH.
        time_s: seconds since the epoch when this was read.
    """

    hostname: str
    user: str
    memory_total_bytes: int
    memory_available_bytes: int
    disk_free_bytes: Mapping[str, int | None]
    files: Mapping[str, str]
    holders: tuple[PortHolder, ...] | None
    inodes_free: Mapping[str, float | None] = field(default_factory=dict)
    kernel: KernelFacts = field(default_factory=KernelFacts)
    modes: Mapping[str, int | None] = field(default_factory=dict)
    postgres_majors: Mapping[str, str] = field(default_factory=dict)
    gpu_hook: str | None = None
    time_s: float = 0.0


def read_host_facts(
    *, files: Iterable[str], disks: Collection[str], guarded: Iterable[Path] = (), data: Mapping[str, str] | None = None
) -> HostFacts:
    """Ask the host.

    Args:
        files: paths that the stack needs.
        disks: paths whose free space matters.
        guarded: files that must be their owner's alone.
        data: folders of volumes by key, in which PostgreSQL's data is looked for.
    """
    memory = psutil.virtual_memory()
    return HostFacts(
        hostname=socket.gethostname(),
        user=login(),
        memory_total_bytes=memory.total,
        memory_available_bytes=memory.available,
        disk_free_bytes={path: _free(path) for path in disks},
        files={path: _kind(Path(path)) for path in files},
        holders=_holders(),
        inodes_free={path: _inodes(path) for path in disks},
        kernel=read_kernel_facts(),
        modes={path.name: _mode(path) for path in guarded},
        postgres_majors={key: major for key, folder in (data or {}).items() if (major := _major(Path(folder)))},
        gpu_hook=shutil.which("nvidia-container-runtime-hook") or shutil.which("nvidia-ctk"),
        time_s=time.time(),
    )


def _free(path: str) -> int | None:
    try:
        return shutil.disk_usage(path).free
    except OSError:
        return None


def _inodes(path: str) -> float | None:
    try:
        found = os.statvfs(path)
    except OSError:
        return None
    return found.f_favail / found.f_files if found.f_files else None


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode & 0o777
    except OSError:
        return None


def _major(folder: Path) -> str | None:
    """What PG_VERSION says, at the root of a volume or where the images since 18 keep it."""
    try:
        found = [*folder.glob("PG_VERSION"), *folder.glob("*/docker/PG_VERSION")]
        return found[0].read_text().strip() if found else None
    except OSError:
        return None


def _kind(path: Path) -> str:
    try:
        return "directory" if path.is_dir() else "file" if path.exists() else "missing"
    except PermissionError:
        return "unreadable"


def _holders() -> tuple[PortHolder, ...] | None:
    try:
        connections = psutil.net_connections(kind="inet")
    except (psutil.Error, OSError):
        return None
    return tuple(
        PortHolder(c.laddr.ip, c.laddr.port, "udp" if c.type == socket.SOCK_DGRAM else "tcp", c.pid, _name(c.pid))
        for c in connections
        if c.laddr and (c.status == psutil.CONN_LISTEN or (c.type == socket.SOCK_DGRAM and not c.raddr))
    )


def _name(pid: int | None) -> str | None:
    try:
        return psutil.Process(pid).name() if pid is not None else None
    except psutil.Error:
        return None
