"""Keep an environment's data as a set, while it runs."""

from __future__ import annotations

import contextlib
from functools import cached_property
from typing import TYPE_CHECKING

from opskit.audit.history import read_records
from opskit.audit.journal import note, phase
from opskit.errors import LaunchFailedError, NotReadError, OpskitError, UsageError
from opskit.lock import hold_project
from opskit.paths import AUDIT, ROOT
from opskit.quantity import mib
from opskit.runbook.parameters import Operation
from opskit.runbook.start import Start
from opskit.show.run import Action
from opskit.show.tables import Table
from opskit.snapshot.databases import Databases
from opskit.snapshot.project import find_service, read_parts, volumes_of
from opskit.snapshot.repository import KeptSet, Repository
from opskit.snapshot.restore import row_of
from opskit.snapshot.stream import Head, Part, SetReader, write_set

if TYPE_CHECKING:
    from docker import DockerClient
    from ipywidgets import VBox


class Snapshots(Operation):
    """What a snapshot, a drill and a restore of one environment share.

    Args:
        env: name or alias of an environment.
        overlays: as it is started with.
        rehearse: as in `Start`.

    Raises:
        UsageError: no such environment or overlay, or restic is not installed.
    """

    def __init__(self, *, env: str, overlays: str = "", rehearse: str | bool = "no") -> None:
        super().__init__(rehearse)
        self.start = Start(env=env, overlays=overlays, rehearse=rehearse)
        self.environment = self.start.environment
        self.overlays = overlays
        self.repository = Repository()

    @property
    def project(self) -> str:
        """The Compose project whose data it is."""
        return self.start.target.project.name

    @cached_property
    def client(self) -> DockerClient:
        """The Engine."""
        return self.start.target.connection()

    def sets(self) -> Table:
        """The sets there are of this environment, newest first, and whether each was ever tried."""
        tried = {
            told["set"]: told["verdict"]
            for _, record in read_records(AUDIT, "-drill")
            if isinstance(told := record.get("drill"), dict)
        }
        kept = self.repository.sets(self.environment.project)
        rows = [(one.id, one.time, tried.get(one.id, "never tried: `opskit drill`")) for one in kept]
        return Table(
            f"{len(rows)} sets of {self.environment.project}", ("set", "time (UTC)", "drill"), rows, self.rehearse
        )

    def action(self, notebook: str, *, typed: str = "", **given: str) -> Action:
        """The run that does it; `given`: its parameters beside the environment."""
        words = self.words(env=self.environment.name, overlays=self.overlays, **given)
        return Action(notebook, words, f"{notebook.capitalize()}?", f"for <b>{self.environment.name}</b>", typed)

    def save(self) -> tuple[str, list[Part]]:
        """Keep what there is as a set; its id and parts."""
        self.repository.ensure()
        running = find_service(self.client, self.project, "postgres")
        databases = Databases(self.client, running) if running else None
        path = ROOT / self.environment.env_file
        head = Head(
            self.environment.name,
            self.project,
            path.read_text(encoding="utf-8") if path.is_file() else "",
            {"postgres": databases.version()} if databases else {},
        )
        done: list[Part] = []

        def tell(part: Part) -> None:
            done.append(part)
            note(self.journal, f"{part.name}: {mib(part.bytes)}")

        with phase(self.journal, "snapshot"):
            parts = read_parts(self.client, self.project, databases)
            with contextlib.closing(write_set(head, parts, tell)) as stream:  # no container stays paused
                name = self.repository.save(stream, environment=self.environment.name, project=self.project)
        size = mib(sum(part.bytes for part in done))
        note(self.journal, f"set {name} of {self.project}: {len(done)} parts, {size}")
        self.journal.write("snapshot", set=name, project=self.project, parts=done, repository=self.repository.location)
        return name, done

    def read_whole(self, kept: KeptSet) -> dict[str, Part]:
        """Read every byte of a set; its parts.

        Raises:
            UsageError: it is one of another project.
            ConfigError: it is not what was written.
        """
        with self.repository.open(kept.id) as stream:
            reader = SetReader(stream, f"set {kept.id}")
            if reader.head.project != self.project:
                raise UsageError(f"snapshot: found one of {reader.head.project}; wanted one of {self.project}")
            for _ in reader.read():
                pass
        return reader.parts


class Snapshot(Snapshots):
    """A set of what there is now, while it runs; what is too old goes.

    Args:
        keep_last: sets of the environment that stay, however old.
        keep_days: younger ones stay too.
    """

    def __init__(
        self, *, env: str, overlays: str = "", keep_last: int = 7, keep_days: int = 30, rehearse: str | bool = "no"
    ) -> None:
        super().__init__(env=env, overlays=overlays, rehearse=rehearse)
        if keep_last < 1:
            raise UsageError(f"keep_last: found {keep_last}; wanted 1 or more")
        self.keep_last, self.keep_days = keep_last, keep_days

    def take(self) -> Table | VBox:
        """Make the set.

        Raises:
            LaunchFailedError: a part could not be read; there is no set.
            LockHeldError: a launch of the environment is in progress.
            OpskitError: there is no data.
        """
        given = {"keep_last": str(self.keep_last), "keep_days": str(self.keep_days)}
        if shown := self.refuse_unrecorded(self.action("snapshot", **given), "Snapshot"):
            return shown
        if not volumes_of(self.client, self.project):
            raise OpskitError(f"{self.project}: there is no data to keep", f"`opskit start {self.environment.name}`")
        with hold_project(self.project, engine=self.start.target.engine_id):
            try:
                name, parts = self.save()
            except NotReadError as error:
                raise LaunchFailedError(f"{self.project}: no set was made: {error}") from None
            self.repository.forget(self.project, last=self.keep_last, days=self.keep_days)
        rows = [(*row_of(part), part.sha256[:12]) for part in parts]
        return Table(f"Set {name} of {self.project}", ("part", "MiB", "rows", "SHA-256"), rows, self.rehearse)
