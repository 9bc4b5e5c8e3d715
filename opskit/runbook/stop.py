"""Take an environment down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opskit.audit.journal import note, phase
from opskit.compose.client import Project, find_compose
from opskit.compose.progress import ComposeEvent
from opskit.engine.client import connect, read_id, resolve_host
from opskit.engine.facts import read_container_facts, read_volume_facts
from opskit.environments import find_environment, read_environments
from opskit.errors import LaunchFailedError
from opskit.health.down import take_down
from opskit.lock import hold_project
from opskit.paths import ENVIRONMENTS, STATE
from opskit.rehearsal.engine import ensure_engine
from opskit.runbook.parameters import Operation
from opskit.show.run import stop_action
from opskit.show.tables import Table

if TYPE_CHECKING:
    from ipywidgets import VBox

_DOWN_S = 300.0
_COUNTED = (
    "still there: the Engine counts a container on it that is gone; it is used again, or goes after a restart of it"
)


class Stop(Operation):
    """Takes the containers and networks of one environment down; data is kept.

    Args:
        env: name or alias of an environment.
        rehearse: look on the rehearsal's engine.

    Raises:
        UsageError: no such environment.
    """

    def __init__(self, *, env: str, rehearse: str | bool = "no") -> None:
        super().__init__(rehearse)
        self.environment = find_environment(read_environments(ENVIRONMENTS), env).rehearsed(self.rehearse)
        engine = ensure_engine(STATE, say=print) if self.rehearse else None
        self.host = resolve_host(engine.host if engine else None)
        self.project = self.environment.project
        self.client = connect(self.host)
        self.journal.write("facts", versions={"engine": self.client.version()["Version"]}, rehearsal=self.rehearse)

    def containers(self) -> Table:
        """What is there now."""
        facts = read_container_facts(self.client, self.project)
        rows = [(fact.service or "?", fact.name, fact.status) for fact in facts]
        return Table(
            f"{self.project}: {len(rows)} containers",
            ("service", "container", "status"),
            rows,
            self.rehearse,
        )

    def take_down(self) -> Table | VBox:
        """Take it down, and say what stays.

        Raises:
            LaunchFailedError: Compose failed, or a container is still there.
            LockHeldError: a launch of it is in progress.
        """
        if shown := self.refuse_unrecorded(stop_action(self.environment.name, self.rehearsing), "Take down"):
            return shown
        name = self.project
        project = Project(find_compose(), name, (), engine_host=self.host)
        with hold_project(name, engine=read_id(self.client)), phase(self.journal, "compose"):
            before = read_container_facts(self.client, name)
            down = take_down(project, self.client, timeout_s=_DOWN_S, sink=self._tell)
        left = read_container_facts(self.client, name)
        volumes = sorted(volume.name for volume in read_volume_facts(self.client, name))
        failures = [down.failure] if down.failure else []
        self.journal.write("outcome", failures=failures, volumes=volumes, stopped=[fact.name for fact in before])
        if down.failure:
            raise LaunchFailedError(f"{name} was not taken down: {down.failure.message}\nRemedy: {down.failure.remedy}")
        if left:
            names = ", ".join(fact.name for fact in left)
            raise LaunchFailedError(f"{name}: still there: {names}. Remedy: `docker rm -f {names.replace(',', '')}`")
        rows = [
            ("containers and networks", "gone" if not down.networks else "gone but for what is below"),
            *((volume, "kept") for volume in volumes),
        ]
        for network, users in down.networks.items():
            why = f"still there: {', '.join(users)} is on it" if users else _COUNTED
            note(self.journal, f"{network}: {why}")
            rows.append((network, why))
        return Table(f"{name} is down", ("what", "now"), rows, self.rehearse)

    def _tell(self, event: ComposeEvent) -> None:
        self.journal.write("compose", resource=event.kind, name=event.name, verb=event.verb, detail=event.detail)
