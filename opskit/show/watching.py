"""Beside a run: how an environment's services stand with what they take, or a service's last lines, read on and on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import ipywidgets as widgets

from opskit.plain import escape

OFF = "off"
ALL = "all services"
_EVERY_S = 2.0
_NEWEST = "max-height:26em;overflow:auto;display:flex;flex-direction:column-reverse"
"""A box that stands at its end when it is drawn again."""
_LINES = "margin:0;white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.35"

Read = Callable[[str], str]
"""What is shown of a service, as HTML; empty: of all of them."""


def draw_lines(lines: Iterable[str]) -> str:
    """Log lines as HTML, the newest in sight."""
    text = escape("\n".join(lines)) or "no line yet"
    return f'<div style="{_NEWEST}" tabindex="0"><pre style="{_LINES}">{text}</pre></div>'


class Watching:
    """A choice of service, and of what is shown of it until *off* is pressed.

    Args:
        reads: what can be shown, by its name; each is asked every two seconds while it is chosen, in a thread.
        services: of the environment that is chosen.
    """

    def __init__(self, reads: Mapping[str, Read], services: Sequence[str]) -> None:
        self._reads = reads
        self._showing = threading.Lock()  # a choice, and what is shown of the one before, never both at once
        self._turn = 0  # which thread's words are shown: a choice ends the one before
        self.service = widgets.Dropdown(description="Service", options=[ALL], style={"description_width": "initial"})
        self.choice = widgets.ToggleButtons(options=[OFF, *reads], style={"button_width": "auto"})
        self.choice.tooltips = ["Show nothing", *(f"Shown below, and read again every {_EVERY_S:g} s" for _ in reads)]
        self.view = widgets.HTML()
        self.set_services(services)
        for widget in (self.service, self.choice):
            widget.observe(lambda _: self._begin(), names="value")

    def row(self, *more: Any) -> Any:  # noqa: ANN401  ipywidgets has no types
        """The choices side by side, as many as the page is wide, and what else is about the service."""
        return widgets.HBox([self.service, *more, self.choice], layout={"flex_flow": "row wrap"})

    @property
    def chosen(self) -> str:
        """The service; empty: all of them."""
        return "" if self.service.value == ALL else str(self.service.value)

    def set_services(self, services: Sequence[str]) -> None:
        """Offer those of another environment."""
        self.service.options = [ALL, *services]

    def _begin(self) -> None:
        with self._showing:
            self._turn += 1
            if self.choice.value == OFF:
                self.view.value = ""
                return
        threading.Thread(target=self._show, args=(self._turn, self._reads[self.choice.value]), daemon=True).start()

    def _show(self, turn: int, read: Read) -> None:
        while turn == self._turn:
            try:
                html = read(self.chosen)
            except Exception as error:  # noqa: BLE001  nobody sees a thread's exception; the Engine may come back
                html = f"<b>Not known</b>: {escape(str(error) or repr(error))}"
            with self._showing:
                if turn != self._turn:
                    return
                self.view.value = html
            time.sleep(_EVERY_S)
