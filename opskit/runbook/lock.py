"""Lock an environment's images to the digests of a good launch, its own or another environment's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opskit.audit.journal import note
from opskit.errors import UsageError
from opskit.paths import ROOT
from opskit.release.digests import locked_images, write_lock
from opskit.release.release import read_releases
from opskit.runbook.parameters import Operation, find_stack
from opskit.runbook.rollback import find_release
from opskit.show.run import Action
from opskit.show.tables import Table
from opskit.target.collect import collect_here

if TYPE_CHECKING:
    from ipywidgets import VBox


class Lock(Operation):
    """Writes `configs/locks/<environment>.yml`, which each start of it merges.

    Args:
        env: name or alias of the environment that is locked.
        source: the environment whose digests are taken; empty: the same one.
        release: one of its releases, by id or run; empty: the last good one.
        overlays: as the environment is started with.

    Raises:
        UsageError: no such environment or overlay.
    """

    def __init__(self, *, env: str, source: str = "", release: str = "", overlays: str = "") -> None:
        super().__init__("no")
        self.environment = find_stack(env, overlays, rehearse=False)
        self.source = find_stack(source, "", rehearse=False) if source else self.environment
        self.release, self.overlays = release, overlays

    def lock(self) -> Table | VBox:
        """Write it.

        Raises:
            UsageError: there is no such release, or none of its images has a digest that fits.
            OpskitError: the files cannot be resolved.
        """
        words = self.words(
            env=self.environment.name, source=self.source.name, release=self.release, overlays=self.overlays
        )
        action = Action("lock", words, "Lock?", f"the images of <b>{self.environment.name}</b>")
        if shown := self.refuse_unrecorded(action, "Lock"):
            return shown
        project = self.source.project
        releases = read_releases(project)
        if not releases:
            start = f"`opskit start {self.source.name}`"
            raise UsageError(f"{project}: found no release; wanted one, which {start} keeps when it ends well")
        chosen = find_release(self.release, project) if self.release else releases[0]
        _, stack = collect_here(
            self.environment, gpu="auto", level=self.level, journal=self.journal, locked=False
        ).opened()
        images, left = locked_images(stack, chosen)
        if not images:
            why = "; ".join(f"{name}: {reason}" for name, reason in left.items())
            raise UsageError(f"release {chosen.id} of {project}: found no digest for {self.environment.name}: {why}")
        place = write_lock(self.environment, chosen, project, images).relative_to(ROOT)
        note(self.journal, f"{place}: {len(images)} images as release {chosen.id} of {project} ran them")
        self.journal.write("lock", path=str(place), release=chosen.id, project=project, images=images, left=left)
        rows = [*images.items(), *((name, f"not locked: {why}") for name, why in left.items())]
        return Table(f"{place}, of release {chosen.id} of {project}", ("service", "image"), rows)
