"""Show what runs, in every environment, and the GPUs it holds."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from opskit.engine.facts import read_container_facts
from opskit.engine.grant import read_grants
from opskit.environments import read_environments
from opskit.paths import ENVIRONMENTS, STATE
from opskit.preflight.report import Report
from opskit.rehearsal.engine import open_engine
from opskit.runbook.parameters import Operation
from opskit.runbook.verify_gpus import look_inside
from opskit.show.tables import FindingsTable, Table
from opskit.target.port_overrides import read_overrides

if TYPE_CHECKING:
    from docker import DockerClient


class Status(Operation):
    """The containers of all environments as the Engine sees them now; nothing is changed.

    Args:
        rehearse: look on the rehearsal's engine, where there is one.
    """

    def __init__(self, *, rehearse: str | bool = "no") -> None:
        super().__init__(rehearse)
        self.environments = read_environments(ENVIRONMENTS)

    @cached_property
    def _engine(self) -> tuple[DockerClient, Callable[[str], str]]:
        return open_engine(STATE, rehearse=self.rehearse)

    @cached_property
    def _names(self) -> dict[str, str]:
        """The environment by its Compose project."""
        _, named = self._engine
        return {named(e.project): e.name for e in self.environments.values()}

    def containers(self) -> Table:
        """Every container in the Engine's own words."""
        client, _ = self._engine
        facts = read_container_facts(client)
        names = self._names
        rows = sorted((names[f.project], f.service or "?", f.status) for f in facts if f.project in names)
        title = f"{len(rows)} containers of {len({row[0] for row in rows})} environments"
        return Table(title, ("environment", "service", "status"), rows, self.rehearse)

    def ports(self) -> Table:
        """Ports that `ports=auto` moved and later launches leave there."""
        overrides = {name: read_overrides(project) for project, name in self._names.items()}
        rows = [(env, name, port) for env, ports in overrides.items() for name, port in ports.items()]
        title = f"{len(rows)} moved ports; `-p ports keep` at a start takes them back" if rows else "No port was moved"
        return Table(title, ("environment", "variable", "port"), rows, self.rehearse)

    def gpus(self) -> FindingsTable:
        """Whether each container that was given GPUs still sees them; a few seconds at most."""
        client, _ = self._engine
        found = look_inside(client, read_grants(client, self._names))
        report = Report.of(found)
        self.journal.write("gpus", findings=report.findings)
        return FindingsTable(report, self.rehearse, title="GPUs in containers")
