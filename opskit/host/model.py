"""What the machine says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from opskit.engine.usage import DiskUse
from opskit.unknown import Unknown

UNREAD = Unknown("the facts do not hold it", "look at the machine itself: `opskit preflight`", required=True)
"""Stands where a record of an older opskit, or a test, holds nothing."""


@dataclass(frozen=True, slots=True)
class ListeningSocket:
    """A listening socket. `pid` and `name` are None where this user may not know."""

    ip: str
    port: int
    protocol: str
    pid: int | None
    name: str | None


@dataclass(frozen=True, slots=True)
class Memory:
    """The host's memory and swap, in bytes."""

    total_bytes: int
    available_bytes: int
    swap_total_bytes: int
    swap_free_bytes: int


@dataclass(frozen=True, slots=True)
class Disk:
    """The file system a path is on; `inodes_free` is the share, 0 to 1, None where it has no fixed number of them."""

    free_bytes: int
    inodes_free: float | None
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Kernel:
    """The kernel of the machine this runs on.

    Attributes:
        settings: by sysctl name; None where one cannot be read.
        routes: subnets it routes to by a device of its own, such as 10.8.0.0/16; None where they cannot be read.
        links: its network interfaces, such as docker0.
        modules: loaded or built in.
    """

    settings: Mapping[str, int | None] = field(default_factory=dict)
    routes: tuple[str, ...] | None = None
    links: frozenset[str] | None = None
    modules: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Daemon:
    """The Engine's own process on this machine; seconds since the epoch, None where this user may not know."""

    pid: int
    started_s: float
    open_files: int | None
    """How many files a container may have open, unless it says otherwise."""


@dataclass(frozen=True, slots=True)
class Host:
    """The machine this runs on, whichever environment is looked at.

    Attributes:
        time_s: seconds since the epoch when it was read.
        gpu_hook: the program by which the Engine gives GPUs to containers; None where none is on PATH.
        gpu_hook_s: when it was installed.
        sockets: that listen.
        disk_use: what the Engine's images, containers, volumes and caches take; None where it was still counting.
        daemon: None where it is not here, or not known.
        docker_chain: whether the packet filter has the Engine's chain; None where that may not be asked.
        programs: name by pid of what uses the GPUs, where this user may know.
    """

    name: str
    user: str
    time_s: float
    kernel: Kernel
    memory: Memory | Unknown = UNREAD
    sockets: tuple[ListeningSocket, ...] | Unknown = UNREAD
    gpu_hook: str | None = None
    gpu_hook_s: float | None = None
    daemon: Daemon | Unknown | None = None
    disk_use: DiskUse | Unknown | None = None
    docker_chain: bool | None = None
    programs: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PemFile:
    """A certificate or a private key that a service mounts; nothing of a key itself is kept.

    Attributes:
        service: the one that mounts it.
        path: on the host.
        starts_s: of a certificate, since when it is valid, seconds since the epoch.
        ends_s: until when.
        key: whether it is a private key.
        fits: of a key, the paths of the certificates it belongs to.
        fault: why no server could use it; empty where one could.
        unread: why it could not be looked at.
    """

    service: str
    path: str
    starts_s: float | None = None
    ends_s: float | None = None
    key: bool = False
    fits: tuple[str, ...] = ()
    fault: str = ""
    unread: str = ""


@dataclass(frozen=True, slots=True)
class Files:
    """The files and folders one environment needs.

    Attributes:
        disks: by asked path; None where one cannot be read.
        kinds: file, directory, missing or unreadable, by asked path.
        mode: permission bits of the env file; None where there is none.
        modes: permission bits of each source that is mounted, where it is there.
        writable: by path of the project's own folders, whether this user may write there.
        certificates: and private keys that services mount.
        cached: whether vLLM's volume holds the model; None where it comes from no hub, or is not known.
        postgres_majors: of the PostgreSQL data found, by volume key.
    """

    disks: Mapping[str, Disk | None]
    kinds: Mapping[str, str]
    mode: int | None = None
    postgres_majors: Mapping[str, str] = field(default_factory=dict)
    modes: Mapping[str, int] = field(default_factory=dict)
    writable: Mapping[str, bool] = field(default_factory=dict)
    certificates: tuple[PemFile, ...] = ()
    cached: bool | None = None
