"""What the Engine says of a container, and what a command in it said, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass

PROJECT_LABEL = "com.docker.compose.project"
SERVICE_LABEL = "com.docker.compose.service"
ONE_OFF_LABEL = "com.docker.compose.oneoff"


@dataclass(frozen=True, slots=True)
class ContainerState:
    """One container as inspect shows it. `exit_code` is of the last run; `health` None means no health check."""

    id: str
    service: str
    status: str
    health: str | None = None
    exit_code: int = 0
    oom_killed: bool = False
    restart_count: int = 0
    restarts: bool = False
    """Whether the Engine will start it again after whatever end it comes to (always, unless-stopped)."""


@dataclass(frozen=True, slots=True)
class ContainerEvent:
    """One Engine event of a container: create, start, die, oom, destroy, or health_status with `health`."""

    id: str
    service: str
    action: str
    exit_code: int | None = None
    health: str | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was read of a container for its diagnosis: last log lines, and the last probe's output.

    Attributes:
        listening: TCP ports that something in it listens on; None where that was not asked or cannot be read.
    """

    log: tuple[str, ...] = ()
    probe: tuple[str, ...] = ()
    listening: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """A container of a Compose project, and the GPUs that were asked for when it was created.

    Attributes:
        pid: its first process, on the Engine's machine; None where it does not run.
        device_ids: UUIDs or indexes; empty where none was named.
        count: GPUs asked for without a name, -1 for all; 0 for none.
    """

    id: str
    name: str
    project: str
    service: str
    pid: int | None
    device_ids: tuple[str, ...]
    count: int

    @property
    def any(self) -> bool:
        """Whether it was given a GPU at all."""
        return bool(self.device_ids or self.count)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command inside a container said on both streams; without an exit code, `text` is why there is none."""

    exit_code: int | None
    text: str
