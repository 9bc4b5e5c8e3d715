"""Restart services of an environment that is up, and wait for them as a launch waits."""

from __future__ import annotations

from dataclasses import replace

from opskit.audit.journal import plain
from opskit.errors import LaunchFailedError, UsageError, did_you_mean
from opskit.health.outcome import describe
from opskit.health.waiting import launch
from opskit.lock import hold_project
from opskit.runbook.on_stack import OnStack
from opskit.show.tables import Table


class Restart(OnStack):
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
        super().__init__(env, overlays, rehearse)
        self.services = tuple(services.replace(",", " ").split())
        self.deadline_s = deadline_s
        if not self.services:
            raise UsageError("services: found none; wanted at least one. `opskit run start` brings all of them up.")

    def restart(self) -> Table:
        """Restart them, and wait until they are ready.

        Raises:
            UsageError: the environment has no such service; the nearest is named.
            LaunchFailedError: one does not come to ready; names it, what was seen and what to do.
            LockHeldError: a launch of the environment is in progress.
        """
        (client, stack), project = self.target.opened(), self.target.project
        known = [service.name for service in stack.services]
        for name in self.services:
            if name not in known:
                hint = did_you_mean(name, known)
                raise UsageError(f"services: found no {name}.{hint} Wanted some of: {', '.join(known)}.")
        words = f"restart -p env {self.environment.name} -p services {','.join(self.services)}{self.more}"
        if shown := self.refuse_unrecorded(words):
            return shown
        chosen = replace(stack, services=tuple(s for s in stack.services if s.name in self.services))
        with hold_project(project.name, engine=self.target.engine_id):
            outcome = launch(
                project, chosen, client, deadline_s=self.deadline_s, sink=self.tell_launch, restart=self.services
            )
        outcome = outcome.redacted(self.target.redact())
        self.journal.write("outcome", **plain(outcome))
        if not outcome.ok:
            raise LaunchFailedError("\n".join((f"{project.name}: not all came back:", *describe(outcome.failures))))
        rows = [(s.service, s.state, f"{s.seconds:.1f}") for s in outcome.services]
        return Table(f"{project.name}: restarted", ("service", "state", "ready after (s)"), rows, self.rehearse)
