from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from opskit.errors import OpskitError
from opskit.show import panel as module
from opskit.show.panel import Panel, is_confirmed

FOLDER = Path("audit/2026/11/a-run")
STARTED = {"at": 100.0, "kind": "phase_started", "phase": "preflight"}


class Launch:
    """A run that ends when the test says so; the panel's only way to the world."""

    def __init__(self) -> None:
        self.rc: int | None = None
        self.events: list[Mapping[str, Any]] = []
        self.said: tuple[str, ...] = ()
        self.interrupts = 0
        self.started: list[tuple[str, Mapping[str, str]]] = []
        self.refusal: Exception | None = None
        self.broken: Exception | None = None

    def start(self, notebook: str, parameters: Mapping[str, str]) -> tuple[Path, Launch]:
        if self.refusal:
            raise self.refusal
        self.started.append((notebook, parameters))
        return FOLDER, self

    def read(self, folder: Path, seen: int) -> Sequence[Mapping[str, Any]]:
        assert folder == FOLDER
        if self.broken:
            raise self.broken
        return self.events[seen:]

    def poll(self) -> int | None:
        return self.rc

    def interrupt(self) -> None:
        self.interrupts += 1

    def tail(self, lines: int) -> tuple[str, ...]:
        return self.said[-lines:]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Launch]:
    monkeypatch.setattr(module, "_LOOK_S", 0.005)
    made = Launch()
    yield made
    made.rc = 0


@pytest.fixture
def panel(run: Launch) -> Panel:
    environments = [("development", "for work"), ("production", "for all")]
    return Panel(environments, env="development", gpu="auto", rehearse=True, start=run.start, read=run.read)


def until(look: Callable[[], object]) -> None:
    end = time.monotonic() + 5
    while not look():
        assert time.monotonic() < end, "not so within 5 s"
        time.sleep(0.005)


def end(panel: Panel, run: Launch, rc: int = 0) -> None:
    run.rc = rc
    until(lambda: not panel.launch.disabled)


def test_launch_starts_the_notebook_with_what_was_chosen_and_locks_the_choice(panel: Panel, run: Launch) -> None:
    panel.gpu.value = "single"
    panel.launch.click()
    assert run.started == [("start", {"env": "development", "gpu": "single", "rehearse": "true"})]
    assert all(w.disabled for w in (panel.launch, panel.environment, panel.gpu, panel.rehearse))
    assert not panel.stop.disabled


def test_clicks_that_waited_for_a_busy_kernel_start_one_run_only(panel: Panel, run: Launch) -> None:
    panel.launch.click()
    panel.launch.click()
    assert len(run.started) == 1


def test_the_journal_is_shown_while_it_runs(panel: Panel, run: Launch) -> None:
    panel.launch.click()
    run.events.append(STARTED)
    until(lambda: "preflight" in panel.view.value)


def test_all_can_be_chosen_again_after_the_end(panel: Panel, run: Launch) -> None:
    panel.launch.click()
    run.events.append({"at": 101.0, "kind": "outcome", "ok": True})
    end(panel, run)
    assert "READY" in panel.view.value
    assert not any(w.disabled for w in (panel.stop, panel.environment, panel.gpu, panel.rehearse))


def test_the_last_event_counts_though_the_process_has_ended(panel: Panel, run: Launch) -> None:
    run.rc = 0
    run.events += [STARTED, {"at": 101.0, "kind": "outcome", "ok": True}]
    panel.launch.click()
    until(lambda: "READY" in panel.view.value)


def test_a_process_that_ends_without_a_word_in_its_journal_shows_its_last_lines(panel: Panel, run: Launch) -> None:
    run.said = tuple(f"line <{n}>" for n in range(20))
    panel.launch.click()
    end(panel, run, rc=1)
    assert "FAILED" in panel.view.value
    assert "line &lt;5&gt;" in panel.view.value
    assert "line &lt;4&gt;" not in panel.view.value


def test_stop_asks_a_launch_to_end_once_however_often_it_is_clicked(panel: Panel, run: Launch) -> None:
    panel.launch.click()
    panel.stop.click()
    panel.stop.click()
    assert (run.interrupts, len(run.started)) == (1, 1)
    assert panel.stop.description == "Stopping"
    end(panel, run, rc=1)
    assert panel.stop.description == "Stop"


def test_a_launch_that_does_not_end_can_be_stopped_at_once(
    panel: Panel, run: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_GRACE_S", 0.02)
    panel.launch.click()
    panel.stop.click()
    until(lambda: panel.stop.description == "Stop at once")
    panel.stop.click()
    assert run.interrupts == 2


def test_a_launch_stopped_before_it_began_says_so_without_a_traceback(panel: Panel, run: Launch) -> None:
    run.said = ("Traceback (most recent call last):", "KeyboardInterrupt")
    panel.launch.click()
    panel.stop.click()
    end(panel, run, rc=-2)
    assert "stopped before it began; nothing was started" in panel.view.value
    assert "Traceback" not in panel.view.value


def test_stop_without_a_launch_takes_the_environment_down_and_is_not_stopped_itself(panel: Panel, run: Launch) -> None:
    panel.stop.click()
    panel.stop.click()
    assert run.started == [("stop", {"env": "development", "rehearse": "true"})]
    assert run.interrupts == 0


@pytest.mark.parametrize(
    ("asked_at", "now", "confirmed"),
    [(None, 50.0, False), (50.0, 50.49, False), (50.0, 50.5, True), (50.0, 60.0, True), (50.0, 60.01, False)],
)
def test_a_click_confirms_from_half_a_second_to_ten_seconds_after_the_question(
    asked_at: float | None, now: float, confirmed: bool
) -> None:
    assert is_confirmed(asked_at, now) is confirmed


def test_production_asks_first_and_a_double_click_is_no_answer(panel: Panel, run: Launch) -> None:
    panel.environment.value = "production"
    panel.launch.click()
    panel.launch.click()
    assert run.started == []
    assert panel.launch.description == "Launch production?"
    assert "Click again" in panel.view.value


def test_production_is_launched_by_a_second_click(panel: Panel, run: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_READ_S", 0.0)
    panel.environment.value = "production"
    panel.launch.click()
    panel.launch.click()
    assert [parameters["env"] for _, parameters in run.started] == ["production"]
    assert panel.launch.description == "Launch"


def test_another_choice_takes_the_question_back(panel: Panel, run: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_READ_S", 0.0)
    panel.environment.value = "production"
    panel.launch.click()
    panel.environment.value = "development"
    assert panel.launch.description == "Launch"
    panel.environment.value = "production"
    panel.launch.click()
    assert run.started == []


@pytest.mark.parametrize("refusal", [OpskitError("no <such> notebook"), OSError(30, "Read-only <such> file system")])
def test_a_run_that_cannot_be_started_is_told_and_can_be_tried_again(
    panel: Panel, run: Launch, refusal: Exception
) -> None:
    run.refusal = refusal
    panel.launch.click()
    assert "Not started" in panel.view.value
    assert "&lt;such&gt;" in panel.view.value
    assert not panel.launch.disabled


def test_a_journal_that_cannot_be_read_is_told_and_the_panel_lives_on(panel: Panel, run: Launch) -> None:
    run.broken = ValueError("half <a> line")
    panel.launch.click()
    until(lambda: "The run goes on, but its journal" in panel.view.value)
    assert "<a>" not in panel.view.value
    end(panel, run)
    assert "The run ended, but its journal" in panel.view.value
    assert "FAILED" not in panel.view.value
