"""Tells who listens how the services of a launch change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from opskit.engine.events import read_log
from opskit.health.outcome import ServiceChanged, Sink
from opskit.health.readiness import ServiceWord
from opskit.health.stages import find_stage

if TYPE_CHECKING:
    from docker import DockerClient

_STAGE_S = 5.0
"""Seconds between two looks at the log of what is still starting."""
_STAGE_LINES = 20
_STARTING = "starting"


@dataclass(slots=True)
class Teller:
    """A service is told when its word or state changes, not when it is looked at.

    Attributes:
        began: when the launch began, monotonic.
        last: what was told last, by service.
    """

    client: DockerClient
    sink: Sink
    began: float
    last: dict[str, ServiceChanged] = field(default_factory=dict)
    _stages: dict[str, str] = field(default_factory=dict)
    _looked: float | None = None

    def tell(self, words: Iterable[ServiceWord], now: float) -> None:
        """Tell what changed since the last time."""
        for word in self._with_stages(tuple(words), now):
            before = self.last.get(word.service)
            if before is None and word.state == "absent":
                continue
            if before is None or (before.word, before.state) != (word.word.value, word.state):
                change = ServiceChanged(word.service, word.word.value, word.state, round(now - self.began, 2))
                self.last[word.service] = change
                self.sink(change)

    def _with_stages(self, words: tuple[ServiceWord, ...], now: float) -> tuple[ServiceWord, ...]:
        """The words; what is starting for a while with what its log says it does."""
        if now - (self._looked or self.began) >= _STAGE_S:
            self._looked = now
            slow = {word.service: word.container for word in words if word.state == _STARTING and word.container}
            logs = {name: read_log(self.client, container, lines=_STAGE_LINES) for name, container in slow.items()}
            self._stages = {name: stage for name, lines in logs.items() if (stage := find_stage(lines))}
        return tuple(
            replace(word, state=f"{_STARTING}: {self._stages[word.service]}")
            if word.state == _STARTING and word.service in self._stages
            else word
            for word in words
        )
