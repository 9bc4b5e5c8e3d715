from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from opskit.gpu.model import GpuUnavailable
from opskit.gpu.sample import GpuSample, Sample
from opskit.show import live as module
from opskit.show.live import LivePanel


class Gpus:
    """GPUs as the test says; each opening is a source of its own, as the panel wants."""

    def __init__(self) -> None:
        self.opened = self.closed = self.asked = 0
        self.absent: GpuUnavailable | None = None
        self.fault: Exception | None = None
        self.hold = threading.Event()
        self.hold.set()

    def open(self) -> Gpus:
        self.opened += 1
        return self

    def read(self) -> Sample | GpuUnavailable:
        self.asked += 1
        self.hold.wait(5)
        if self.fault:
            raise self.fault
        return self.absent or Sample((GpuSample(0, float(self.asked), temperature_c=self.asked),))

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def gpus() -> Gpus:
    return Gpus()


@pytest.fixture
def panel(gpus: Gpus) -> Iterator[LivePanel]:
    made = LivePanel(gpus.open, interval_s=0.005)
    yield made
    made.close()


def until(look: Callable[[], object]) -> None:
    deadline = time.monotonic() + 5
    while not look():
        assert time.monotonic() < deadline, "not so within 5 s"
        time.sleep(0.005)


def until_still(gpus: Gpus) -> None:
    until(lambda: gpus.closed == gpus.opened)


def test_it_redraws_itself(panel: LivePanel) -> None:
    until(lambda: "°C" in panel.view.value)
    first = panel.view.value
    until(lambda: panel.view.value != first)


def test_pause_ends_the_asking_and_resume_opens_anew(panel: LivePanel, gpus: Gpus) -> None:
    until(lambda: gpus.asked > 1)
    panel.pause.value = True
    until_still(gpus)
    asked = gpus.asked
    assert (panel.pause.description, panel.word.value) == ("Resume", "Paused")
    panel.pause.value = False
    until(lambda: gpus.asked > asked)
    assert (panel.pause.description, gpus.opened) == ("Pause", 2)


def test_a_pause_while_it_asks_shows_nothing_more(panel: LivePanel, gpus: Gpus) -> None:
    until(lambda: "°C" in panel.view.value)
    gpus.hold.clear()
    asked = gpus.asked
    until(lambda: gpus.asked > asked)
    panel.pause.value = True
    shown = panel.view.value
    gpus.hold.set()
    until_still(gpus)
    assert (panel.view.value, panel.word.value) == (shown, "Paused")


def test_it_ends_when_the_widget_is_closed(panel: LivePanel, gpus: Gpus) -> None:
    panel.widget.close()
    until_still(gpus)
    panel.pause.value = True
    panel.pause.value = False
    assert gpus.opened == 1


def test_it_pauses_itself_after_its_time(panel: LivePanel, gpus: Gpus, monkeypatch: pytest.MonkeyPatch) -> None:
    panel.pause.value = True
    until_still(gpus)
    monkeypatch.setattr(module, "_LIMIT_S", 0.06)
    panel.pause.value = False
    until(lambda: panel.word.value == "Paused by itself after 0.001 minutes")
    assert panel.pause.value
    until_still(gpus)


def test_an_interrupted_cell_ends_it_and_another_does_not(panel: LivePanel, gpus: Gpus) -> None:
    panel._on_cell(SimpleNamespace(error_in_exec=ValueError()))
    assert not panel.pause.value
    panel._on_cell(SimpleNamespace(error_in_exec=KeyboardInterrupt()))
    assert (panel.pause.value, panel.word.value) == (True, "Interrupted")
    until_still(gpus)


def test_no_gpu_is_told_with_its_remedy_and_asked_again_only_by_the_operator(panel: LivePanel, gpus: Gpus) -> None:
    gpus.absent = GpuUnavailable("NVIDIA driver not loaded", "sudo modprobe nvidia")
    until(lambda: panel.pause.value)
    assert "NVIDIA driver not loaded<br>remedy: sudo modprobe nvidia" in panel.view.value
    until_still(gpus)
    gpus.absent = None
    panel.pause.value = False
    until(lambda: "°C" in panel.view.value)


def test_a_fault_in_the_thread_is_told(panel: LivePanel, gpus: Gpus) -> None:
    gpus.fault = ZeroDivisionError("<odd>")
    until(lambda: panel.pause.value)
    until(lambda: "Ended by a fault" in panel.word.value)
    assert "<odd>" not in panel.word.value
    until_still(gpus)
