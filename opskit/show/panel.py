"""The first panel of the start notebook: choose an environment and a GPU mode, launch, watch, end, take down."""

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


StartRun = Callable[[str, Mapping[str, str]], tuple[Path, Run]]
ReadJournal = Callable[[Path, int], Sequence[Mapping[str, Any]]]

_LOOK_S = 0.25
_READABLE_S = 0.5
_CONFIRM_S = 10.0
_TYPE_S = 60.0
_PRODUCTION = "production"
_GRACE_S = 20.0
_TAIL = 15
_WIDE = {"description_width": "initial"}
_FITS = {"width": "auto", "min_width": "10em"}
_HINT = (
    '<div style="color:var(--jp-ui-font-color2,inherit)">Nothing runs from here yet. <i>Launch</i> runs this notebook '
    "in a process of its own; the cells below only look.</div>"
)


def is_confirmed(asked_at: float | None, now: float, within_s: float = _CONFIRM_S) -> bool:
    """Whether a click at `now` answers the question asked at `asked_at`, in seconds; None: it was not asked.

    One that comes sooner than a person reads was queued by a busy kernel before the question was there.
    """
    return asked_at is not None and _READABLE_S <= now - asked_at <= within_s


class Panel:
    """Widgets over a run in a process of its own; handlers return at once, so the kernel stays free.

    A busy kernel queues clicks and handles them one after another, before the browser has drawn a button as disabled:
    each handler looks for itself whether its click still means what it meant. No button has two meanings: what ends a
    launch can never take down what it has brought up.

    Args:
        environments: (name, purpose) of each environment that can be launched.
        env: the one chosen at first.
        gpu: the GPU mode chosen at first.
        rehearse: whether Rehearse is ticked at first.
        start: starts a run of the notebook of that name with these parameters.
        read: the journal of a run after so many events.
        find: the run of an environment that is in progress, whoever started it: it is shown, and can be ended.
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
        find: Callable[[str], Found | None] = lambda _: None,
    ) -> None:
        self._start = start
        self._read = read
        self._find = find
        self._turn = threading.RLock()  # a click and the end of a run, never both at once
        self._busy = False  # from the click on: `start` takes its time
        self._running: Run | None = None
        self._asked: tuple[widgets.Button, float] | None = None  # which button asked, and when: monotonic, as the next
        self._before = _HINT  # what stood where a question stands
        self._stopped_at: float | None = None
        names = [name for name, _ in environments]
        self._purposes = dict(environments)
        self.environment = widgets.Dropdown(options=names, value=env, description="Environment", style=_WIDE)
        self.gpu = widgets.Dropdown(
            options=("auto", "dual", "single", "cpu"), value=gpu, description="GPU mode", style=_WIDE
        )
        self.rehearse = widgets.Checkbox(value=rehearse, description="Rehearse", indent=False)
        self.launch = widgets.Button(description="Launch", button_style="primary", layout=_FITS)
        self.end = widgets.Button(description="End launch", disabled=True, layout=_FITS)
        self.down = widgets.Button(description="Take down", layout=_FITS)
        self.typed = widgets.Text(placeholder=f"type {_PRODUCTION}", layout={"display": "none"})
        self.purpose = widgets.HTML(self._purposes[env])
        self.view = widgets.HTML(_HINT)
        self.rehearse.tooltip = "Stand-ins and recorded GPUs: no GPU and no image registry are needed"
        self.end.tooltip = "Ends the launch that is shown below; what is up by then stays up"
        self.down.tooltip = "Takes the environment's containers down; its data is kept"
        self._choices = (self.environment, self.gpu, self.rehearse)
        for choice in self._choices:
            choice.observe(self._on_choice, names="value")
        self.launch.on_click(self._on_launch)
        self.end.on_click(self._on_end)
        self.down.on_click(self._on_down)
        buttons = widgets.HBox([self.launch, self.end, self.down, self.typed])
        self.widget = widgets.VBox([widgets.HBox(self._choices), self.purpose, buttons, self.view])
        self._attach()

    def _on_choice(self, _: object) -> None:
        self.purpose.value = self._purposes[self.environment.value]
        self._drop_question()  # it was about another choice
        self._attach()

    def _attach(self) -> None:
        """Follow what runs already: a page loaded again, another tab and another browser show the same run."""
        with self._turn:
            found = None if self._busy else self._find(self.environment.value)
            if found is not None:
                self._busy = True  # before the choice is set to the run's
                self.rehearse.value = found.rehearsal
                self._lock(found.act)
                self._show(found.folder, found, RunState(act=found.act, began=found.began, now=time.time()))

    def _on_launch(self, _: object) -> None:
        name = self.environment.value
        with self._turn:
            if self._busy:
                return
            if name == _PRODUCTION and not self._answers(self.launch, _CONFIRM_S):
                self._ask(self.launch, f"Launch {name}?", f"to launch <b>{name}</b>", _CONFIRM_S)
                return
            self._run("start", {"env": name, "gpu": self.gpu.value, "rehearse": self._rehearse})

    def _on_down(self, _: object) -> None:
        name = self.environment.value
        typed = name == _PRODUCTION
        within_s = _TYPE_S if typed else _CONFIRM_S
        with self._turn:
            if self._busy:
                return
            if not self._answers(self.down, within_s):
                what = f"to take <b>{name}</b> down; its data is kept"
                self._ask(self.down, f"Take {name} down?", what, within_s)
                self.typed.layout.display = None if typed else "none"
            elif not typed or self.typed.value.strip() == name:
                self._run("stop", {"env": name, "rehearse": self._rehearse})

    def _on_end(self, _: object) -> None:
        with self._turn:
            if self._running is not None and not self.end.disabled:
                self.end.disabled = True
                self.end.description = "Ending"
                try:
                    self._running.interrupt()  # the run ends Compose, records itself and then ends
                except OSError as error:  # another user's
                    self.end.description = f"Not ended: {error.strerror}"
                else:
                    self._stopped_at = time.monotonic()

    @property
    def _rehearse(self) -> str:
        return str(self.rehearse.value).lower()

    def _answers(self, button: widgets.Button, within_s: float) -> bool:
        asked = self._asked
        return asked is not None and asked[0] is button and is_confirmed(asked[1], time.monotonic(), within_s)

    def _ask(self, button: widgets.Button, question: str, what: str, within_s: float) -> None:
        if self._asked is not None and self._asked[0] is button:
            return  # clicked sooner than a person reads: the question stands, and its time runs
        self._drop_question()
        self._asked = asked = (button, time.monotonic())
        self._before = self.view.value
        button.description = question
        first = f"Type <b>{_PRODUCTION}</b> beside the button, then click" if within_s == _TYPE_S else "Click"
        self.view.value = f"{first} again within {within_s:.0f} s {what}."
        threading.Thread(target=self._forget, args=(asked, within_s), daemon=True).start()

    def _forget(self, asked: tuple[widgets.Button, float], within_s: float) -> None:
        """Take a question back that nobody has answered in its time."""
        time.sleep(within_s)
        with self._turn:
            if self._asked is asked:
                self._drop_question()

    def _drop_question(self) -> None:
        if self._asked is not None:
            self.view.value = self._before
        self._asked = None
        self.launch.description, self.down.description = "Launch", "Take down"
        self.typed.value, self.typed.layout.display = "", "none"

    def _run(self, notebook: str, parameters: Mapping[str, str]) -> None:
        self._lock(notebook)
        try:
            folder, running = self._start(notebook, parameters)
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  a handler's exception is shown nowhere else
            self.view.value = f"<b>Not started</b>: {escape(str(error) or repr(error))}"
            self._unlock()
            return
        self._show(folder, running, RunState(act=notebook, began=time.time(), now=time.time()))

    def _show(self, folder: Path, running: Run, state: RunState) -> None:
        self._running = running
        state = replace(state, record=str(folder))
        threading.Thread(target=self._follow, args=(folder, running, state), daemon=True).start()

    def _lock(self, notebook: str) -> None:
        self._busy = True
        self._drop_question()
        self._stopped_at = None
        for widget in (*self._choices, self.launch, self.down):
            widget.disabled = True
        self.end.disabled = notebook == "stop"  # half a stop helps nobody

    def _unlock(self) -> None:
        self._busy, self._running = False, None
        for widget in (*self._choices, self.launch, self.down):
            widget.disabled = False
        self.end.disabled, self.end.description = True, "End launch"

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
                    self.end.disabled, self.end.description = False, "End at once"
