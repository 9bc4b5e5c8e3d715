"""What the Engine says of a container: a look and an event, as frozen values."""

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
    """What was read of a container for its diagnosis: last log lines, and the last probe's output."""

    log: tuple[str, ...] = ()
    probe: tuple[str, ...] = ()
