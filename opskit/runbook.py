"""One verb per notebook act; joins the rooms below, decides nothing."""

from __future__ import annotations

import contextlib
import getpass
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from opskit.audit.journal import Journal
from opskit.audit.redact import make_redact
from opskit.compose.faults import Failure
from opskit.compose.plan import plan_launch
from opskit.engine.facts import read_present
from opskit.environments import find_environment, read_environments
from opskit.errors import LaunchFailedError, UsageError
from opskit.health.outcome import LaunchEvent, Outcome, ServiceChanged
from opskit.health.probe import endpoints_of, read_answers
from opskit.health.waiting import launch
from opskit.lock import hold_project
from opskit.paths import ENVIRONMENTS, ROOT
from opskit.preflight.finding import Report
from opskit.show.tables import FindingsTable, Table
from opskit.site import Site, prepare

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GPU_MODES = ("auto", "dual", "single", "cpu")


def start(*, env: str, gpu: str = "auto", accept: str = "", rehearse: bool = False, deadline_s: float = 900) -> Start:
    """Begin the act that launches an environment; nothing is touched before `launch`.

    Args:
        env: name or alias of an environment.
        gpu: auto, dual, single or cpu.
        accept: check ids, comma separated, whose faults you take responsibility for.
        rehearse: run it with stand-ins and recorded GPUs, and say so everywhere.
        deadline_s: seconds until a service that is not ready is called late.

    Raises:
        UsageError: a parameter is missing or unknown.
    """
    return Start(env=env, gpu=gpu, accept=accept, rehearse=rehearse, deadline_s=deadline_s)


class Start:
    """A launch, act by act; each act's value is what the notebook shows."""

    def __init__(self, *, env: str, gpu: str, accept: str, rehearse: bool, deadline_s: float) -> None:
        self.environment = find_environment(read_environments(ENVIRONMENTS), env)
        if gpu not in GPU_MODES:
            raise UsageError(f"gpu: found {gpu!r}; wanted one of {', '.join(GPU_MODES)}.")
        self.gpu = gpu
        self.accept = tuple(word.strip() for word in accept.split(",") if word.strip())
        self.rehearse = rehearse
        self.deadline_s = deadline_s
        self.journal = Journal.of_this_run()
        self._site: Site | None = None
        self._report: Report | None = None

    @property
    def site(self) -> Site:
        """Everything known before a decision: Engine, GPUs, resolved model; read once."""
        if self._site is None:
            self._site = prepare(self.environment, gpu=self.gpu, rehearse=self.rehearse, journal=self.journal)
        return self._site

    def topology(self) -> Figure | str:
        """The GPUs and their links as a picture; a sentence where there are none to draw."""
        from opskit.show.topology import draw_topology  # noqa: PLC0415  matplotlib is slow to import

        site = self.site
        with self._phase("topology"):
            if site.inventory is None:
                return f"No GPU to draw: {site.gpu_reason}"
            return draw_topology(site.inventory, rehearsal=self.rehearse)

    def placement(self) -> Table:
        """The GPU mode and each value it brings, with its reason."""
        rows = [(reason,) for reason in self.site.placement.reasons]
        return Table(f"GPU mode: {self.site.placement.mode}", ("why",), rows, self.rehearse)

    def preflight(self) -> FindingsTable:
        """Run every check and show what was found; `gate` stops on it."""
        site = self.site
        with self._phase("preflight"):
            self._report = site.check(accept=self.accept, who=getpass.getuser())
        self.journal.write("findings", findings=self._report.findings)
        return FindingsTable(self._report, self.rehearse)

    def gate(self) -> str:
        """Stop here if preflight found what must be mended.

        Raises:
            GateClosedError: something must be mended; nothing was started.
        """
        report = self._report or self._preflight_report()
        report.gate()
        return f"The gate is open: {len(report.findings)} findings, none of them stops a start."

    def _preflight_report(self) -> Report:
        self.preflight()
        if self._report is None:  # preflight sets it; this is for the type checker's peace
            raise UsageError("preflight left no report")
        return self._report

    def plan(self) -> Table:
        """What the launch will do, service by service; nothing is done."""
        site = self.site
        with self._phase("plan"):
            steps = plan_launch(site.stack, read_present(site.client, site.project.name), site.project.read_hashes())
        rows = [(step.service, step.act, step.reason, step.image, str(step.replicas)) for step in steps]
        return Table(
            f"Plan for {site.project.name}", ("service", "act", "why", "image", "replicas"), rows, self.rehearse
        )

    def launch(self) -> Table:
        """Write missing secrets, start what is not running and wait until all of it is ready.

        Raises:
            LaunchFailedError: not everything came to ready; names each failure, its evidence and its remedy.
            LockHeldError: another launch of the same environment is in progress.
        """
        self.gate()
        site = self.site
        with hold_project(site.project.name):
            with self._phase("secrets"):
                site = self._site = site.with_secrets(self.journal)
            redact = make_redact({name: secret.reveal() for name, secret in site.secrets.items()})
            outcome = launch(site.project, site.stack, site.client, deadline_s=self.deadline_s, sink=self._tell)
        outcome = replace(outcome, failures=tuple(_redacted(failure, redact) for failure in outcome.failures))
        self.journal.write("phase", phase="compose", seconds=outcome.compose_seconds)
        self.journal.write("phase", phase="containers", seconds=round(outcome.seconds - outcome.compose_seconds, 3))
        self.journal.write("outcome", **vars_of(outcome))
        if not outcome.ok:
            raise LaunchFailedError(describe_failures(outcome))
        rows = [(s.service, s.state, f"{s.seconds:.1f}") for s in outcome.services]
        return Table(f"{outcome.project} is ready", ("service", "state", "ready after (s)"), rows, self.rehearse)

    def urls(self) -> Table:
        """Where everything answers, each http address asked just now."""
        with self._phase("verify"):
            endpoints = read_answers(endpoints_of(self.site.stack))
        self.journal.write("endpoints", rows=endpoints)
        rows = [(e.title, e.url, e.answer or "", e.service) for e in endpoints]
        return Table("Addresses", ("what", "address", "answer", "service"), rows, self.rehearse)

    def commands(self) -> Table:
        """What to type next: status, logs, stop."""
        return commands_for(self.environment.name, self.site.project.name, self.site.project.engine_host, self.rehearse)

    def _tell(self, event: LaunchEvent) -> None:
        if isinstance(event, ServiceChanged):
            self.journal.write("service", **vars_of(event))
            print(f"{event.seconds:7.1f} s  {event.word:<7}  {event.service:<20} {event.state}", flush=True)  # noqa: T201
        elif event.kind != "layer":
            self.journal.write("compose", resource=event.kind, name=event.name, verb=event.verb, detail=event.detail)

    @contextlib.contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        with phase(self.journal, name):
            yield
