"""Launch what the checkout has now in the place of what runs, watch it, and go back by itself where it is not good."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from opskit.audit.journal import note, phase
from opskit.engine.events import read_clock, read_containers
from opskit.engine.listed import read_states
from opskit.engine.pulls import read_image
from opskit.errors import LaunchFailedError, NotReadError, OpskitError, UsageError
from opskit.health.readiness import Word
from opskit.health.standing import stand
from opskit.lock import hold_project
from opskit.release.majors import majors, unreadable
from opskit.release.mark import Mark, read_mark, remove_mark, set_mark
from opskit.release.release import Image, read_releases, read_running
from opskit.runbook.bring_up import keep_good
from opskit.runbook.rollback import Releases, find_release, with_data
from opskit.runbook.smoke import check_services
from opskit.show.tables import Table
from opskit.snapshot.databases import Databases
from opskit.snapshot.project import find_service, volumes_of
from opskit.snapshot.restore import emptied
from opskit.snapshot.stream import Part

if TYPE_CHECKING:
    from ipywidgets import VBox

_PULL_S, _LOOK_S, _SETTLE_S = 4 * 3600.0, 2.0, 30.0


class Upgrade(Releases):
    """Pulls, keeps the data as a set, launches, asks every service, watches; goes back by itself where that fails.

    Args:
        observe_s: seconds for which what was launched is watched, once every service has answered.
        confirm: the project's name, typed; without it, it only shows.
    """

    def __init__(
        self,
        *,
        env: str,
        observe_s: float = 60,
        confirm: str = "",
        overlays: str = "",
        rehearse: str | bool = "no",
    ) -> None:
        super().__init__(env=env, overlays=overlays, rehearse=rehearse)
        self.observe_s, self.confirm = observe_s, confirm

    def plan(self) -> Table:
        """What Compose would do; images are compared as they are on the Engine, before a pull."""
        return self.start.plan()

    def data(self) -> Table:
        """Services with data whose image changes: what a newer one makes of its data, only the set undoes."""
        rows = []
        for name, before, image in self._with_data():
            there = (read_image(self.client, image) or {}).get("Id")
            if there != before.id:
                what = f"another image, {there.removeprefix('sha256:')[:12]}" if there else "to be pulled"
                major = majors(before.name, image)
                rows.append((name, before.name, image, f"{what}; major {major[0]} to {major[1]}" if major else what))
        title = f"Services with data whose image changes: {len(rows) or 'none'}"
        return Table(title, ("service", "runs", "would run", "which is"), rows, self.rehearse)

    def _with_data(self) -> Iterator[tuple[str, Image, str]]:
        """Services with data that run: the image of each, and the one that the files name."""
        running = read_running(self.client, self.project)[0]
        _, stack = self.start.target.opened()
        for name in sorted(with_data(stack) & running.keys()):
            yield name, running[name], stack.service(name).image or ""

    def _refuse_majors(self) -> None:
        faults = [why for name, before, image in self._with_data() if (why := unreadable(name, before.name, image))]
        if faults:
            raise UsageError(
                f"{self.project}: {'; '.join(faults)}. Remedy: go by each major between, the last minor of it, or "
                "give the new one an empty volume"
            )

    def upgrade(self) -> Table | VBox:
        """Do it.

        Raises:
            UsageError: another name was typed, nothing runs that could be gone back to, or a program does not read the
                data that is there.
            GateClosedError: preflight found what must be fixed; nothing was changed.
            LaunchFailedError: it failed; what ran before is ready again, or the message says what is not.
            LockHeldError: a launch of the environment is in progress.
        """
        ways = ("observe-s", f"seconds for which it is watched; now {self.observe_s:g}")
        if shown := self.unconfirmed(self.confirm, "to upgrade", ways):
            return shown
        given = {"observe_s": str(self.observe_s), "confirm": self.project}
        if shown := self.refuse_unrecorded(self.action("upgrade", typed=self.project, **given), "Upgrade"):
            return shown
        self._refuse_majors()
        mark, run = read_mark(self.project), self.journal.run
        release = self._what_runs() if mark is None else mark.release
        self.start.gate()
        self._pull()
        if mark is None:
            snapshot, kept = self._keep()
            mark = Mark(release, snapshot, run)
        else:
            mark = replace(mark, run=run)
            kept = self._kept(mark.snapshot)
            note(
                self.journal,
                f"an upgrade was interrupted: it goes on, and back to release {mark.release} where it fails",
            )
        set_mark(self.project, mark)
        try:
            shown = self._launch(kept)
        except (OpskitError, KeyboardInterrupt, OSError) as error:
            raise self._undone(mark, error) from None
        keep_good(self.start.target, self.journal)
        remove_mark(self.project)
        self.journal.write("upgrade", project=self.project, verdict="good", since=mark)
        back = self.action("rollback", release=mark.release, confirm=self.project).command
        note(self.journal, f"{self.project} is upgraded; the way back: `{back}`, the data before: set {mark.snapshot}")
        return shown

    def _what_runs(self) -> str:
        """The release that runs, and is well: without one there is no way back.

        Raises:
            UsageError: there is none, or a service of it is not ready.
        """
        releases, again = read_releases(self.environment.project), f"`opskit start {self.environment.words}`"
        if not releases:
            raise UsageError(f"{self.project}: found no release to go back to; {again} that ends well keeps one")
        end = time.monotonic() + _SETTLE_S
        while (ill := self._ill()) and time.monotonic() < end:
            time.sleep(_LOOK_S)
        if ill:
            raise UsageError(f"{self.project}: found {'; '.join(ill)}; wanted all ready before an upgrade: {again}")
        running = read_running(self.client, self.project)[1]
        return next((one.id for one in releases if one.hashes == running), releases[0].id)

    def _ill(self) -> list[str]:
        now = read_clock(self.client) or time.time()
        states = read_states(self.client, self.project, now_s=now)
        if not states:
            return ["nothing of it up"]
        stood = stand(states, (), env=self.environment.name, now_s=now, more=self.more)
        return [f"{one.service}: {one.state}" for one in stood if one.word is not Word.READY]

    def _pull(self) -> None:
        """Bring the images; what is not to be pulled (a rehearsal's) Compose leaves.

        Raises:
            OpskitError: one cannot be pulled; nothing was changed.
        """
        project = self.start.target.project
        with phase(self.journal, "pull"):
            failure = project.pull(timeout_s=_PULL_S, sink=self.tell_launch)
        if failure:
            raise OpskitError(f"{self.project}: {failure.message}. Nothing was changed", failure.remedy)

    def _kept(self, snapshot: str) -> list[Part]:
        return list(self.read_whole(self.repository.find(snapshot, self.project)).values()) if snapshot else []

    def _keep(self) -> tuple[str, list[Part]]:
        if not volumes_of(self.client, self.project):
            return "", []
        with hold_project(self.project, engine=self.start.target.engine_id):
            try:
                return self.save()
            except NotReadError as error:
                raise OpskitError(f"{self.project}: no set was made: {error}. Nothing was changed") from None

    def _keep_since(self) -> str:
        """What is there now as a set, before an older one takes its place; empty where there is no way to keep it."""
        try:
            with hold_project(self.project, engine=self.start.target.engine_id):
                return self.save()[0]
        except (OpskitError, OSError) as error:  # the way back matters more
            note(self.journal, f"what was written since the set was made cannot be kept: {error}")
            return ""

    def _find_data(self, kept: Iterable[Part]) -> None:
        """See that the databases are those of before.

        Raises:
            LaunchFailedError: one that had rows has none.
        """
        running = find_service(self.client, self.project, "postgres")
        gone = list(emptied(Databases(self.client, running), kept)) if running else []
        if gone:
            raise LaunchFailedError(f"{self.project}: ready, but without its data: {'; '.join(gone)}")

    def _launch(self, kept: Iterable[Part]) -> Table:
        self.start.look_again()
        shown = self.start.launch()
        self.start.gpus()
        check_services(self.start.target, self.journal)
        self._find_data(kept)
        self._observe()
        return shown

    def _observe(self) -> None:
        """Watch what was launched: a container that dies, or is no longer well, is a failure.

        Raises:
            LaunchFailedError: one is.
        """
        note(self.journal, f"ready and asked; watched for {self.observe_s:g} s")
        with phase(self.journal, "observe"):
            begun, end = self._lives(), time.monotonic() + self.observe_s
            while time.monotonic() < end:
                time.sleep(min(_LOOK_S, self.observe_s))
                ill = [*self._ill(), *(f"{name} died" for name in sorted(self._lives() - begun))]
                if ill:
                    raise LaunchFailedError(f"{self.project}, while it was watched: {'; '.join(ill)}")

    def _lives(self) -> set[str]:
        """Each container's present life, named so that another life has another name."""
        states = read_containers(self.client, self.project)
        return {f"{state.service} {state.id[:12]} (restarted {state.restart_count} times)" for state in states}

    def _undone(self, mark: Mark, error: BaseException) -> LaunchFailedError:
        """Go back; the error that tells what failed, and what is now."""
        told = self.start.target.redact()(str(error) or type(error).__name__)
        note(self.journal, f"the upgrade failed; going back to release {mark.release}")
        moved: tuple[str, ...] = ()
        kept = ""
        try:
            self._await_engine()
            moved = self.moved(find_release(mark.release, self.environment.project))
            kept = self._keep_since() if moved and mark.snapshot else ""
            self.go_back(mark if moved else Mark(mark.release, ""))
        except (OpskitError, OSError) as again:
            left = f", what was written since is set {kept}" if kept else ""
            self.journal.write("upgrade", project=self.project, verdict="neither", since=mark, why=told)
            back = self.action("rollback", release=mark.release, confirm=self.project).command
            return LaunchFailedError(
                f"the upgrade of {self.project} failed: {told}\nand going back failed too: {again}\n"
                f"The data as it was is set {mark.snapshot or 'none'}{left}. Remedy: remove what hinders, then `{back}`"
            )
        data = (
            f"the data is that of set {mark.snapshot} ({', '.join(moved)} had other images); what was written since "
            + (f"is in set {kept}" if kept else "is lost")
            if moved
            else "the data was not touched"
        )
        self.journal.write(
            "upgrade", project=self.project, verdict="undone", since=mark, moved=moved, kept=kept, why=told
        )
        return LaunchFailedError(
            f"the upgrade of {self.project} failed: {told}\n"
            f"It was undone: release {mark.release} is ready again; {data}."
        )
