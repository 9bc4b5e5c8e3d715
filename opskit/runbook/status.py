"""Show what runs, in every environment, and the GPUs it holds."""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING

from opskit.audit.history import launched_services
from opskit.engine.events import read_clock, read_evidence
from opskit.engine.grant import read_grants
from opskit.engine.listed import read_states
from opskit.engine.stats import read_loads
from opskit.health.causes import find_cause
from opskit.health.readiness import Word
from opskit.health.standing import Standing, stand
from opskit.paths import AUDIT, STATE
from opskit.preflight.report import Report
from opskit.quantity import decimal
from opskit.rehearsal.engine import open_engine
from opskit.runbook.parameters import Operation, find_stacks
from opskit.runbook.verify_gpus import look_inside
from opskit.show.tables import FindingsTable, Table
from opskit.target.port_overrides import read_overrides

if TYPE_CHECKING:
    from docker import DockerClient


UNHEALTHY = 4
"""Exit status where a service is not ready."""


class Status(Operation):
    """The containers of one environment or of all as the Engine sees them now; nothing is changed.

    Args:
        env: name or alias of an environment; all where it is empty.
        rehearse: look on the rehearsal's engine, where there is one.

    Raises:
        UsageError: no such environment.
    """

    def __init__(self, *, env: str = "", rehearse: str | bool = "no") -> None:
        super().__init__(rehearse)
        self._env = env
        self.environments = {environment.name: environment for environment in find_stacks(env, rehearse=self.rehearse)}

    @cached_property
    def _engine(self) -> DockerClient:
        return open_engine(STATE, rehearse=self.rehearse)

    @cached_property
    def _names(self) -> dict[str, str]:
        """The environment by its Compose project."""
        return {e.project: e.name for e in self.environments.values()}

    @cached_property
    def standing(self) -> tuple[tuple[str, Standing], ...]:
        """(environment, how it stands) of every container, and of every service of the last launch that has none."""
        client = self._engine
        now = read_clock(client) or time.time()
        found = []
        for project, name in self._names.items():
            states = read_states(client, project, now_s=now)
            expected = launched_services(AUDIT, project) if states else ()
            found += [(name, standing) for standing in stand(states, expected, env=name, now_s=now, more=self.more)]
        return tuple(found)

    def services(self) -> Table:
        """Each service in a word: since when, the probable cause where it is not well, and what brings it back."""
        rows = [(name, *self._row(standing)) for name, standing in self.standing]
        ill = sum(standing.word is not Word.READY for _, standing in self.standing)
        if not rows and self._env:
            (name,) = self.environments
            rows, ill = [(name, "", "not up", "", f"`opskit start {name}{self.more}`")], 1
        names = {name for name, _ in self.standing}
        where = f"{len(names)} environments" if len(names) != 1 else next(iter(names))
        self.exit_status = UNHEALTHY if ill else 0
        self.journal.write("verdict", exit_status=self.exit_status)
        asked = ", ".join(self.environments)
        title = f"{len(rows)} services of {where}, {ill or 'none'} of them not ready" if names else f"Not up: {asked}"
        columns = ("environment", "service", "state", "since (UTC)", "what brings it back")
        return Table(title, columns, rows, self.rehearse)

    def loads(self, service: str = "") -> Table:
        """How each service stands, and what its container takes just now; a second or two.

        Args:
            service: only this one; empty: all of them.
        """
        chosen = [standing for _, standing in self.standing if standing.service == service or not service]
        running = [standing.container for standing in chosen if standing.container]
        loads = read_loads(self._engine, running)
        rows = []
        for standing in chosen:
            load = loads.get(standing.container)
            told = (f"{load.cpu_percent:.1f}%", decimal(load.memory_bytes)) if load else ("", "")
            rows.append((standing.service, standing.state, *told, standing.remedy))
        title = f"{', '.join(self.environments)} at {time.strftime('%H:%M:%S UTC', time.gmtime())}"
        columns = ("service", "state", "CPU (100% is a core)", "memory", "what brings it back")
        return Table(title, columns, rows, self.rehearse)

    def _row(self, standing: Standing) -> tuple[str, str, str, str]:
        client = self._engine
        since = f"up {standing.up}" if standing.up else ""
        if standing.since_s is not None:
            since = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(standing.since_s))
        state, remedy = standing.state, standing.remedy
        if standing.word is Word.NEVER and standing.container:
            evidence = read_evidence(client, standing.container)
            if known := find_cause((*evidence.log, *evidence.probe)):
                state = f"{state}; probable cause: {known[0].cause}"
                remedy = f"{known[0].remedy}; then {remedy}" if remedy else known[0].remedy
        return standing.service, state, since, remedy

    def ports(self) -> Table:
        """Ports that `ports=auto` moved and later launches leave there."""
        overrides = {name: read_overrides(project) for project, name in self._names.items()}
        rows = [(env, name, port) for env, ports in overrides.items() for name, port in ports.items()]
        title = f"{len(rows)} moved ports; `-p ports keep` at a start takes them back" if rows else "No port was moved"
        return Table(title, ("environment", "variable", "port"), rows, self.rehearse)

    def gpus(self) -> FindingsTable:
        """Whether each container that was given GPUs still sees them; a few seconds at most."""
        client = self._engine
        found = look_inside(client, read_grants(client, self._names))
        report = Report.of(found)
        self.journal.write("gpus", findings=report.findings)
        return FindingsTable(report, self.rehearse, title="GPUs in containers")
