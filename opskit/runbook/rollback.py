"""Launch again what was good before: a release, and where its data has moved on, the set that was kept of it."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from opskit.audit.journal import note, phase
from opskit.engine.client import answers
from opskit.engine.events import list_containers
from opskit.engine.facts import EngineFacts
from opskit.engine.model import SERVICE_LABEL
from opskit.errors import LaunchFailedError, OpskitError, UsageError
from opskit.health.down import take_down
from opskit.lock import hold_project
from opskit.paths import STATE
from opskit.rehearsal.daemon import Place
from opskit.release.mark import Mark, read_mark, remove_mark
from opskit.release.release import Release, keep_again, project_of, read_releases, read_running
from opskit.runbook.sets import Snapshots
from opskit.runbook.smoke import check_services
from opskit.show.tables import Table
from opskit.snapshot.mark import read_unfinished, unfinished

if TYPE_CHECKING:
    from ipywidgets import VBox

    from opskit.compose.model import Stack
    from opskit.target.target import Target

_DOWN_S, _ENGINE_S, _AGAIN_S = 300.0, 180.0, 2.0


class Releases(Snapshots):
    """What an upgrade and a rollback of one environment share; the arguments are those of `Snapshots`.

    Attributes:
        release: the one that is launched again; None while it is the checkout that is launched.
    """

    release: Release | None = None

    def read_again(self) -> None:
        """Read the machine again; the release that is launched, where one is, takes the checkout's place."""
        super().read_again()
        if self.release is None:
            return
        self.start.target = self._launched_from(self.release)

    def _launched_from(self, release: Release) -> Target:
        target = self.start.target
        for_mounts = target.launched_from(project_of(self.client, target.project, release))
        return target.launched_from(project_of(self.client, target.project, release, for_mounts.opened()[1]))

    def releases(self) -> Table:
        """What can be launched again, the last good one first."""
        running = read_running(self.client, self.project)[1]
        rows = [
            (one.id, one.when, one.run, "runs now" if _runs(one, running) else "")
            for one in read_releases(self.environment.project)
        ]
        title = f"Releases of {self.environment.project}: {len(rows)}"
        return Table(title, ("release", "last good (UTC)", "its run", ""), rows, self.rehearse)

    def moved(self, release: Release) -> tuple[str, ...]:
        """Services with data whose container is of another image than the release's: their data may have moved on."""
        images, _ = read_running(self.client, self.project)
        keep = with_data(self._launched_from(release).opened()[1])
        return tuple(
            name for name in sorted(keep & images.keys() & release.images.keys())
            if images[name].id != release.images[name].id
        )  # fmt: skip

    def go_back(self, mark: Mark) -> Table:
        """Launch a release again, on its set of the data where the mark names one, and ask it as a start does.

        Raises:
            LaunchFailedError: it does not come to ready, or does not do its work.
            OpskitError: it cannot be launched, or its data cannot be put back.
        """
        with phase(self.journal, "rollback"):
            self._await_engine()
            self.release = find_release(mark.release, self.environment.project)
            self.read_again()
            if mark.snapshot:
                self._put_back(mark.snapshot)
            self._remove_new(self.release)
            shown = self.start.bring_up()
            check_services(self.start.target, self.journal)
        self.release = keep_again(self.client, self.project, self.release, self.journal.run)
        self.journal.write("release", id=self.release.id, images=self.release.images)
        remove_mark(self.project)
        return shown

    def _put_back(self, name: str) -> None:
        kept = self.repository.find(name, self.project)
        parts = self.read_whole(kept)
        with hold_project(self.project, engine=self.start.target.engine_id), unfinished(self.project, kept.id):
            if failure := take_down(self.start.target.project, self.client, timeout_s=_DOWN_S).failure:
                raise OpskitError(f"{self.project}: {failure.message}", failure.remedy)
            self.put_back(kept, parts)
        note(self.journal, f"set {kept.id} of {kept.time} is put back")

    def _remove_new(self, release: Release) -> None:
        """Remove the containers of services that the release does not have: nothing of theirs would be judged."""
        for entry in list_containers(self.client, self.project):
            service = entry["Labels"].get(SERVICE_LABEL)
            if service not in release.images:
                self.client.api.remove_container(entry["Id"], force=True)
                note(self.journal, f"{service} is removed: release {release.id} has no such service")

    def _await_engine(self) -> None:
        """Wait for the Engine that was launched on, which may be started again; opskit's own is started by it.

        Raises:
            OpskitError: it does not come back; a rehearsal would otherwise go on with another.
        """
        end, host = time.monotonic() + _ENGINE_S, self.start.target.project.engine_host
        while host and host != Place((STATE / "engine").resolve()).host and not answers(host):
            if time.monotonic() > end:
                raise OpskitError(f"the Docker Engine at {host} has not answered for {_ENGINE_S:g} s", "start it")
            time.sleep(_AGAIN_S)
        self.release = None
        while True:
            self.read_again()
            if isinstance(self.start.target.facts.engine, EngineFacts) or time.monotonic() > end:
                return
            time.sleep(_AGAIN_S)


