"""What the Engine says of a container, and what a command in it said, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

PROJECT_LABEL = "com.docker.compose.project"
SERVICE_LABEL = "com.docker.compose.service"
ONE_OFF_LABEL = "com.docker.compose.oneoff"
NUMBER_LABEL = "com.docker.compose.container-number"


@dataclass(frozen=True, slots=True)
class ContainerState:
    """One container as inspect shows it. `exit_code` is of the last run; `health` None means no health check.

    Attributes:
        number: of the service's replica; two containers of one number are an old one and the one that replaces it.
        created_s: seconds since the epoch.
        started_s: likewise, of its last start; None where it never was.
        ended_s: likewise, of its last end.
        error: why the Engine could not start it; empty where it could.
        up: how long it has run, in the Engine's words, where it was not looked at closer; empty elsewhere.
        may_end: whether an end with 0 is a good one: nothing restarts it then, or its label says that it is to end.
    """

    id: str
    service: str
    status: str
    health: str | None = None
    exit_code: int = 0
    oom_killed: bool = False
    restart_count: int = 0
    restarts: bool = False
    """Whether the Engine will start it again after whatever end it comes to (always, unless-stopped)."""
    number: str = "1"
    created_s: float = 0.0
    started_s: float | None = None
    ended_s: float | None = None
    error: str = ""
    may_end: bool = False
    up: str = ""

    @property
    def earlier_life_s(self) -> float:
        """How long it lived on average before each of its restarts; 0 where there were none."""
        return (self.started_s - self.created_s) / self.restart_count if self.restart_count and self.started_s else 0.0


@dataclass(frozen=True, slots=True)
class ContainerEvent:
    """One Engine event of a container: create, start, kill with its `signal`, die, oom, destroy, or health_status."""

    id: str
    service: str
    action: str
    exit_code: int | None = None
    health: str | None = None
    signal: int | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was read of a container for its diagnosis: last log lines, and the last probe's output.

    Attributes:
        error: why the Engine could not start it.
        listening: TCP ports that something in it listens on; None where that was not asked or cannot be read.
    """

    log: tuple[str, ...] = ()
    probe: tuple[str, ...] = ()
    error: str = ""
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


class PullAnswer(StrEnum):
    """What came of asking a registry for an image."""

    THERE = "there"
    ABSENT = "absent"
    """The registry answers, and has no such tag, or none for the Engine's processor."""
    LOGIN = "login"
    """It is private, or not there: a registry does not tell which."""
    LIMITED = "limited"
    """The registry takes no more requests from here for some time."""
    UNKNOWN = "unknown"
    """The registry answers, but not on this image, or not in time."""
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Pull:
    """An image that is missing on the Engine, and what its registry says of it; `reason` is the Engine's own text."""

    reference: str
    answer: PullAnswer
    reason: str = ""
