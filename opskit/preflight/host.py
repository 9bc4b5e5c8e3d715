"""What the host says of itself: memory, disk, listening ports and their owners, files; read once."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from opskit.paths import login


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
    """

    hostname: str
    user: str
    memory_total_bytes: int
    memory_available_bytes: int
    disk_free_bytes: Mapping[str, int | None]
    files: Mapping[str, str]
    holders: tuple[PortHolder, ...] | None


def read_host_facts(*, files: Iterable[str], disks: Iterable[str]) -> HostFacts:
    """Ask the host.

    Args:
        files: paths that the stack needs.
        disks: paths whose free space matters.
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
    )


def _free(path: str) -> int | None:
    try:
        return shutil.disk_usage(path).free
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
