"""Give disk back: what is certainly waste, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from functools import cached_property
from typing import TYPE_CHECKING

from opskit.audit.journal import phase
from opskit.compose.source import read_service_names
from opskit.engine.cleanup import DiskLook, Removal, read_disk, remove_items
from opskit.engine.client import read_id
from opskit.engine.usage import DiskUnknown, count_freed
from opskit.engine.waste import MODES, CleanupItem, judge_cleanup
from opskit.environments import Environment
from opskit.errors import LockHeldError, OpskitError, UsageError
from opskit.lock import hold_project
from opskit.paths import COMPOSE, STATE
from opskit.quantity import decimal, percent
from opskit.rehearsal.engine import open_engine
from opskit.runbook.parameters import Operation, find_stacks, one_of
from opskit.show.run import Action
from opskit.show.tables import Table

if TYPE_CHECKING:
    from docker import DockerClient
    from ipywidgets import VBox


class Cleanup:
    """What is certainly waste on an Engine, and its removal.

    Args:
        client: the Engine's connection.
        ours: by Compose project, the services its files name; None where they do not tell.
        mode: auto (where more than 30 % is reclaimable), ask (on `confirm`) or never.
        confirm: what the plan said to confirm it with.
        operation: whose journal is told.
    """

    def __init__(
        self,
        client: DockerClient,
        ours: Mapping[str, frozenset[str] | None],
        *,
        mode: str,
        confirm: str = "",
        operation: Operation,
    ) -> None:
        self.client = client
        self.ours = ours
        self.mode = mode
        self.confirm = confirm
        self.journal = operation.journal
        self.rehearse = operation.rehearse
        self.result: Mapping[str, object] = {}

    @cached_property
    def look(self) -> DiskLook | DiskUnknown:
        """What takes disk, and what of it is waste."""
        with phase(self.journal, "disk use"):
            look = read_disk(self.client, ours=self.ours, now=time.time())
        for item in look.plan.items if isinstance(look, DiskLook) else ():
            text = f"cleanup: would go: {item.kind} {item.name}, {decimal(item.bytes)} at most: {item.why}"
            self.journal.write("note", text=text)
        return look

    def use(self) -> Table:
        """What takes disk, as `docker system df` counts it: what is called reclaimable is an upper bound."""
        if isinstance(self.look, DiskUnknown):
            return self._unknown(self.look)
        kinds = (*self.look.use.kinds, self.look.use.all)
        rows = [(k.kind, decimal(k.total_bytes), decimal(k.reclaimable_bytes), percent(k.share)) for k in kinds]
        return Table("Disk", ("kind", "total", "reclaimable (upper bound)", "share"), rows, self.rehearse)

    def plan(self) -> Table:
        """What would go, with its bytes; nothing is done."""
        if isinstance(self.look, DiskUnknown):
            return self._unknown(self.look)
        plan = self.look.plan
        rows = [(item.kind, item.name, decimal(item.bytes), item.why) for item in plan.items]
        title = f"{len(rows)} would go, {decimal(plan.total_bytes)} at most; confirm with {plan.digest}"
        title = title if rows else "Nothing would go"
        return Table(title, ("kind", "what", "frees at most", "why"), rows, self.rehearse)

    def sweep(self) -> Table:
        """Remove what the plan names, where the mode allows, and say what was freed and what was kept.

        Raises:
            UsageError: what was confirmed is not what would go now; nothing was removed.
        """
        look = self.look
        if isinstance(look, DiskUnknown):
            self._tell(look.reason, failures=[look.reason])
            return self._unknown(look)
        reason = judge_cleanup(self.mode, look.use, look.plan, self.confirm)
        if reason and self.mode == "ask" and self.confirm and look.plan.items:
            raise UsageError(f"confirm: found {self.confirm}, which is not what would go now; {reason}.")
        if reason:
            self._tell(f"nothing was removed: {reason}", removed=[], kept=[], freed_bytes=0)
            return Table("Nothing was removed", ("why",), [(reason,)], self.rehearse)
        with phase(self.journal, "cleanup"):
            done = self._remove(look.plan.items)
        with phase(self.journal, "disk use"):
            after = read_disk(self.client, ours=self.ours, now=time.time())
        freed = count_freed(look.use, None if isinstance(after, DiskUnknown) else after.use)
        gone, kept = [one.item for one in done if not one.kept], [one for one in done if one.kept]
        said = f"{len(gone)} gone, {len(kept)} kept, {decimal(freed)} freed"
        self._tell(said, removed=gone, kept=kept, freed_bytes=freed)
        rows = [(one.item.kind, one.item.name, f"kept: {one.kept}" if one.kept else "gone") for one in done]
        return Table(said, ("kind", "what", "now"), rows, self.rehearse)

    def _remove(self, items: tuple[CleanupItem, ...]) -> tuple[Removal, ...]:
        """Containers while no launch of their projects can begin; a prune takes minutes, and none need wait for it."""
        boxes, rest = ([i for i in items if (i.kind == "container") is first] for first in (True, False))
        free: dict[str, frozenset[str] | None] = {}
        with ExitStack() as held:
            for project, services in self.ours.items():
                with suppress(LockHeldError):
                    held.enter_context(hold_project(project, engine=read_id(self.client)))
                    free[project] = services
            done = remove_items(self.client, boxes, ours=free, now=time.time())
        return (*done, *remove_items(self.client, rest, ours={}, now=time.time()))

    def _unknown(self, look: DiskUnknown) -> Table:
        return Table("What takes disk is unknown; nothing was removed", ("why",), [(look.reason,)], self.rehearse)

    def _tell(self, text: str, **result: object) -> None:
        self.result = result
        self.journal.write("note", text=f"cleanup: {text}")
        self.journal.write("cleaned", **result)


class Clean(Operation):
    """Removes what is certainly waste; nothing before `clean`, and never a volume.

    Args:
        env: name or alias of the environment whose containers are looked at; empty for all of them.
        mode: auto (where more than 30 % is reclaimable), ask (on `confirm`) or never.
        confirm: what the plan said to confirm it with.
        rehearse: look on the rehearsal's engine.

    Raises:
        UsageError: no such environment or mode; nothing was removed.
    """

    def __init__(self, *, env: str = "", mode: str = "ask", confirm: str = "", rehearse: str | bool = "no") -> None:
        super().__init__(rehearse)
        one_of("mode", mode, MODES)
        self.env = env
        environments = find_stacks(env, rehearse=self.rehearse)
        client = open_engine(STATE, rehearse=self.rehearse)
        self.journal.write("facts", versions={"engine": client.version()["Version"]}, rehearsal=self.rehearse)
        ours = {environment.project: services_of(environment) for environment in environments}
        self.cleanup = Cleanup(client, ours, mode=mode, confirm=confirm, operation=self)

    def use(self) -> Table:
        """What takes disk, as `docker system df` counts it."""
        return self.cleanup.use()

    def plan(self) -> Table:
        """What would go, with its bytes; nothing is done."""
        return self.cleanup.plan()

    def clean(self) -> Table | VBox:
        """Remove what the plan names, where the mode allows; see `Cleanup.sweep`.

        Raises:
            UsageError: what was confirmed is not what would go now; nothing was removed.
            OpskitError: what takes disk could not be read; nothing was removed.
        """
        cleanup = self.cleanup
        if cleanup.mode == "auto" or cleanup.confirm:
            words = self.words(env=self.env, mode=cleanup.mode, confirm=cleanup.confirm)
            action = Action("clean", words, "Remove it?", "to remove what is listed above")
            if shown := self.refuse_unrecorded(action, "Clean"):
                return shown
        table = cleanup.sweep()
        self.journal.write("outcome", **self.cleanup.result)
        if isinstance(self.cleanup.look, DiskUnknown):
            raise OpskitError(f"what takes disk is unknown, and nothing was removed: {self.cleanup.look.reason}")
        return table


def services_of(environment: Environment) -> frozenset[str] | None:
    """The services that any of the environment's files names; None where they do not tell."""
    return read_service_names(COMPOSE / name for name in (*environment.compose, *environment.gpu.values()))
