"""Restart services of an environment that is up, and wait for them as a launch waits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from opskit.audit.runner import is_interactive
from opskit.errors import UsageError, did_you_mean
from opskit.health.waiting import launch
from opskit.lock import hold_project
from opskit.runbook.on_stack import OnStack
from opskit.runbook.outcome import keep_outcome, outcome_table
from opskit.show.run import Action
from opskit.show.tables import Table

if TYPE_CHECKING:
    from ipywidgets import VBox


_NONE = "services: found none; wanted at least one. `opskit start` brings all of them up."


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
        if not self.services and not is_interactive():
            raise UsageError(_NONE)

    def restart(self) -> Table | VBox:
        """Restart them, and wait until they are ready.

        Raises:
            UsageError: the environment has no such service; the nearest is named.
            LaunchFailedError: one does not come to ready; names it, what was seen and what to do.
            LockHeldError: a launch of the environment is in progress.
            OpskitError: nothing of the environment is up.
        """
        if not self.services:
            return Table("Nothing was restarted", ("why",), [(_NONE,)], self.rehearse)
        (client, stack), project = self.target.opened(), self.target.project
        known = [service.name for service in stack.services]
        for name in self.services:
            if name not in known:
                hint = did_you_mean(name, known)
                raise UsageError(f"services: found no {name}.{hint} Wanted some of: {', '.join(known)}.")
        names = ",".join(self.services)
        about = {"services": names, "overlays": self.overlays, "deadline_s": self.deadline_s}
        given = self.words(env=self.environment.name, **about)
        action = Action("restart", given, "Restart them?", f"to restart <b>{names}</b> of {self.environment.name}")
        if shown := self.refuse_unrecorded(action, "Restart"):
            return shown
        self.refuse_absent()
        chosen = replace(stack, services=tuple(s for s in stack.services if s.name in self.services))
        with hold_project(project.name, engine=self.target.engine_id):
            outcome = launch(
                project, chosen, client, deadline_s=self.deadline_s, sink=self.tell_launch, restart=self.services
            )
        outcome = outcome.redacted(self.target.redact())
        keep_outcome(self.journal, outcome)
        return outcome_table(outcome, "restarted", self.environment.name, rehearsal=self.rehearse)
