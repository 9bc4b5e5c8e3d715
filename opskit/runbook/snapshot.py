"""Keep an environment's data as a set, while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opskit.errors import LaunchFailedError, NotReadError, OpskitError, UsageError
from opskit.lock import hold_project
from opskit.runbook.sets import Snapshots
from opskit.show.tables import Table
from opskit.snapshot.project import volumes_of
from opskit.snapshot.restore import row_of

if TYPE_CHECKING:
    from ipywidgets import VBox


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
        return Table(f"Set {name} of {self.project}", ("part", "MiB", "holds", "SHA-256"), rows, self.rehearse)
