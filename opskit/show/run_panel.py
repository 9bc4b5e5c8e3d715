"""Buttons that start recorded runs: what they ask first, the run as it goes, and its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import ipywidgets as widgets

from opskit.plain import escape
from opskit.show.run import Action, RunState, draw_run, reduce_run


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
_TYPE_S = 60.0
_GRACE_S = 20.0
_TAIL = 15
_FITS = {"width": "auto", "min_width": "10em"}
_WRAPS = {"flex_flow": "row wrap"}


def is_confirmed(asked_at: float | None, now: float, within_s: float = _CONFIRM_S) -> bool:
    """Whether a click at `now` answers the question asked at `asked_at`, in seconds; None: it was not asked.

    One that comes sooner than a person reads was queued by a busy kernel before the question was there.
    """
    return asked_at is not None and _READABLE_S <= now - asked_at <= within_s


class RunPanel:
    """Widgets over a run in a process of its own; handlers return at once, so the kernel stays free.

    A busy kernel queues clicks and handles them one after another, before the browser has drawn a button as disabled:
    each handler looks for itself whether its click still means what it meant. No button has two meanings: what ends a
    run can never start another.

    Args:
        start: starts a run of the notebook of that name with these parameters.
        read: the journal of a run after so many events.
        hint: what is shown before anything runs, as HTML.
        end: the label of the button that ends the run shown.
    """

    def __init__(self, *, start: StartRun, read: ReadJournal, hint: str, end: str = "End run") -> None:
        self._start = start
        self._read = read
        self._turn = threading.RLock()  # a click and the end of a run, never both at once
        self._busy = False  # from the click on: `start` takes its time
        self._running: Run | None = None
        self._asked: tuple[widgets.Button, float] | None = None  # which button asked, and when: monotonic, as the next
        self._before = hint  # what stood where a question stands
        self._stopped_at: float | None = None
        self._labels: dict[widgets.Button, str] = {}
        self._choices: tuple[widgets.Dropdown, ...] = ()
        self._end_label = end
        self.end = widgets.Button(description=end, disabled=True, layout=_FITS)
        self.end.tooltip = "Ends the run that is shown below; what is up by then stays up"
        self.end.on_click(self._on_end)
        self.typed = widgets.Text(layout={"display": "none"})
        self.view = widgets.HTML(hint)

    def add_button(self, label: str, tooltip: str, action: Callable[[], Action | None], style: str = "") -> Any:  # noqa: ANN401  ipywidgets has no types
        """A button that does what `action` says at the click; None: nothing."""
        button = widgets.Button(description=label, tooltip=tooltip, button_style=style, layout=_FITS)
        self._labels[button] = label
        button.on_click(lambda _: self._on_action(button, action))
        return button

    def add_choice(self, label: str, choices: Mapping[str, Action]) -> Any:  # noqa: ANN401  as above
        """A choice of what a button does, by words; another choice takes back a question that stands."""
        chosen = widgets.Dropdown(options=list(choices.items()), description=label, layout=_FITS)
        chosen.observe(self._on_other_choice, "value")
        self._choices += (chosen,)
        return chosen

    def _on_other_choice(self, _: object) -> None:
        with self._turn:
            self._drop_question()

    def row(self, *more: Any) -> Any:  # noqa: ANN401  as above
        """The buttons side by side, as many as the page is wide."""
        return widgets.HBox([*more, *self._choices, *self._labels, self.end, self.typed], layout=_WRAPS)

    def _controls(self) -> tuple[Any, ...]:
        """What is locked while a run goes on."""
        return (*self._labels, *self._choices)

    def _on_action(self, button: widgets.Button, make: Callable[[], Action | None]) -> None:
        with self._turn:
            action = None if self._busy else make()
            if action is None:
                return
            if action.question and not self._answers(button, _within_s(action)):
                self._ask(button, action)
            elif not action.typed or self.typed.value.strip() == action.typed:
                self._run(action)

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

    def _answers(self, button: widgets.Button, within_s: float) -> bool:
        asked = self._asked
        return asked is not None and asked[0] is button and is_confirmed(asked[1], time.monotonic(), within_s)

    def _ask(self, button: widgets.Button, action: Action) -> None:
        if self._asked is not None and self._asked[0] is button:
            return  # clicked sooner than a person reads: the question stands, and its time runs
        self._drop_question()
        self._asked = asked = (button, time.monotonic())
        self._before = self.view.value
        button.description = action.question
        word = escape(action.typed)
        first = f"Type <b>{word}</b> beside the button, then click" if word else "Click"
        self.view.value = f"{first} again within {_within_s(action):.0f} s {action.effect}."
        self.typed.placeholder = f"type {action.typed}"
        self.typed.layout.display = None if action.typed else "none"
        threading.Thread(target=self._forget, args=(asked, _within_s(action)), daemon=True).start()

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
        for button, label in self._labels.items():
            button.description = label
        self.typed.value, self.typed.layout.display = "", "none"

    def _run(self, action: Action) -> None:
        self._lock(may_end=action.notebook != "stop")  # half a stop helps nobody
        try:
            folder, running = self._start(action.notebook, action.parameters)
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  a handler's exception is shown nowhere else
            self.view.value = f"<b>Not started</b>: {escape(str(error) or repr(error))}"
            self._unlock()
            return
        self._show(folder, running, RunState(act=action.notebook, began=time.time(), now=time.time()))

    def _show(self, folder: Path, running: Run, state: RunState) -> None:
        self._running = running
        state = replace(state, record=str(folder))
        threading.Thread(target=self._follow, args=(folder, running, state), daemon=True).start()

    def _lock(self, *, may_end: bool) -> None:
        self._busy = True
        self._drop_question()
        self._stopped_at = None
        for widget in self._controls():
            widget.disabled = True
        self.end.disabled = not may_end

    def _unlock(self) -> None:
        self._busy, self._running = False, None
        for widget in self._controls():
            widget.disabled = False
        self.end.disabled, self.end.description = True, self._end_label

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


def _within_s(action: Action) -> float:
    return _TYPE_S if action.typed else _CONFIRM_S
