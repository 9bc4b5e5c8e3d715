"""What operations on an environment that is up have in common."""

from __future__ import annotations

from functools import cached_property

from opskit.engine.events import list_containers
from opskit.errors import OpskitError
from opskit.runbook.parameters import Operation, find_stack
from opskit.target.collect import collect_here
from opskit.target.target import Target


class OnStack(Operation):
    """An operation on an environment that is up.

    Args:
        env: name or alias of an environment.
        overlays: as it was started with.
        rehearse: as in `Start`.

    Raises:
        UsageError: no such environment or overlay, or it has no stack of its own.
    """

    def __init__(self, env: str, overlays: str, rehearse: str | bool) -> None:
        super().__init__(rehearse)
        self.environment = find_stack(env, overlays, rehearse=self.rehearse)
        self.overlays = overlays

    @cached_property
    def target(self) -> Target:
        """The environment on this machine; read once."""
        target = collect_here(self.environment, gpu="auto", level=self.level, journal=self.journal)
        self.journal.write("facts", versions=target.versions(), rehearsal=target.facts.rehearsal)
        return target

    def refuse_absent(self) -> None:
        """Stop where nothing of the environment is up.

        Raises:
            OpskitError: there is no container of it.
        """
        client, _ = self.target.opened()
        project = self.target.project.name
        if not list_containers(client, project):
            raise OpskitError(f"{project}: nothing of it is up", f"`opskit start {self.environment.name}{self.more}`")
