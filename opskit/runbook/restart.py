"""Restart services of an environment that is up, and wait for them as a launch waits."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

from opskit.audit.journal import plain
from opskit.compose.faults import Failure
from opskit.errors import LaunchFailedError, OpskitError, UsageError, did_you_mean
from opskit.health.outcome import describe
from opskit.health.waiting import launch
from opskit.lock import hold_project
from opskit.runbook.parameters import Operation, find_stack
from opskit.show.tables import Table
from opskit.target.collect import collect_here
from opskit.target.target import Target


class Restart(Operation):
    """A restart of some services; the containers stay what they are, and so do configuration and data.

    Args:
        env: name or alias of an environment.
        services: the services, by blanks or commas.
        overlays: as it was started with.
        rehearse: as in `Start`.
        deadline_s: seconds until a service that is not ready is called late.

    Raises:
        UsageError: no such environment, overlay or service.
    """

    def __init__(
        self, *, env: str, services: str, overlays: str = "", rehearse: str | bool = "no", deadline_s: float = 900
    ) -> None:
        super().__init__(rehearse)
        self.environment = find_stack(env, overlays)
        self.services = tuple(services.replace(",", " ").split())
        self.deadline_s = deadline_s
        if not self.services:
            raise UsageError("services: found none; wanted at least one. `opskit run start` brings all of them up.")

    @cached_property
    def target(self) -> Target:
        """The environment on this machine; read once."""
        target = collect_here(self.environment, gpu="auto", level=self.level, journal=self.journal)
        self.journal.write("facts", versions=target.versions(), rehearsal=target.facts.rehearsal)
        return target

    def restart(self) -> Table:
        """Restart them, and wait until they are ready.

        Raises:
            UsageError: the environment has no such service; the nearest is named.
            LaunchFailedError: one does not come to ready; names it, what was seen and what to do.
            LockHeldError: a launch of the environment is in progress.
        """
        client, stack, project = self.target.client, self.target.facts.stack, self.target.project
        if client is None or isinstance(stack, Failure):
            raise OpskitError(f"{project.name}: {stack.message if isinstance(stack, Failure) else 'no Engine'}")
        known = [service.name for service in stack.services]
        for name in self.services:
            if name not in known:
                hint = did_you_mean(name, known)
                raise UsageError(f"services: found no {name}.{hint} Wanted some of: {', '.join(known)}.")
        chosen = replace(stack, services=tuple(s for s in stack.services if s.name in self.services))
        with hold_project(project.name, engine=self.target.engine_id):
            outcome = launch(
                project, chosen, client, deadline_s=self.deadline_s, sink=self.tell_launch, restart=self.services
            )
        redact = self.target.redact()
        outcome = replace(outcome, failures=tuple(failure.redacted(redact) for failure in outcome.failures))
        self.journal.write("outcome", **plain(outcome))
        if not outcome.ok:
            raise LaunchFailedError("\n".join((f"{project.name}: not all came back:", *describe(outcome.failures))))
        rows = [(s.service, s.state, f"{s.seconds:.1f}") for s in outcome.services]
        return Table(f"{project.name}: restarted", ("service", "state", "ready after (s)"), rows, self.rehearse)
