"""What came of a launch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from opskit.compose.faults import Failure
from opskit.compose.progress import ComposeEvent


@dataclass(frozen=True, slots=True)
class ServiceChanged:
    """A service came to another state, `seconds` after the launch began."""

    service: str
    word: str
    state: str
    seconds: float


LaunchEvent = ServiceChanged | ComposeEvent
Sink = Callable[[LaunchEvent], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a launch.

    Attributes:
        ok: every service of the project is ready, as the Engine shows it.
        failures: what keeps it from being so; empty exactly when `ok`.
        services: the last state of each service, in the order of the Compose model.
        seconds: wall time of the launch; `compose_seconds` of it until Compose itself was done.
    """

    ok: bool
    project: str
    failures: tuple[Failure, ...]
    services: tuple[ServiceChanged, ...]
    seconds: float
    compose_seconds: float = 0.0
    created: int = 0
    """Containers Compose created or recreated; 0 means that the launch was converged already."""


def describe(failures: Iterable[Failure]) -> list[str]:
    """Every failure with what was seen and what to do, line by line."""
    lines = []
    for failure in failures:
        lines += [f"[{failure.kind}] {failure.message}", *(f"    {line}" for line in failure.evidence)]
        lines.append(f"    Remedy: {failure.remedy}")
    return lines
