"""What came of a launch."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from opskit.compose.faults import Failure
from opskit.compose.progress import ComposeEvent
from opskit.quantity import decimal


@dataclass(frozen=True, slots=True)
class ServiceChanged:
    """A service came to another state, `seconds` after the launch began."""

    service: str
    word: str
    state: str
    seconds: float


@dataclass(frozen=True, slots=True)
class PullProgress:
    """How far the images are.

    Attributes:
        ready: images that are there, of `images` that were missing.
        got: bytes there, of `whole` as far as their sizes are known.
        rate: bytes a second, lately.
        note: what is tried again, and when; empty where nothing is.
    """

    ready: int
    images: int
    got: int
    whole: int
    rate: float
    note: str = ""

    def __str__(self) -> str:
        text = f"images: {self.ready} of {self.images}, {decimal(self.got)} of {decimal(self.whole)}"
        if self.rate and self.got < self.whole:
            text += f", {decimal(int(self.rate))}/s, {(self.whole - self.got) / self.rate:.0f} s left"
        return f"{text}; {self.note}" if self.note else text


LaunchEvent = ServiceChanged | PullProgress | ComposeEvent
Sink = Callable[[LaunchEvent], None]


def guard(sink: Sink) -> Sink:
    """The sink, whose exceptions end no launch: the first is told as a warning, later ones are not told again."""
    told: list[Exception] = []

    def tell(event: LaunchEvent) -> None:
        try:
            sink(event)
        except Exception as error:  # noqa: BLE001  whatever it raises, the launch goes on
            if not told:
                warnings.warn(f"telling of the launch failed, and it goes on: {error!r}", RuntimeWarning, stacklevel=2)
            told.append(error)

    return tell


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a launch.

    Attributes:
        ok: every service of the project is ready, as the Engine shows it.
        failures: what keeps it from being so; empty exactly when `ok`.
        services: the last state of each service, in the order of the Compose model.
        seconds: wall time of the launch; `compose_seconds` of it until Compose itself was done.
        pull_seconds: of it for images, which are brought before anything is created.
    """

    ok: bool
    project: str
    failures: tuple[Failure, ...]
    services: tuple[ServiceChanged, ...]
    seconds: float
    compose_seconds: float = 0.0
    pull_seconds: float = 0.0
    created: int = 0
    """Containers Compose created or recreated; 0 means that the launch was converged already."""

    def redacted(self, redact: Callable[[str], str]) -> Outcome:
        """The same without what must not be shown in its failures."""
        return replace(self, failures=tuple(failure.redacted(redact) for failure in self.failures))


def describe(failures: Iterable[Failure]) -> list[str]:
    """Every failure with what was seen and what to do, line by line."""
    lines = []
    for failure in failures:
        lines += [f"[{failure.kind}] {failure.message}", *(f"    {line}" for line in failure.evidence)]
        lines.append(f"    Remedy: {failure.remedy}")
    return lines