class Rollback(Releases):
    """Launches an earlier release; the data stays as it is, unless a set is named.

    Args:
        release: the id of one; empty takes the last good one that is not what runs.
        snapshot: a set of that time to put back too, or `none` where the data is to stay though its format may have
            moved on.
        confirm: the project's name, typed; without it, it only shows.
    """

    def __init__(
        self,
        *,
        env: str,
        release: str = "",
        snapshot: str = "",
        confirm: str = "",
        overlays: str = "",
        rehearse: str | bool = "no",
    ) -> None:
        super().__init__(env=env, overlays=overlays, rehearse=rehearse)
        self.asked, self.snapshot, self.confirm = release, snapshot, confirm

    def rollback(self) -> Table | VBox:
        """Go back.

        Raises:
            UsageError: there is no such release, another name was typed, or it is not said what becomes of the data.
            LaunchFailedError: it did not come to ready.
            LockHeldError: a launch of the environment is in progress.
        """
        ways = ("release", "one of the above; else the last good one that is not what runs")
        if shown := self.unconfirmed(self.confirm, "to go back", ways):
            return shown
        given = {"release": self.asked, "snapshot": self.snapshot, "confirm": self.project}
        action = self.action("rollback", typed=self.project, **given)
        choices = {"the last good one that is not what runs": action} if not self.asked else {}
        for one in read_releases(self.environment.project) if choices else ():
            goes = self.action("rollback", typed=self.project, **{**given, "release": one.id})
            effect = f"to launch release {one.id} of <b>{self.environment.name}</b>"
            choices[f"{one.id}, good {one.when}, {one.run}"] = replace(goes, effect=effect)
        if shown := self.refuse_unrecorded(action, "Rollback", choices):
            return shown
        mark = self._chosen()
        before = ""
        if mark.snapshot and not read_unfinished(self.project):
            with hold_project(self.project, engine=self.start.target.engine_id):
                before = self.save()[0]
        self.journal.write("upgrade", project=self.project, verdict="rollback", to=mark)
        try:
            shown = self.go_back(mark)
        except OpskitError as error:
            kept = f"\nThe data as it was before this is set {before}." if before else ""
            raise LaunchFailedError(
                f"{self.project} did not go back to release {mark.release}: {error}{kept}"
            ) from None
        note(self.journal, f"{self.project} is release {mark.release} again")
        return shown

    def _chosen(self) -> Mark:
        """What to go back to: as asked, as the upgrade that was interrupted has it, or what was good before this."""
        left, running = read_mark(self.project), read_running(self.client, self.project)[1]
        releases = read_releases(self.environment.project)
        last = next((one.id for one in releases if not _runs(one, running)), "")
        name = self.asked or (left.release if left else last)
        if not name:
            raise UsageError(
                f"release: found none of {self.project} but what runs; wanted one. A start that ends well keeps one"
            )
        release = find_release(name, self.environment.project)
        if self.snapshot:
            return Mark(release.id, "" if self.snapshot == "none" else self.snapshot)
        moved = self.moved(release)
        if left and left.release == release.id and (moved or read_unfinished(self.project)):
            return left
        if not moved:
            return Mark(release.id, "")
        raise UsageError(
            f"snapshot: found none; {', '.join(moved)} ran with another image since release {release.id}, and its data "
            "may have a format that the older one cannot read. Wanted a set of that time (what was written since is "
            "then only in a set of its own), or `none` to leave the data as it is: "
            f"`opskit restore {self.environment.name}{self.more}` lists the sets"
        )


def find_release(name: str, project: str) -> Release:
    """A project's release of that id, or that of the run of that name.

    Raises:
        UsageError: there is none.
    """
    releases = {release.id: release for release in read_releases(project)}
    found = releases.get(name) or next((release for release in releases.values() if release.run == name), None)
    if found is None:
        raise UsageError(f"release: found no {name} of {project}; there are: {', '.join(releases) or 'none'}")
    return found


def with_data(stack: Stack) -> set[str]:
    """Services that keep something in a volume that is no cache, or in a database of PostgreSQL."""
    return {
        service.name
        for service in stack.services
        if "postgres" in service.depends_on
        or any(mount.kind == "volume" and not mount.source.endswith("_cache") for mount in service.mounts)
    }


def _runs(release: Release, hashes: dict[str, str]) -> bool:
    """Whether the containers there are were made by it."""
    return bool(hashes) and release.hashes == hashes
