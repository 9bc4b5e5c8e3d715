"""The first panel of the start notebook: choose an environment and a GPU mode, launch, watch, stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import ipywidgets as widgets

from opskit.plain import escape
from opskit.show.run import RunState, draw_run, reduce_run


class Run(Protocol):
    """What a panel needs of a run in a process of its own; `process.Detached` is one."""

    def poll(self) -> int | None:
        """Its exit status; None while it runs."""

    def interrupt(self) -> None:
        """Ask it to end; asked a second time it ends at once."""

    def tail(self, lines: int) -> tuple[str, ...]:
        """The last lines it said."""


StartRun = Callable[[str, Mapping[str, str]], tuple[Path, Run]]
ReadJournal = Callable[[Path, int], Sequence[Mapping[str, Any]]]

_LOOK_S = 0.25
_READABLE_S = 0.5
_CONFIRM_S = 10.0
_GRACE_S = 20.0
_TAIL = 15
_WIDE = {"description_width": "initial"}
_HINT = (
    '<div style="color:var(--jp-ui-font-color2,inherit)">Nothing runs from here yet. <i>Launch</i> runs this notebook '
    "in a process of its own; the cells below only look.</div>"
)


def is_confirmed(asked_at: float | None, now: float) -> bool:
    """Whether a click at `now` answers the question asked at `asked_at`, in seconds; None: it was not asked.

    One that comes sooner than a person reads was queued by a busy kernel before the question was there.
    """
    return asked_at is not None and _READABLE_S <= now - asked_at <= _CONFIRM_S


class Panel:
    """Widgets over a run in a process of its own; handlers return at once, so the kernel stays free.

    A busy kernel queues clicks and handles them one after another, before the browser has drawn a button as disabled:
    each handler looks for itself whether its click still means what it meant.

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
        self._turn = threading.RLock()  # a click and the end of a run, never both at once
        self._busy = False  # from the click on: `start` takes its time
        self._running: Run | None = None
        self._asked_at: float | None = None  # monotonic, as the next
        self._stopped_at: float | None = None
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
        self._choices = (self.environment, self.gpu, self.rehearse)
        for choice in self._choices:
            choice.observe(self._on_choice, names="value")
        self.launch.on_click(self._on_launch)
        self.stop.on_click(self._on_stop)
        buttons = widgets.HBox([self.launch, self.stop])
        self.widget = widgets.VBox([widgets.HBox(self._choices), self.purpose, buttons, self.view])

    def _on_choice(self, _: object) -> None:
        self.purpose.value = self._purposes[self.environment.value]
        self._asked_at = None  # the question was about another choice
        self.launch.description = "Launch"

    def _on_launch(self, _: object) -> None:
        with self._turn:
            if not self._busy:
                self._ask_or_launch()

    def _ask_or_launch(self) -> None:
        name, asked_at, now = self.environment.value, self._asked_at, time.monotonic()
        if name == "production" and not is_confirmed(asked_at, now):
            if asked_at is None or now - asked_at > _CONFIRM_S:
                self._asked_at = now
            self.launch.description = "Launch production?"
            self.view.value = f"Click again within {_CONFIRM_S:.0f} s to launch <b>production</b>."
            return
        self._run("start", {"env": name, "gpu": self.gpu.value, "rehearse": str(self.rehearse.value).lower()})

    def _on_stop(self, _: object) -> None:
        with self._turn:
            if not self._busy:
                self._run("stop", {"env": self.environment.value, "rehearse": str(self.rehearse.value).lower()})
            elif self._running is not None and not self.stop.disabled:
                self.stop.disabled = True
                self.stop.description = "Stopping"
                self._stopped_at = time.monotonic()
                self._running.interrupt()  # the run ends Compose, records itself and then ends

    def _run(self, notebook: str, parameters: Mapping[str, str]) -> None:
        self._lock(notebook)
        try:
            folder, running = self._start(notebook, parameters)
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  a handler's exception is shown nowhere else
            self.view.value = f"<b>Not started</b>: {escape(str(error) or repr(error))}"
            self._unlock()
            return
        self._running = running
        state = RunState(act=notebook, began=time.time(), now=time.time(), record=str(folder))
        threading.Thread(target=self._follow, args=(folder, running, state), daemon=True).start()

    def _lock(self, notebook: str) -> None:
        self._busy = True
        self._asked_at = self._stopped_at = None
        self.launch.description = "Launch"
        for widget in (*self._choices, self.launch):
            widget.disabled = True
        self.stop.disabled = notebook == "stop"  # half a stop helps nobody

    def _unlock(self) -> None:
        self._busy, self._running = False, None
        for widget in (*self._choices, self.launch, self.stop):
            widget.disabled = False
        self.stop.description = "Stop"

    def _follow(self, folder: Path, running: Run, state: RunState) -> None:
        """Redraw as the journal grows: one widget, a few times a second, whatever the run prints."""
        seen, ended = 0, False
        while not ended:
            time.sleep(_LOOK_S)
            ended = running.poll() is not None  # before the look, so that its last words are in it
            state = replace(state, now=time.time(), ended=ended, stopped=self._stopped_at is not None)
            try:
                for event in self._read(folder, seen):
                    seen += 1
                    state = reduce_run(state, event)
                state = replace(state, now=time.time(), output=running.tail(_TAIL) if ended else ())
                self.view.value = draw_run(state)
            except Exception as error:  # noqa: BLE001  nobody sees a thread's exception, and Launch would stay locked
                word = "ended" if ended else "goes on"
                said = f"The run {word}, but what {folder} says of it cannot be shown: {error!r}"
                self.view.value = escape(said)
            with self._turn:
                if ended:
                    self._unlock()
                elif self._stopped_at is not None and time.monotonic() - self._stopped_at > _GRACE_S:
                    self.stop.disabled, self.stop.description = False, "Stop at once"
