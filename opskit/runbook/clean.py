"""Give disk back: what is certainly waste, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from functools import cached_property

from opskit.audit.journal import phase
from opskit.compose.source import read_service_names
from opskit.engine.cleanup import DiskLook, Removal, read_disk, remove_items
from opskit.engine.usage import DiskUnknown, count_freed
from opskit.engine.waste import MODES, CleanupItem, judge_cleanup
from opskit.errors import LockHeldError, OpskitError, UsageError
from opskit.lock import hold_project
from opskit.paths import COMPOSE, STATE
from opskit.quantity import decimal, percent
from opskit.rehearsal.engine import open_engine
from opskit.runbook.parameters import Operation, find_stacks, one_of
from opskit.show.tables import Table


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
        self.mode = one_of("mode", mode, MODES)
        self.confirm = confirm
        self.result: Mapping[str, object] = {}
        environments = find_stacks(env)
        self.client, named = open_engine(STATE, rehearse=self.rehearse)
        names = {
            e.project: read_service_names(COMPOSE / n for n in (*e.compose, *e.gpu.values())) for e in environments
        }
        self.ours = {named(project): found for project, found in names.items()}
        self.journal.write("facts", versions={"engine": self.client.version()["Version"]}, rehearsal=self.rehearse)

    @cached_property
    def _look(self) -> DiskLook | DiskUnknown:
        with phase(self.journal, "disk use"):
            look = read_disk(self.client, ours=self.ours, now=time.time())
        for item in look.plan.items if isinstance(look, DiskLook) else ():
            text = f"cleanup: would go: {item.kind} {item.name}, {decimal(item.bytes)} at most: {item.why}"
            self.journal.write("note", text=text)
        return look

    def use(self) -> Table:
        """What takes disk, as `docker system df` counts it: what is called reclaimable is an upper bound."""
        if isinstance(self._look, DiskUnknown):
            return self._unknown(self._look)
        kinds = (*self._look.use.kinds, self._look.use.all)
        rows = [(k.kind, decimal(k.total_bytes), decimal(k.reclaimable_bytes), percent(k.share)) for k in kinds]
        return Table("Disk", ("kind", "total", "reclaimable (upper bound)", "share"), rows, self.rehearse)

    def plan(self) -> Table:
        """What would go, with its bytes; nothing is done."""
        if isinstance(self._look, DiskUnknown):
            return self._unknown(self._look)
        plan = self._look.plan
        rows = [(item.kind, item.name, decimal(item.bytes), item.why) for item in plan.items]
        title = f"{len(rows)} would go, {decimal(plan.total_bytes)} at most; confirm with {plan.digest}"
        return Table(title, ("kind", "what", "frees at most", "why"), rows, self.rehearse)

    def clean(self) -> Table:
        """Remove what the plan names, where the mode allows, and say what was freed and what was kept.

        Raises:
            UsageError: what was confirmed is not what would go now; nothing was removed.
            OpskitError: what takes disk could not be read; nothing was removed.
        """
        table = self.sweep()
        self.journal.write("outcome", **self.result)
        if isinstance(self._look, DiskUnknown):
            raise OpskitError(f"what takes disk is unknown, and nothing was removed: {self._look.reason}")
        return table

    def sweep(self) -> Table:
        """As `clean`, for an operation that comes to an outcome of its own."""
        look = self._look
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
                    held.enter_context(hold_project(project))
                    free[project] = services
            done = remove_items(self.client, boxes, ours=free, now=time.time())
        return (*done, *remove_items(self.client, rest, ours={}, now=time.time()))

    def _unknown(self, look: DiskUnknown) -> Table:
        return Table("What takes disk is unknown; nothing was removed", ("why",), [(look.reason,)], self.rehearse)

    def _tell(self, text: str, **result: object) -> None:
        self.result = result
        self.journal.write("note", text=f"cleanup: {text}")
        self.journal.write("cleaned", **result)
