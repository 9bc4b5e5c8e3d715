"""The look at the GPUs: what there is, how it is linked, where an environment would run, and whether it fits."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from opskit.compose.model import Stack
from opskit.environments import find_environment, read_environments
from opskit.errors import UsageError
from opskit.gpu.model import Inventory
from opskit.gpu.placement import GPU_MODES
from opskit.llm.shape import Model
from opskit.paths import ENVIRONMENTS, ROOT
from opskit.preflight.checks.gpu_memory import plan_stack_budget
from opskit.runbook.parameters import Operation, one_of
from opskit.secrets.store import write_setting
from opskit.show.run import Action
from opskit.show.tables import Table
from opskit.target.collect import collect_here
from opskit.target.placement import GPU_CHOICE
from opskit.target.target import Target
from opskit.unknown import Unknown, or_else

if TYPE_CHECKING:
    from ipywidgets import VBox

    from opskit.show.topology import Picture


class Gpus(Operation):
    """The GPUs as one environment would use them; nothing is started.

    Args:
        env: name or alias of an environment.
        gpu: auto, dual, single or cpu.
        rehearse: the recorded GPUs of a rehearsal.

    Raises:
        UsageError: no such environment or mode.
    """

    def __init__(self, *, env: str = "development", gpu: str = "auto", rehearse: str | bool = "no") -> None:
        super().__init__(rehearse)
        self.environment = find_environment(read_environments(ENVIRONMENTS), env).rehearsed(self.rehearse)
        self.gpu = one_of("gpu", gpu, GPU_MODES)

    @cached_property
    def _target(self) -> Target:
        target = collect_here(self.environment, gpu=self.gpu, level=self.level, journal=self.journal)
        target.keep_facts(self.journal)
        return target

    def graph(self) -> Picture | Table:
        """The GPUs, their slots and their links."""
        from opskit.show.topology import draw_topology  # noqa: PLC0415  matplotlib is slow to import

        found = self._target.facts.inventory
        return draw_topology(found, rehearsal=self.rehearse) if isinstance(found, Inventory) else self._none(found)

    def table(self) -> Table:
        """The same as rows; what is unknown is empty."""
        from opskit.show.topology import tabulate_topology  # noqa: PLC0415  matplotlib is slow to import

        found = self._target.facts.inventory
        if isinstance(found, Unknown):
            return self._none(found)
        frame = tabulate_topology(found).reset_index(names="gpu")
        rows = [tuple("" if value is None else str(value) for value in row) for row in frame.itertuples(index=False)]
        return Table(f"{len(rows)} GPUs", tuple(map(str, frame.columns)), rows, self.rehearse)

    def placement(self) -> Table:
        """Where the environment would run, what it is given, and why."""
        placement = self._target.facts.placement
        given = [(f"{name}={value}", "given to Compose") for name, value in placement.environ.items()]
        overlays = [(file, "an overlay that is merged") for file in placement.overlays]
        rows = [*((reason, "why") for reason in placement.reasons), *overlays, *given]
        return Table(f"{self.environment.name}: GPU mode {placement.mode}", ("what", "part"), rows, self.rehearse)

    def budget(self) -> Picture | Table:
        """Whether the model and what shares its GPUs fit, term by term; what is not known is said."""
        from opskit.show.budget import draw_budget  # noqa: PLC0415  matplotlib is slow to import

        facts = self._target.facts
        known = or_else(facts.model, Model())
        if not isinstance(facts.stack, Stack):
            return Table("No budget", ("why",), [(facts.stack.message,)], self.rehearse)
        budget = plan_stack_budget(facts.stack, facts.placement, facts.inventory, known, running=facts.running)
        if budget is None or isinstance(budget, Unknown):
            why = (
                budget.reason
                if budget
                else "no model server on a GPU in this environment, or no GPU for each of its parts"
            )
            return Table("No budget", ("why",), [(why,)], self.rehearse)
        return draw_budget(budget, rehearsal=self.rehearse)

    def choose(self, confirm: str) -> Table | VBox:
        """Write the mode into the environment's env file, so that later starts with gpu=auto take it.

        Args:
            confirm: `<environment>:<mode>` writes it, `<environment>:auto` takes it out; empty only says so.

        Raises:
            UsageError: it confirms something else; nothing was written.
        """
        name, mode, file = self.environment.name, self._target.facts.placement.mode, self.environment.env_file
        if mode == "none":
            return Table("Nothing to choose", ("why",), [("this environment needs no GPU",)], self.rehearse)
        words = {f"{name}:{mode}": mode, f"{name}:auto": None}
        if confirm and confirm not in words:
            raise UsageError(f"confirm: found {confirm!r}; wanted {' or '.join(words)}; nothing was written.")
        if not confirm:
            rows = [
                (f"{name}:{mode}", f"writes {GPU_CHOICE}={mode} into {file}"),
                (f"{name}:auto", f"takes {GPU_CHOICE} out of {file}; the mode is decided again at each start"),
            ]
            return Table("Nothing was written", ("confirm with", "what it does"), rows, self.rehearse)
        effect = f"to write <code>{confirm}</code> into {file}"
        action = Action("gpu", self.words(env=name, gpu=self.gpu, confirm=confirm), "Write it?", effect)
        if shown := self.refuse_unrecorded(action, "Write"):
            return shown
        write_setting(ROOT / file, GPU_CHOICE, words[confirm])
        self.journal.write("note", text=f"{file}: {GPU_CHOICE}={words[confirm] or '(taken out)'}")
        done = f"{GPU_CHOICE}={mode} stands in it" if words[confirm] else f"{GPU_CHOICE} is not in it"
        return Table(f"{name}: written", ("file", "now"), [(file, done)], self.rehearse)

    def _none(self, found: Unknown) -> Table:
        return Table("No GPU", ("why", "remedy"), [(found.reason, found.remedy)], self.rehearse)
