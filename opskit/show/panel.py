"""The first panel of the start notebook: choose, see what preflight and the plan say, launch, watch, end, take down."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import ipywidgets as widgets

from opskit.audit.parameters import Parameter
from opskit.plain import escape
from opskit.show.choices import Choices
from opskit.show.run import PRODUCTION, Action, RunState, stop_action
from opskit.show.run_panel import ReadJournal, Run, RunPanel, StartRun
from opskit.show.watching import Watching

Watch = Callable[[str, str, str], str]
"""What is shown of an environment's service (empty: all) at a level of rehearsal, as HTML."""

_FIRST = ("env", "gpu", "rehearse")
_HINT = (
    '<div style="color:var(--jp-ui-font-color2,inherit)">Nothing runs from here yet. <i>Preflight and plan</i> looks, '
    "and shows what a launch would do; <i>Launch</i> then runs this notebook in a process of its own. The cells below "
    "only look, at what was looked at here last.</div>"
)


class Found(Run, Protocol):
    """A run that another panel, or a command line, has started; `attach.Attached` is one."""

    @property
    def folder(self) -> Path:
        """Of its record."""

    @property
    def act(self) -> str:
        """The notebook's name."""

    @property
    def began(self) -> float:
        """Unix seconds."""

    @property
    def rehearsal(self) -> bool:
        """Whether it is one."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look at a choice says.

    Attributes:
        html: the findings and the plan.
        may_launch: whether preflight blocks nothing.
    """

    html: str
    may_launch: bool


class Panel(RunPanel):
    """The choice of a launch, over `RunPanel`. A choice is launched once it was looked at, and nothing blocks it.

    Args:
        environments: (name, purpose) of each environment that can be launched.
        parameters: of the start notebook.
        values: those chosen at first.
        options: the words of a parameter that is one of a few.
        start, read: as in `RunPanel`.
        look: what preflight and the plan say of these parameters; it takes seconds, and is called in a thread.
        find: the run of an environment that is in progress, by any user: it is shown, and can be ended.
        watch: what can be shown beside it, by its name.
        services: of an environment.
    """

    def __init__(
        self,
        environments: Sequence[tuple[str, str]],
        parameters: Sequence[Parameter],
        values: Mapping[str, object],
        options: Mapping[str, Sequence[str]],
        *,
        start: StartRun,
        read: ReadJournal,
        look: Callable[[Mapping[str, object]], Looked],
        find: Callable[[str], Found | None] = lambda _: None,
        watch: Mapping[str, Watch] | None = None,
        services: Callable[[str], Sequence[str]] = lambda _: (),
    ) -> None:
        super().__init__(start=start, read=read, hint=_HINT, end="End launch")
        self._look = look
        self._find = find
        self._services = services
        self._purposes = dict(environments)
        self._looked: Mapping[str, str] | None = None  # the words that may be launched
        options = {**options, "env": [name for name, _ in environments]}
        self.choices = Choices(parameters, values, options, first=_FIRST, changed=self._on_choice)
        self.environment, self.gpu, self.rehearse = (self.choices.widgets[name] for name in _FIRST)
        self.purpose = widgets.HTML(self._purposes[self.environment.value])
        self.preflight = widgets.Button(description="Preflight and plan", layout={"width": "auto"})
        self.preflight.tooltip = (
            "Reads the machine, and says what blocks a launch and what it would do; changes nothing"
        )
        self.preflight.on_click(self._on_preflight)
        about = "Launches what was looked at, in a recorded run of its own"
        self.launch = self.add_button("Launch", about, self._launching, style="primary")
        about = "Takes the environment's containers down; its data is kept"
        self.down = self.add_button("Take down", about, self._taking_down)
        self.launch.disabled = True
        reads = {name: partial(self._watch, read) for name, read in (watch or {}).items()}
        self.watching = Watching(reads, services(self.environment.value))
        acts = self.row(self.preflight)
        about = "Restarts the service that is chosen beside it, in a recorded run, and waits until it is ready"
        self.restart = self.add_button("Restart service", about, self._restarting)
        chosen = [self.choices.row, self.choices.more, self.purpose]
        below = [self.watching.row(self.restart), self.watching.view]
        self.widget = widgets.VBox([*chosen, acts, self.view, *below])
        self._attach()

    def _watch(self, read: Watch, service: str) -> str:
        return read(self.environment.value, service, self.rehearse.value)

    def _controls(self) -> tuple[Any, ...]:
        return (*self.choices.widgets.values(), self.preflight, *super()._controls())

    def _unlock(self) -> None:
        super()._unlock()
        self.launch.disabled = self._looked != self.choices.words()

    def _on_choice(self) -> None:
        self.purpose.value = self._purposes[self.environment.value]
        with self._turn:
            if self._busy:
                return  # set by the panel itself
            self._drop_question()  # it was about another choice
            self._looked, self.launch.disabled = None, True
            self.view.value = _HINT
            self.watching.set_services(self._services(self.environment.value))
        self._attach()

    def _attach(self) -> None:
        """Follow what runs already: a page loaded again, another tab and another browser show the same run."""
        with self._turn:
            found = None if self._busy else self._find(self.environment.value)
            if found is not None:
                self._busy = True  # before the choice is set to the run's
                if found.rehearsal is (self.rehearse.value == "no"):
                    self.rehearse.value = "yes" if found.rehearsal else "no"
                self._lock(may_end=found.act != "stop")
                self._show(found.folder, found, RunState(act=found.act, began=found.began, now=time.time()))

    def _on_preflight(self, _: object) -> None:
        with self._turn:
            if self._busy:
                return
            self._lock(may_end=False)
            self.view.value = "<b>Looking</b>: preflight and plan …"
            threading.Thread(target=self._look_now, daemon=True).start()

    def _look_now(self) -> None:
        words, chosen = self.choices.words(), self.choices.values()
        try:
            looked = self._look(chosen)
        except Exception as error:  # noqa: BLE001  nobody sees a thread's exception, and the panel would stay locked
            looked = Looked(f"<b>Not possible</b>: {escape(str(error) or repr(error))}", may_launch=False)
        with self._turn:
            self._looked = words if looked.may_launch else None
            self.view.value = looked.html
            self._unlock()

    def _launching(self) -> Action | None:
        words, name = self.choices.words(), self.environment.value
        if words != self._looked:
            return None
        asks = {"question": f"Launch {name}?", "effect": f"to launch <b>{name}</b>"} if name == PRODUCTION else {}
        return Action("start", words, **asks)

    def _taking_down(self) -> Action:
        return stop_action(self.environment.value, self._chosen("rehearse"))

    def _restarting(self) -> Action | None:
        name, service = escape(self.environment.value), self.watching.chosen
        if not service:
            self.view.value = "<b>Not restarted</b>: choose one service below."
            return None
        given = {**self._chosen("env", "overlays", "rehearse"), "services": service}
        return Action("restart", given, f"Restart {service}?", f"to restart <b>{escape(service)}</b> of {name}")

    def _chosen(self, *names: str) -> dict[str, str]:
        """Those of these parameters that another run of the choice needs."""
        return {name: word for name, word in self.choices.words().items() if name in names}
