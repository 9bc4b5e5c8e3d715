"""The first panel of the start notebook: choose an environment and a GPU mode, launch, watch, stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from opskit.process import Detached
from opskit.show.run import RunState, draw_run, reduce_run

StartRun = Callable[[str, Mapping[str, str]], tuple[Path, Detached]]
ReadJournal = Callable[[Path, int], Sequence[Mapping[str, Any]]]

_LOOK_S = 0.25
_CONFIRM_S = 10.0
_TAIL = 15
_WIDE = {"description_width": "initial"}
_HINT = (
    '<div style="color:var(--jp-ui-font-color2,inherit)">Nothing runs from here yet. <i>Launch</i> runs this notebook '
    "in a process of its own; the cells below only look.</div>"
)


class Panel:
    """Widgets over a run in a process of its own; handlers return at once, so the kernel stays free.

    Args:
        environments: (name, purpose) of each environment that can be launched.
        env: the one chosen at first.
        gpu: the GPU mode chosen at first.
        rehearse: whether Rehearse is ticked at first.
        start: starts a run of the notebook of that name with these parameters.
        read: the journal of a run after so many events.
    """

    def __init__(
        self,
        environments: Sequence[tuple[str, str]],
        *,
        env: str,
        gpu: str,
        rehearse: bool,
        start: StartRun,
        read: ReadJournal,
    ) -> None:
        self._start = start
        self._read = read
        self._running: Detached | None = None
        self._confirmed_until = 0.0
        names = [name for name, _ in environments]
        self._purposes = dict(environments)
        self.environment = widgets.Dropdown(options=names, value=env, description="Environment", style=_WIDE)
        self.gpu = widgets.Dropdown(
            options=("auto", "dual", "single", "cpu"), value=gpu, description="GPU mode", style=_WIDE
        )
        self.rehearse = widgets.Checkbox(value=rehearse, description="Rehearse", indent=False)
        self.launch = widgets.Button(description="Launch", button_style="primary")
        self.stop = widgets.Button(description="Stop")
        self.purpose = widgets.HTML(self._purposes[env])
        self.view = widgets.HTML(_HINT)
        self.rehearse.tooltip = "Stand-ins and recorded GPUs: no GPU and no image registry are needed"
        self.stop.tooltip = "Ends a launch in progress; else takes the environment down and keeps its data"
        self.environment.observe(self._on_choice, names="value")
        self.launch.on_click(self._on_launch)
        self.stop.on_click(self._on_stop)
        choice = widgets.HBox([self.environment, self.gpu, self.rehearse])
        self.widget = widgets.VBox([choice, self.purpose, widgets.HBox([self.launch, self.stop]), self.view])

    def _on_choice(self, change: Mapping[str, Any]) -> None:
        self.purpose.value = self._purposes[change["new"]]
        self._confirmed_until = 0.0
        self.launch.description = "Launch"

    def _on_launch(self, _: object) -> None:
        name = self.environment.value
        if name == "production" and time.monotonic() > self._confirmed_until:
            self._confirmed_until = time.monotonic() + _CONFIRM_S
            self.launch.description = "Launch production?"
            self.view.value = f"Click again within {_CONFIRM_S:.0f} s to launch <b>production</b>."
            return
        self._run("start", {"env": name, "gpu": self.gpu.value, "rehearse": str(self.rehearse.value).lower()})

    def _on_stop(self, _: object) -> None:
        running = self._running
        if running is None:
            self._run("stop", {"env": self.environment.value, "rehearse": str(self.rehearse.value).lower()})
            return
        self.stop.disabled = True
        self.stop.description = "Stopping"
        running.interrupt()  # the run ends Compose, records itself and then ends

    def _run(self, notebook: str, parameters: Mapping[str, str]) -> None:
        self.launch.disabled = True
        self.launch.description = "Launch"
        folder, self._running = self._start(notebook, parameters)
        state = RunState(act=notebook, began=time.time(), now=time.time(), record=str(folder))
        threading.Thread(target=self._follow, args=(folder, self._running, state), daemon=True).start()

    def _follow(self, folder: Path, running: Detached, state: RunState) -> None:
        """Redraw as the journal grows: one widget, a few times a second, whatever the run prints."""
        seen, rc = 0, None
        while rc is None:
            time.sleep(_LOOK_S)
            rc = running.poll()
            for event in self._read(folder, seen):
                seen += 1
                state = reduce_run(state, event)
            state = replace(state, now=time.time(), ended=rc is not None)
            if state.ended:
                state = replace(state, output=running.tail(_TAIL))
            self.view.value = draw_run(state)
        self._running = None
        self.launch.disabled = self.stop.disabled = False
        self.stop.description = "Stop"
