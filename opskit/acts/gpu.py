"""The look at the GPUs: what there is, how it is linked, where an environment would run, and whether it fits."""

from __future__ import annotations

import weakref
from functools import cached_property
from typing import TYPE_CHECKING

from opskit.audit.journal import Journal
from opskit.audit.runner import is_interactive
from opskit.compose.model import Stack
from opskit.environments import Environment
from opskit.errors import UsageError
from opskit.gpu.model import GpuUnavailable, Inventory
from opskit.gpu.sample import Live, follow
from opskit.gpu.sampler import Sampler, take
from opskit.gpu.shape import Model
from opskit.paths import ROOT
from opskit.preflight.checks_gpu_budget import plan_stack_budget
from opskit.secrets.store import write_setting
from opskit.show.gauges import tabulate_live
from opskit.show.tables import Table
from opskit.site import GPU_CHOICE, Site, read_site

if TYPE_CHECKING:
    from ipywidgets import VBox

    from opskit.show.live import LivePanel
    from opskit.show.topology import Picture


class GpuLook:
    """The GPUs as one environment would use them; nothing is started."""

    def __init__(self, environment: Environment, gpu: str, *, level: str) -> None:
        self.environment = environment
        self.gpu = gpu
        self.level = level
        self.rehearse = level != "no"
        self.journal = Journal.of_this_run()
        self._panel: LivePanel | None = None

    @cached_property
    def _site(self) -> Site:
        site = read_site(self.environment, gpu=self.gpu, ports="keep", level=self.level, journal=self.journal)
        site.keep_facts(self.journal)
        return site

    def graph(self) -> Picture | Table:
        """The GPUs, their slots and their links."""
        from opskit.show.topology import draw_topology  # noqa: PLC0415  matplotlib is slow to import

        found = self._site.facts.inventory
        return draw_topology(found, rehearsal=self.rehearse) if isinstance(found, Inventory) else self._none(found)

    def matrix(self) -> Picture | Table:
        """How each reaches each."""
        from opskit.show.heatmap import draw_heatmap  # noqa: PLC0415  matplotlib is slow to import

        found = self._site.facts.inventory
        return draw_heatmap(found, rehearsal=self.rehearse) if isinstance(found, Inventory) else self._none(found)

    def table(self) -> Table:
        """The same as rows; what is unknown is empty."""
        from opskit.show.topology import tabulate_topology  # noqa: PLC0415  matplotlib is slow to import

        found = self._site.facts.inventory
        if isinstance(found, GpuUnavailable):
            return self._none(found)
        frame = tabulate_topology(found).reset_index(names="gpu")
        rows = [tuple("" if value is None else str(value) for value in row) for row in frame.itertuples(index=False)]
        return Table(f"{len(rows)} GPUs", tuple(map(str, frame.columns)), rows, self.rehearse)

    def live(self, *, samples: int = 5, interval_s: float = 1.0) -> VBox | Table:
        """What they do now: in JupyterLab a panel that redraws itself, headless a table of so many samples.

        Raises:
            UsageError: no sample at all, or no time between two of them.
        """
        if samples < 1 or interval_s <= 0:
            raise UsageError(f"live: found samples={samples}, interval_s={interval_s:g}; wanted both above 0.")
        if self.rehearse:
            said = "the GPUs of a rehearsal are recorded, and no live figure was"
            return Table("Nothing live", ("why",), [(said,)], rehearsal=True)
        return self._watch(interval_s) if is_interactive() else self._record(samples, interval_s)

    def _watch(self, interval_s: float) -> VBox:
        from opskit.show.live import LivePanel  # noqa: PLC0415  ipywidgets is for JupyterLab alone

        if self._panel is not None:  # the cell is run again
            self._panel.close()
        self._panel = LivePanel(Sampler, interval_s=interval_s)
        weakref.finalize(self, self._panel.close)  # the notebook is run again, with an act of its own
        return self._panel.widget

    def _record(self, samples: int, interval_s: float) -> Table:
        sampler = Sampler()
        lives: list[Live] = []
        try:
            for found in take(sampler, samples, interval_s):
                if isinstance(found, GpuUnavailable):
                    return tabulate_live(lives, interval_s, ended=found) if lives else self._none(found)
                lives.append(follow(lives[-1] if lives else None, found))
        finally:
            sampler.close()
        return tabulate_live(lives, interval_s)

    def placement(self) -> Table:
        """Where the environment would run, what it is given, and why."""
        placement = self._site.facts.placement
        given = [(f"{name}={value}", "given to Compose") for name, value in placement.environ.items()]
        overlays = [(file, "an overlay that is merged") for file in placement.overlays]
        rows = [*((reason, "why") for reason in placement.reasons), *overlays, *given]
        return Table(f"{self.environment.name}: GPU mode {placement.mode}", ("what", "part"), rows, self.rehearse)

    def budget(self) -> Picture | Table:
        """Whether the model and what shares its GPUs fit, term by term; what is not known is said."""
        from opskit.show.budget import draw_budget  # noqa: PLC0415  matplotlib is slow to import

        facts = self._site.facts
        self.journal.write("outcome", ok=True, failures=[])
        known = facts.model if isinstance(facts.model, Model) else Model()
        if not isinstance(facts.stack, Stack):
            return Table("No budget", ("why",), [(facts.stack.message,)], self.rehearse)
        budget = plan_stack_budget(facts.stack, facts.placement, facts.inventory, known, running=facts.running)
        if budget is None or isinstance(budget, str):
            why = budget or "no model server on a GPU in this environment, or no GPU for each of its parts"
            return Table("No budget", ("why",), [(why,)], self.rehearse)
        return draw_budget(budget, rehearsal=self.rehearse)

    def choose(self, confirm: str) -> Table:
        """Write the mode into the environment's env file, so that later starts with gpu=auto take it.

        Args:
            confirm: `<environment>:<mode>` writes it, `<environment>:auto` takes it out; empty only says so.

        Raises:
            UsageError: it confirms something else; nothing was written.
        """
        name, mode, file = self.environment.name, self._site.facts.placement.mode, self.environment.env_file
        if mode == "none":
            return Table("Nothing to choose", ("why",), [("this environment needs no GPU",)], self.rehearse)
        words = {f"{name}:{mode}": mode, f"{name}:auto": None}
        if confirm and confirm not in words:
            raise UsageError(f"confirm: found {confirm!r}; wanted {' or '.join(words)}; nothing was written.")
        self.journal.write("outcome", ok=True, failures=[])
        if not confirm:
            rows = [
                (f"{name}:{mode}", f"writes {GPU_CHOICE}={mode} into {file}"),
                (f"{name}:auto", f"takes {GPU_CHOICE} out of {file}; the mode is decided anew at each start"),
            ]
            return Table("Nothing was written", ("confirm with", "what it does"), rows, self.rehearse)
        write_setting(ROOT / file, GPU_CHOICE, words[confirm])
        self.journal.write("note", text=f"{file}: {GPU_CHOICE}={words[confirm] or '(taken out)'}")
        done = f"{GPU_CHOICE}={mode} stands in it" if words[confirm] else f"{GPU_CHOICE} is not in it"
        return Table(f"{name}: written", ("file", "now"), [(file, done)], self.rehearse)

    def _none(self, found: GpuUnavailable) -> Table:
        return Table("No GPU", ("why", "remedy"), [(found.reason, found.remedy)], self.rehearse)
