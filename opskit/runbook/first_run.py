"""Wipe development and start it again; without the project's name, typed, it only shows."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from opskit.audit.journal import note, phase
from opskit.engine.client import read_id
from opskit.engine.holding import Holding, foreign_users, read_holdings, remove_holdings
from opskit.environments import read_environments
from opskit.errors import LaunchFailedError, OpskitError
from opskit.lock import hold_project
from opskit.paths import ENVIRONMENTS, ROOT, login
from opskit.quantity import mib
from opskit.runbook.bring_up import keep_volumes
from opskit.runbook.parameters import find_stacks
from opskit.runbook.sets import Snapshots
from opskit.runbook.start import Start
from opskit.secrets.store import forget_secrets
from opskit.show.run import Action
from opskit.show.tables import FindingsTable, Table
from opskit.snapshot.project import volumes_of

if TYPE_CHECKING:
    from docker import DockerClient
    from ipywidgets import VBox

_GONE_WITH_IT = frozenset({"secret-data", "secret-changed", "data-missing", "data-version", "container-left"})
"""Checks of what the wipe takes away."""

Shown = TypeVar("Shown")


class FirstRun:
    """Shows what there is, removes what was named, and starts it again.

    The data is kept as a set first. The order is containers, networks, volumes, secrets: wherever it is
    interrupted, a second run finds the rest and finishes, and at no moment is there data whose secrets are gone.

    Args:
        confirm: the project's name, typed by the operator, such as `multimodal-development`.
        snapshot: whether the data is kept as a set first.
        gpu: auto, dual, single or cpu.
        rehearse: as in `Start`.
        deadline_s: as in `Start`.

    Raises:
        UsageError: the GPU mode is unknown.
    """

    def __init__(
        self,
        *,
        confirm: str = "",
        snapshot: bool = True,
        gpu: str = "auto",
        rehearse: str | bool = "no",
        deadline_s: float = 900,
    ) -> None:
        (chosen,) = find_stacks("first-run", rehearse=False)
        self.start = Start(env=chosen.name, gpu=gpu, rehearse=rehearse, deadline_s=deadline_s)
        self.environment = self.start.environment
        self.confirm = confirm
        self.snapshot = snapshot
        self.wiped = False

    @property
    def project(self) -> str:
        """The Compose project that would be wiped; its name is what the operator types."""
        return self.start.target.project.name

    @property
    def _client(self) -> DockerClient:
        return self.start.target.connection()

    @cached_property
    def _holdings(self) -> tuple[Holding, ...]:
        client = self._client
        with phase(self.start.journal, "inventory"):
            return read_holdings(client)

    @property
    def _mine(self) -> tuple[Holding, ...]:
        return tuple(holding for holding in self._holdings if holding.project == self.project)

    def inventory(self) -> Table:
        """Everything on the Engine and every env file: what would go first, then what stays."""
        stacks = [e for e in read_environments(ENVIRONMENTS).values() if not e.act_on]
        ours = {e.rehearsed(rehearsed).project for e in stacks for rehearsed in (True, False)}

        def whose(holding: Holding) -> str:
            if holding.project == self.project:
                return "would go"
            return "stays: another environment" if holding.project in ours else "stays: not ours"

        rows: list[tuple[str, ...]] = [(whose(h), h.kind, h.name, _size(h.bytes)) for h in self._holdings]
        for path in sorted({*ROOT.glob(".env.*"), *ROOT.glob(self.environment.env_file)}):
            if path.suffix != ".lock":
                name = str(path.relative_to(ROOT))
                mine = name == self.environment.env_file
                rows.append(("secrets in it would go" if mine else "stays", "env file", name, ""))
        self.start.journal.write("inventory", rows=rows)
        kinds = Counter(holding.kind for holding in self._mine)
        counted = ", ".join(f"{count} {kind}s" for kind, count in kinds.items()) or "nothing"
        self.start.journal.write(
            "note", text=f"{self.project}: {counted} there, and {len(self._holdings) - kinds.total()} of others"
        )
        rows.sort(key=lambda row: (not row[0].endswith("would go"), row[0]))
        return Table(f"What there is; {self.project} is looked at", ("", "kind", "name", "size"), rows, self._rehearse)

    def rights(self) -> Table:
        """Whether this user may do it; nothing is asked of sudo.

        Raises:
            OpskitError: the project's folder cannot be written.
        """
        held = f"{len(self._holdings)} things were read from the Engine at {self.start.target.project.engine_host}"
        if not os.access(ROOT, os.W_OK):
            raise OpskitError(f"{ROOT} cannot be written by {login()}. Remedy: `sudo chown -R {login()} {ROOT}`.")
        rows = [("Docker Engine", held), (str(ROOT), "secrets may be written there")]
        return Table(f"{login()} may do this without sudo", ("what", "seen"), rows, self._rehearse)

    def wipe(self) -> Table | VBox:
        """Remove exactly what was listed as going, where the project's name was typed.

        A wipe is a run of its own, recorded as every launch is: in JupyterLab this cell only says how to start one.

        Raises:
            LaunchFailedError: something could not be removed; what it is, and why.
            LockHeldError: a launch of it is in progress.
        """
        if self.confirm != self.project:
            said = f"found {self.confirm!r}; type {self.project}" if self.confirm else f"type {self.project}"
            self.start.journal.write("note", text=f"nothing was removed: confirm: {said}")
            rows = [("confirm", said), ("headless", f"-p confirm {self.project}")]
            return Table("Nothing was removed", ("to wipe", "how"), rows, self._rehearse)
        effect = f"to remove everything of <b>{self.project}</b>, its data and its secrets, and start it again"
        start = self.start
        given = start.words(confirm=self.project, snapshot=self.snapshot, gpu=start.gpu, deadline_s=start.deadline_s)
        if shown := self.start.refuse_unrecorded(Action("first_run", given, "Wipe it?", effect, self.project), "Wipe"):
            return shown
        client, mine = self._client, self._mine
        self._refuse(client)
        with hold_project(self.project, engine=read_id(client)):
            kept = self._keep(client)
            with phase(self.start.journal, "wipe"):
                left = remove_holdings(client, self.project, mine)
                if not left:
                    forgotten = forget_secrets(ROOT / self.environment.env_file)
        if left:
            named = "\n".join(f"  {holding.kind} {holding.name}: {why}" for holding, why in left)
            raise LaunchFailedError(
                f"{self.project} was not wiped whole:\n{named}\nRemedy: end what uses it, then run this again; the "
                "secrets are still there."
            )
        self.start.journal.write("wiped", rows=mine, secrets=forgotten)
        keep_volumes(self.start.target, client, self.start.journal)
        told = f"gone: {len(mine)} things and {len(forgotten)} secrets of {self.confirm}"
        note(self.start.journal, f"{told}; kept is {kept}" if kept else told)
        self.wiped = True
        self.start.look_again()  # what comes next is decided on facts read after the wipe
        gone = [(str(holding.kind), holding.name) for holding in mine] + [("secret", name) for name in forgotten]
        return Table(
            f"{len(mine) + len(forgotten)} things of {self.confirm} are gone", ("kind", "name"), gone, self._rehearse
        )

    def _keep(self, client: DockerClient) -> str:
        """Keep the data as a set before anything goes; what it is, in words, empty where there is none.

        Raises:
            LaunchFailedError: it could not be kept; nothing was removed.
        """
        if not self.snapshot or not volumes_of(client, self.project):
            return ""
        try:
            sets = Snapshots(env=self.environment.name, rehearse=self.start.level)
            sets.start = self.start
            return f"set {sets.save()[0]}, which `opskit restore {self.environment.name}{self.start.more}` puts back"
        except (OpskitError, OSError) as error:
            raise LaunchFailedError(
                f"{self.project} was not wiped, nothing was removed: no set of its data was made: {error}\nRemedy: put "
                "that right, or `-p snapshot False` where the data may go without one."
            ) from None

    def _refuse(self, client: DockerClient) -> None:
        """Refuse before anything goes what could not be finished: things that others use, a start that cannot be."""
        faults = [
            f"  {holding.kind} {holding.name}: container {user} of another project uses it. Remedy: "
            + (f"`docker network disconnect {holding.name} {user}`" if holding.kind == "network" else f"remove {user}")
            for holding, user in foreign_users(client, self.project, self._mine)
        ]
        faults += [
            f"  [{finding.check}] {finding.subject}: found {finding.found}. Remedy: {finding.remedy}"
            for finding in self.start.report.stopping
            if finding.check not in _GONE_WITH_IT
        ]
        if faults:
            named = "\n".join(faults)
            raise LaunchFailedError(f"{self.project} was not wiped, nothing was removed:\n{named}")

    def preflight(self) -> FindingsTable | Table:
        """The checks of the start that follows."""
        return self._after(self.start.preflight)

    def launch(self) -> Table:
        """Make secrets and start development, as its own notebook does."""
        return self._after(self.start.launch)

    def urls(self) -> Table:
        """Where everything answers."""
        return self._after(self.start.urls)

    def gpus(self) -> FindingsTable | Table:
        """Whether the containers that should hold GPUs hold them."""
        return self._after(self.start.gpus)

    def _after(self, act: Callable[[], Shown]) -> Shown | Table:
        if self.wiped:
            return act()
        return Table("Not done, since nothing was wiped", ("",), (), self._rehearse)

    @property
    def _rehearse(self) -> bool:
        return self.start.rehearse


def _size(bytes_: int | None) -> str:
    return "" if bytes_ is None else mib(bytes_)
