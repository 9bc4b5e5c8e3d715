"""Try a set beside what runs, and put one back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from opskit.audit.journal import note, phase
from opskit.engine.events import list_containers
from opskit.errors import LaunchFailedError, OpskitError, UsageError
from opskit.lock import hold_project
from opskit.paths import login
from opskit.runbook.bring_up import keep_volumes
from opskit.runbook.sets import Snapshots
from opskit.show.tables import Table
from opskit.snapshot.mark import unfinished
from opskit.snapshot.project import throw_away, volumes_of
from opskit.snapshot.repository import KeptSet
from opskit.snapshot.restore import differences, held, restore_databases, row_of
from opskit.snapshot.stores import STORES, is_here, try_store
from opskit.snapshot.stream import Part, Rows, SetReader

if TYPE_CHECKING:
    from ipywidgets import VBox


class Drill(Snapshots):
    """Tries a set beside the running stack: makes its databases again, and starts its stores on a copy of their data.

    Each is counted, compared with what was kept, and thrown away.

    Args:
        snapshot: the id of a set, or `latest`.
    """

    def __init__(self, *, env: str, snapshot: str = "latest", overlays: str = "", rehearse: str | bool = "no") -> None:
        super().__init__(env=env, overlays=overlays, rehearse=rehearse)
        self.snapshot = snapshot

    def drill(self) -> Table | VBox:
        """Read every byte of it, make its databases again, and start its stores on it.

        Raises:
            LaunchFailedError: something of it is not what was kept; each is named.
            UsageError: there is no such set.
        """
        if shown := self.refuse_unrecorded(self.action("drill", snapshot=self.snapshot), "Drill"):
            return shown
        kept = self.repository.find(self.snapshot, self.project)
        with phase(self.journal, "drill"):
            try:
                parts, found = self._try(kept)
                faults = [
                    fault
                    for name, rows in found.items()
                    if parts[name].rows or name not in STORES  # else it was written to while it was kept
                    for fault in differences(parts[name], rows)
                ]
            except OpskitError as error:
                parts, found, faults = {}, {}, [str(error)]
        databases = found.keys() - STORES.keys()
        verdict = "failed" if faults else "passed" if databases else "read; it holds no dump of a database"
        self.journal.write("drill", set=kept.id, project=self.project, verdict=verdict, faults=faults)
        if faults:
            lines = "\n".join(f"  {fault}" for fault in faults)
            raise LaunchFailedError(f"set {kept.id} of {self.project} cannot be put back as it was:\n{lines}")
        rows = [(*row_of(part), _verdict(part, found.get(part.name))) for part in parts.values()]
        title = f"Set {kept.id} of {kept.time}: {verdict}"
        note(self.journal, f"{title}, {sum(len(part.rows) for part in parts.values())} tables and the like counted")
        return Table(title, ("part", "MiB", "holds", "in the drill"), rows, self.rehearse)

    def _try(self, kept: KeptSet) -> tuple[dict[str, Part], dict[str, Rows]]:
        """Its parts, and what each database that was made again and each store that was started on it holds."""
        parts = self.read_whole(kept)
        _, stack = self.start.target.opened()
        found: dict[str, Rows] = {}

        def start_store(name: str, content: Iterator[bytes]) -> None:
            service = stack.find(STORES[name].service) if name in STORES and is_here(self.client) else None
            if service is not None:
                found[name] = try_store(self.client, service, name.partition("/")[2], content)

        with contextlib.ExitStack() as opened:
            databases = None
            if "roles" in parts:
                service = stack.find("postgres")
                if service is None or not service.image:
                    raise OpskitError(f"{self.project}: found no service postgres; wanted one to try the databases in")
                databases = opened.enter_context(throw_away(self.client, service.image, self.project))
            reader = SetReader(opened.enter_context(self.repository.open(kept.id)), f"set {kept.id}")
            return parts, {**restore_databases(databases, reader, parts, start_store), **found}


def _verdict(part: Part, found: Rows | None) -> str:
    """What a drill found of a part that is not amiss."""
    if found is None:
        return "every byte as kept"
    if part.rows or part.name not in STORES:
        return "made again, the same count and checksum"
    return f"started on it: {held(part.name, found) or 'it is empty'}"


class Restore(Snapshots):
    """Puts a set back in the place of the data there is, and starts the environment; what was there is kept as a set.

    Args:
        snapshot: the id of a set, or `latest`.
        confirm: the project's name, typed; without it, it only shows.
    """

    def __init__(
        self,
        *,
        env: str,
        snapshot: str = "latest",
        confirm: str = "",
        overlays: str = "",
        rehearse: str | bool = "no",
    ) -> None:
        super().__init__(env=env, overlays=overlays, rehearse=rehearse)
        self.snapshot, self.confirm = snapshot, confirm

    def restore(self) -> Table | VBox:
        """Check it, keep what there is, put it back.

        Raises:
            UsageError: there is no such set, another name was typed, or the environment runs.
            ConfigError: the set is not whole; nothing was changed.
            LaunchFailedError: it could not be put back whole; what was there before is a set, named.
            LockHeldError: a launch of the environment is in progress.
        """
        ways = ("snapshot", f"the id of a set, or latest; now {self.snapshot}")
        if shown := self.unconfirmed(self.confirm, "to put a set back", ways):
            return shown
        action = self.action("restore", typed=self.project, snapshot=self.snapshot, confirm=self.project)
        if shown := self.refuse_unrecorded(action, "Restore"):
            return shown
        kept = self.repository.find(self.snapshot, self.project)
        if list_containers(self.client, self.project):
            stop = f"`opskit stop {self.environment.name}{self.more}`"
            raise UsageError(f"{self.project}: found containers of it; wanted none. Remedy: {stop}, then this again")
        with hold_project(self.project, engine=self.start.target.engine_id):
            with phase(self.journal, "verify"):
                parts = self.read_whole(kept)
            before = self.save()[0] if volumes_of(self.client, self.project) else ""
            try:
                with phase(self.journal, "restore"), unfinished(self.project, kept.id):
                    self.put_back(kept, parts)
            except OpskitError as error:
                back = f"{self.action('restore', snapshot=before, confirm=self.confirm).command}" if before else "none"
                raise LaunchFailedError(
                    f"set {kept.id} was not put back whole: {error}\nDo not start {self.project} so. What was there "
                    f"before is set {before or 'none'}: `opskit stop {self.environment.name}{self.more}`, `{back}`"
                ) from None
        keep_volumes(self.start.target, self.client, self.journal)
        self.start.look_again()
        note(self.journal, f"{login()} put set {kept.id} back; what was there before is set {before or 'none'}")
        rows = [row_of(part) for part in parts.values()]
        return Table(f"Set {kept.id} of {kept.time} is put back", ("part", "MiB", "holds"), rows, self.rehearse)

    def launch(self) -> Table:
        """Start the environment on what was put back."""
        if not self.confirm:
            return Table("Not started, since nothing was put back", ("",), (), self.rehearse)
        return self.start.launch()
