"""The sets of one environment: what a snapshot, a drill, a restore and a way back share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from opskit import process
from opskit.audit.history import read_records
from opskit.audit.journal import note, phase
from opskit.engine.client import asking
from opskit.engine.dump import POSTGRES, write_volume
from opskit.engine.holding import read_holdings, remove_holdings
from opskit.errors import NotReadError, OpskitError, UsageError
from opskit.paths import AUDIT, ROOT
from opskit.quantity import mib
from opskit.runbook.parameters import Operation
from opskit.runbook.start import Start
from opskit.secrets.store import put_back_file
from opskit.show.run import Action
from opskit.show.tables import Table
from opskit.snapshot.databases import Databases
from opskit.snapshot.project import answers, find_service, read_parts, volumes_of, wait_until
from opskit.snapshot.repository import KeptSet, Repository
from opskit.snapshot.restore import differences, restore_databases
from opskit.snapshot.stream import Head, Part, SetReader, write_set

if TYPE_CHECKING:
    from docker import DockerClient

_CREATE_S = 1800.0


class Snapshots(Operation):
    """What works with the sets of one environment.

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

    def unconfirmed(self, confirm: str, title: str, *ways: tuple[str, str]) -> Table | None:
        """What is shown where the project's name was not typed, so that nothing is done; None where it was.

        Args:
            confirm: what was typed.
            title: of the table, above its parameters.
            ways: a parameter and its value, beside `confirm`.

        Raises:
            UsageError: another name was typed.
        """
        if confirm and confirm != self.project:
            raise UsageError(f"confirm: found {confirm!r}; type {self.project}. Nothing was changed")
        if confirm or self.start.interactive:
            return None
        rows = [("confirm", f"{self.project}, typed"), *ways]
        return Table("Nothing was changed", (title, "value"), rows, self.rehearse)

    def save(self) -> tuple[str, list[Part]]:
        """Keep what there is as a set; its id and parts."""
        self.repository.ensure()
        running = find_service(self.client, self.project, "postgres")
        databases, versions = Databases(self.client, running) if running else None, {}
        if databases is not None:
            try:
                versions = {"postgres": databases.version()}
            except NotReadError as error:
                note(self.journal, f"PostgreSQL does not answer, so its volume is copied as it is: {error}")
                databases = None
        path = ROOT / self.environment.env_file
        head = Head(
            self.environment.name,
            self.project,
            path.read_text(encoding="utf-8") if path.is_file() else "",
            versions,
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
            UsageError: it is one of another project, or of a newer PostgreSQL.
            ConfigError: it is not what was written.
        """
        with self.repository.open(kept.id) as stream:
            reader = SetReader(stream, f"set {kept.id}")
            if reader.head.project != self.project:
                raise UsageError(f"snapshot: found one of {reader.head.project}; wanted one of {self.project}")
            self._refuse_newer(reader.head.versions.get("postgres", ""))
            for _ in reader.read():
                pass
        return reader.parts

    def _refuse_newer(self, version: str) -> None:
        """A PostgreSQL reads no dump of a newer major; an older one's it does.

        Raises:
            UsageError: the set is of a newer one than the files have.
        """
        service = self.start.target.opened()[1].find("postgres")
        major, has = version.partition(".")[0], service.postgres_major if service else ""
        if major and has and int(major) > int(has):
            raise UsageError(
                f"snapshot: found one of PostgreSQL {version}; wanted {has} or older, as the files have. Remedy: have "
                f"the image of PostgreSQL {major} again (`opskit rollback` lists the releases)"
            )

    def read_again(self) -> None:
        """Forget what was read of the machine: the env file is another one now."""
        self.start.look_again()

    def put_back(self, kept: KeptSet, parts: dict[str, Part]) -> None:
        """Put a set in the place of the data there is; the environment is stopped, and held.

        Volumes are first made again by Compose, then filled; PostgreSQL is started alone for its dumps.

        Raises:
            OpskitError: it could not be put back whole.
        """
        keys = {name.partition("/")[2] for name in parts if name.startswith("volume/")} | {POSTGRES}
        gone = {volume.name for key, volume in volumes_of(self.client, self.project).items() if key in keys}
        left = remove_holdings(
            self.client,
            self.project,
            [h for h in read_holdings(self.client) if h.kind == "volume" and h.name in gone],
        )
        if left:
            raise OpskitError("; ".join(f"volume {holding.name}: {why}" for holding, why in left))
        with self.repository.open(kept.id) as stream:
            reader = SetReader(stream, f"set {kept.id}")
            if reader.head.env_file:
                put_back_file(ROOT / self.environment.env_file, reader.head.env_file)
            self.read_again()
            self.start.target, _ = self.start.target.with_secrets()
            project = self.start.target.project
            done = process.run(project.words("create"), timeout_s=_CREATE_S, env=project.environment)
            if done.rc != 0:
                raise OpskitError(f"Compose: {done.stderr.strip()[-300:]}")
            databases = None
            if any(name.startswith("postgres/") for name in parts):
                postgres = find_service(self.client, self.project, "postgres", running=False)
                with asking("postgres"):
                    self.client.api.start(postgres)
                wait_until(lambda: answers(self.client, postgres), f"{self.project}: postgres")
                databases = Databases(self.client, postgres)
            found = restore_databases(databases, reader, parts, self._fill)
        faults = [fault for name, rows in found.items() for fault in differences(parts[name], rows)]
        if faults:
            raise OpskitError("; ".join(faults))

    def _fill(self, name: str, content: Iterator[bytes]) -> None:
        volume = volumes_of(self.client, self.project).get(name.partition("/")[2])
        if volume is not None:
            write_volume(self.client, volume.name, content)
