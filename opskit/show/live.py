"""The live panel of the GPU notebook: figures redrawn every second or so, and a button that pauses them."""

from __future__ import annotations

import html
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

import ipywidgets as widgets
from IPython import get_ipython

from opskit.gpu.model import GpuUnavailable
from opskit.gpu.sample import Live, Sample, follow
from opskit.show.gauges import draw_live, draw_unavailable

_LIMIT_S = 600.0
_OPENING = "<div>Asking NVML …</div>"


class Source(Protocol):
    """What the panel needs of who asks the GPUs; `gpu.sampler.Sampler` is one."""

    def read(self) -> Sample | GpuUnavailable:
        """One sample, in bounded time."""

    def close(self) -> None:
        """No more samples are wanted."""


class LivePanel:
    """Widgets over a thread that samples; it ends when paused, closed, interrupted, without a GPU, or in ten minutes.

    A daemon thread, not a task of the kernel's event loop: NVML may block, and a loop stands still while a cell runs.

    Args:
        opened: who to ask, anew after each pause.
        interval_s: between two samples.
    """

    def __init__(self, opened: Callable[[], Source], *, interval_s: float) -> None:
        self._opened = opened
        self._interval_s = interval_s
        self._ended = threading.Event()  # of the thread that samples now; each has its own
        self._closed = False
        self.pause = widgets.ToggleButton(value=False, description="Pause", tooltip="Stops asking the GPUs")
        self.word = widgets.HTML()
        self.view = widgets.HTML(_OPENING)
        self.widget = widgets.VBox([widgets.HBox([self.pause, self.word]), self.view])
        self.pause.observe(self._on_pause, names="value")
        self.widget.observe(self._on_close, names="comm")
        self._shell = get_ipython()
        if self._shell is not None:
            self._shell.events.register("post_run_cell", self._on_cell)
        self._begin()

    def close(self) -> None:
        """End it and take the widget away."""
        self.widget.close()

    def _on_close(self, change: Any) -> None:  # noqa: ANN401  a traitlets Bunch
        if change["new"] is None:
            self._closed = True
            self._ended.set()
            if self._shell is not None:
                self._shell.events.unregister("post_run_cell", self._on_cell)

    def _on_cell(self, result: Any) -> None:  # noqa: ANN401  IPython's ExecutionResult
        # An idle kernel ignores an interrupt; one that hits a cell is meant for all that runs.
        if isinstance(result.error_in_exec, KeyboardInterrupt):
            self._stop("Interrupted")

    def _on_pause(self, change: Any) -> None:  # noqa: ANN401  a traitlets Bunch
        self.pause.description = "Resume" if change["new"] else "Pause"
        if change["new"]:
            self._ended.set()
            self.word.value = "Paused"
        elif not self._closed:
            self._begin()

    def _stop(self, word: str) -> None:
        self.pause.value = True
        self.word.value = html.escape(word)

    def _begin(self) -> None:
        self._ended = threading.Event()
        self.word.value = f"every {self._interval_s:g} s, for {_LIMIT_S / 60:g} minutes"
        threading.Thread(target=self._follow, args=(self._ended,), name="live GPUs", daemon=True).start()

    def _follow(self, ended: threading.Event) -> None:
        try:
            word = self._sample(ended)
        except Exception as error:  # noqa: BLE001  nobody sees a thread's exception
            word = f"Ended by a fault: {error!r}"
        if not ended.is_set():
            self._stop(word)

    def _sample(self, ended: threading.Event) -> str:
        """Sample until told to end; returns why it ended by itself."""
        source, live, until = self._opened(), None, time.monotonic() + _LIMIT_S
        try:
            while time.monotonic() < until:
                found = source.read()
                if ended.is_set():
                    return ""
                live = self._show(live, found)
                if live is None:
                    return "Nothing to sample"
                if ended.wait(self._interval_s):
                    return ""
        finally:
            source.close()
        return f"Paused by itself after {_LIMIT_S / 60:g} minutes"

    def _show(self, before: Live | None, found: Sample | GpuUnavailable) -> Live | None:
        if isinstance(found, GpuUnavailable):
            self.view.value = draw_unavailable(found)
            return None
        live = follow(before, found)
        self.view.value = draw_live(live)
        return live
