from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from opskit.audit.journal import Journal, read_journal
from opskit.audit.parameters import Parameter
from opskit.errors import OpskitError, UsageError
from opskit.show import run_panel as module
from opskit.show.panel import Looked, Panel
from opskit.show.run import Action
from opskit.show.run_panel import RunPanel, is_confirmed

PARAMETERS = (
    Parameter("env", "str", "", "an environment"),
    Parameter("gpu", "str", "auto", "auto, dual, single or cpu"),
    Parameter("overlays", "str", "", "further files"),
    Parameter("strict", "bool", False, "a warning stops the start"),
    Parameter("rehearse", "str", "no", "yes or full"),
    Parameter("deadline_s", "float", 900, "seconds until it is late"),
)
CHOSEN = {"env": "development", "rehearse": "yes"}
OPTIONS = {"gpu": ("auto", "dual", "single", "cpu"), "rehearse": ("no", "yes", "full")}
ENVIRONMENTS = [("development", "for work"), ("production", "for all")]


class Launch:
    """A run that ends when the test says so, with a real journal: the panel's only way to the world."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.journal = Journal(folder)
        self.rc: int | None = None
        self.said: tuple[str, ...] = ()
        self.interrupts = 0
        self.started: list[tuple[str, Mapping[str, str]]] = []
        self.refusal: Exception | None = None
        self.unreadable: Exception | None = None
        self.meanwhile: Callable[[], None] = lambda: None
        self.looked: list[Mapping[str, object]] = []
        self.verdict: Looked | Exception = Looked("<i>0 FAIL</i>", may_launch=True)

    def start(self, notebook: str, parameters: Mapping[str, str]) -> tuple[Path, Launch]:
        if self.refusal:
            raise self.refusal
        self.started.append((notebook, parameters))
        self.meanwhile()
        return self.folder, self

    def look(self, parameters: Mapping[str, object]) -> Looked:
        self.looked.append(parameters)
        if isinstance(self.verdict, Exception):
            raise self.verdict
        return self.verdict

    def read(self, folder: Path, seen: int) -> Sequence[Mapping[str, Any]]:
        if self.unreadable:
            raise self.unreadable
        return read_journal(folder, skip=seen)

    def poll(self) -> int | None:
        return self.rc

    def interrupt(self) -> None:
        self.interrupts += 1

    def tail(self, lines: int) -> tuple[str, ...]:
        return self.said[-lines:]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Launch]:
    monkeypatch.setattr(module, "_LOOK_S", 0.005)
    made = Launch(tmp_path)
    yield made
    made.rc = 0  # ends the thread that follows it


@pytest.fixture
def panel(run: Launch) -> Panel:
    made = Panel(ENVIRONMENTS, PARAMETERS, CHOSEN, OPTIONS, start=run.start, read=run.read, look=run.look)
    look(made)
    return made


def look(panel: Panel) -> None:
    panel.preflight.click()
    until(lambda: not panel._busy)


def until(look: Callable[[], object]) -> None:
    deadline = time.monotonic() + 5
    while not look():
        assert time.monotonic() < deadline, "not so within 5 s"
        time.sleep(0.005)


def end(panel: Panel, run: Launch, rc: int = 0) -> None:
    run.rc = rc
    until(lambda: not panel._busy)


def locked(panel: Panel) -> set[bool]:
    return {widget.disabled for widget in (panel.launch, panel.down, panel.environment, panel.gpu, panel.rehearse)}


def test_launch_starts_the_notebook_with_what_was_chosen_and_locks_the_choice(panel: Panel, run: Launch) -> None:
    panel.gpu.value = "single"
    look(panel)
    panel.launch.click()
    assert run.started == [("start", {"env": "development", "gpu": "single", "rehearse": "yes"})]
    assert locked(panel) == {True}
    assert not panel.end.disabled


def test_the_choice_is_locked_before_the_process_is_started(panel: Panel, run: Launch) -> None:
    seen: list[set[bool]] = []
    run.meanwhile = lambda: seen.append(locked(panel))
    panel.launch.click()
    assert seen == [{True}]


def test_clicks_that_waited_for_a_busy_kernel_start_one_run(panel: Panel, run: Launch) -> None:
    panel.launch.click()
    panel.launch.click()
    assert len(run.started) == 1


def test_a_click_handled_while_a_run_is_being_started_starts_no_other(panel: Panel, run: Launch) -> None:
    run.meanwhile = lambda: (panel.launch.click(), panel.end.click(), None)[2]
    panel.launch.click()
    assert len(run.started) == 1


def test_the_journal_is_shown_while_it_runs(panel: Panel, run: Launch) -> None:
    panel.launch.click()
    run.journal.write("phase_started", phase="preflight")
    until(lambda: "preflight" in panel.view.value)


def test_all_can_be_chosen_again_after_the_end(panel: Panel, run: Launch) -> None:
    panel.launch.click()
    run.journal.write("ended", ok=True)
    end(panel, run)
    assert "READY" in panel.view.value
    assert locked(panel) == {False}
    assert panel.end.disabled


def test_the_last_event_counts_though_the_process_has_ended(panel: Panel, run: Launch) -> None:
    run.rc = 0
    run.journal.write("ended", ok=True)
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
    panel.end.click()
    panel.end.click()
    assert (run.interrupts, len(run.started)) == (1, 1)
    assert panel.end.description == "Ending"
    end(panel, run, rc=1)
    assert panel.end.description == "End launch"


def test_a_launch_that_was_stopped_is_not_called_failed_and_the_next_one_is_not_called_stopped(
    panel: Panel, run: Launch
) -> None:
    panel.launch.click()
    panel.end.click()
    run.journal.write("ended", ok=False)
    run.journal.write("failure", message="what was started is still there")
    end(panel, run, rc=1)
    assert "STOPPED BY YOU" in panel.view.value
    assert "FAILED" not in panel.view.value
    assert "what was started is still there" in panel.view.value
    panel.launch.click()
    until(lambda: "FAILED" in panel.view.value)


def test_a_launch_that_does_not_end_can_be_stopped_at_once(
    panel: Panel, run: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel.launch.click()
    panel.end.click()
    time.sleep(0.05)
    assert panel.end.disabled
    monkeypatch.setattr(module, "_GRACE_S", 0.02)
    until(lambda: panel.end.description == "End at once")
    assert not panel.end.disabled
    panel.end.click()
    assert run.interrupts == 2


def test_what_ends_a_launch_never_takes_down_what_it_brought_up(panel: Panel, run: Launch) -> None:
    panel.end.click()
    panel.launch.click()
    end(panel, run)
    assert panel.end.disabled
    panel.end.click()  # clicked during the launch, handled by a busy kernel after it
    assert [notebook for notebook, _ in run.started] == ["start"]
    assert run.interrupts == 0


def test_taking_down_asks_first_and_is_not_ended_itself(panel: Panel, run: Launch) -> None:
    panel.down.click()
    panel.down.click()
    assert run.started == []
    assert panel.down.description == "Take development down?"
    assert "its data is kept" in panel.view.value
    time.sleep(0.55)
    panel.down.click()
    panel.down.click()
    panel.end.click()
    panel.launch.click()
    assert run.started == [("stop", {"env": "development", "rehearse": "yes"})]
    assert run.interrupts == 0
    assert (panel.end.disabled, panel.down.disabled) == (True, True)
    end(panel, run)
    assert (panel.end.disabled, panel.down.disabled) == (True, False)


def test_production_is_taken_down_only_by_its_name(panel: Panel, run: Launch) -> None:
    panel.environment.value = "production"
    assert panel.typed.layout.display == "none"
    panel.down.click()
    assert panel.typed.layout.display is None
    assert "Type <b>production</b>" in panel.view.value
    time.sleep(0.55)
    for word in ("", "development", "Production"):
        panel.typed.value = word
        panel.down.click()
        assert run.started == []
    panel.typed.value = " production"
    panel.down.click()
    assert [(notebook, given["env"]) for notebook, given in run.started] == [("stop", "production")]
    assert panel.typed.value == ""


def test_a_click_that_answers_one_question_answers_no_other(panel: Panel, run: Launch) -> None:
    panel.environment.value = "production"
    look(panel)
    panel.launch.click()
    time.sleep(0.55)
    panel.down.click()
    assert (panel.launch.description, panel.down.description) == ("Launch", "Take production down?")
    panel.launch.click()
    assert (panel.launch.description, panel.down.description) == ("Launch production?", "Take down")
    assert run.started == []


class Elsewhere(Launch):
    """A run that another panel has started."""

    act, began, rehearsal = "start", 100.0, False


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Elsewhere]:
    monkeypatch.setattr(module, "_LOOK_S", 0.005)
    made = Elsewhere(tmp_path)
    yield made
    made.rc = 0


def attached(run: Elsewhere) -> Panel:
    running = {"production": run}
    find = running.get
    made = Panel(ENVIRONMENTS, PARAMETERS, CHOSEN, OPTIONS, start=run.start, read=run.read, look=run.look, find=find)
    look(made)
    return made


def test_a_run_of_another_tab_is_shown_and_can_be_ended_and_nothing_else_is_started(elsewhere: Elsewhere) -> None:
    panel = attached(elsewhere)
    assert locked(panel) == {False}
    panel.environment.value = "production"
    assert locked(panel) == {True}
    assert panel.rehearse.value == "no"
    elsewhere.journal.write("phase_started", phase="preflight")
    until(lambda: "preflight" in panel.view.value)
    panel.launch.click()
    panel.down.click()
    assert elsewhere.started == []
    panel.end.click()
    panel.end.click()
    assert elsewhere.interrupts == 1
    elsewhere.journal.write("ended", ok=False)
    end(panel, elsewhere, rc=1)
    assert "STOPPED BY YOU" in panel.view.value
    assert (panel.launch.disabled, panel.down.disabled) == (True, False), "what it chose was not looked at here"


def test_a_run_that_may_not_be_ended_by_this_user_says_so_and_goes_on(elsewhere: Elsewhere) -> None:
    def refuse() -> None:
        raise PermissionError(1, "Operation not permitted")

    elsewhere.interrupt = refuse  # type: ignore[method-assign]
    panel = attached(elsewhere)
    panel.environment.value = "production"
    panel.end.click()
    assert panel.end.description == "Not ended: Operation not permitted"
    elsewhere.journal.write("ended", ok=True)
    end(panel, elsewhere)
    assert "READY" in panel.view.value
    assert panel.end.description == "End launch"


def test_a_question_that_nobody_answers_goes_and_what_stood_there_is_back(
    panel: Panel, run: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CONFIRM_S", 0.05)
    before = panel.view.value
    panel.down.click()
    assert panel.view.value != before
    until(lambda: panel.down.description == "Take down")
    assert panel.view.value == before
    panel.down.click()
    assert run.started == []


@pytest.mark.parametrize(
    ("asked_at", "now", "confirmed"),
    [(None, 50.0, False), (50.0, 50.49, False), (50.0, 50.5, True), (50.0, 60.0, True), (50.0, 60.01, False)],
)
def test_a_click_confirms_from_half_a_second_to_ten_seconds_after_the_question(
    asked_at: float | None, now: float, confirmed: bool
) -> None:
    assert is_confirmed(asked_at, now) is confirmed


def test_production_asks_first_a_double_click_is_no_answer_and_a_later_click_is(panel: Panel, run: Launch) -> None:
    panel.environment.value = "production"
    look(panel)
    panel.launch.click()
    panel.launch.click()
    assert run.started == []
    assert panel.launch.description == "Launch production?"
    assert "Click again" in panel.view.value
    time.sleep(0.55)
    panel.launch.click()
    assert [parameters["env"] for _, parameters in run.started] == ["production"]
    assert panel.launch.description == "Launch"


@pytest.mark.parametrize(("choice", "other"), [("environment", "development"), ("gpu", "cpu"), ("rehearse", "no")])
def test_another_choice_takes_the_question_back(panel: Panel, run: Launch, choice: str, other: object) -> None:
    panel.environment.value = "production"
    look(panel)
    panel.launch.click()
    setattr(getattr(panel, choice), "value", other)  # noqa: B010  the trait's name is the test's
    assert panel.launch.description == "Launch"
    panel.environment.value = "production"
    look(panel)
    time.sleep(0.55)
    panel.launch.click()
    assert run.started == []


def test_a_choice_is_launched_once_it_was_looked_at_and_as_it_was_looked_at(panel: Panel, run: Launch) -> None:
    panel.choices.widgets["strict"].value = True
    panel.choices.widgets["deadline_s"].value = 60
    assert panel.launch.disabled
    panel.launch.click()  # queued by a busy kernel before the choice changed
    assert run.started == []
    look(panel)
    every = {"env": "development", "gpu": "auto", "overlays": "", "strict": True, "rehearse": "yes", "deadline_s": 60}
    assert run.looked[-1] == every
    assert "0 FAIL" in panel.view.value
    panel.launch.click()
    wanted = {"env": "development", "strict": "true", "rehearse": "yes", "deadline_s": "60.0"}
    assert run.started == [("start", wanted)]


def test_a_choice_that_preflight_blocks_is_not_launched(panel: Panel, run: Launch) -> None:
    run.verdict = Looked("<i>1 FAIL</i>", may_launch=False)
    look(panel)
    assert panel.launch.disabled
    panel.launch.click()
    assert run.started == []
    assert "1 FAIL" in panel.view.value


def test_a_wrong_parameter_is_told_and_can_be_fixed(panel: Panel, run: Launch) -> None:
    run.verdict = UsageError("overlays: found no compose/<x>.yml")
    look(panel)
    assert "<b>Not possible</b>: overlays: found no compose/&lt;x&gt;.yml" in panel.view.value
    assert panel.launch.disabled
    run.verdict = Looked("", may_launch=True)
    look(panel)
    assert not panel.launch.disabled


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (OpskitError("no <such> notebook"), "no &lt;such&gt; notebook"),
        (OSError(30, "Read-only file system", "audit"), "[Errno 30] Read-only file system: &#x27;audit&#x27;"),
        (RuntimeError(), "RuntimeError()"),
    ],
)
def test_a_run_that_cannot_be_started_is_told_and_can_be_tried_again(
    panel: Panel, run: Launch, refusal: Exception, said: str
) -> None:
    run.refusal = refusal
    panel.launch.click()
    assert f"<b>Not started</b>: {said}" in panel.view.value
    assert locked(panel) == {False}
    run.refusal = None
    panel.launch.click()
    assert len(run.started) == 1


def test_a_journal_that_cannot_be_read_is_told_and_the_panel_lives_on(panel: Panel, run: Launch) -> None:
    run.unreadable = OSError(5, "Input/output <error>")
    panel.launch.click()
    until(lambda: "The run goes on, but" in panel.view.value)
    assert "<error>" not in panel.view.value
    end(panel, run)
    assert "The run ended, but" in panel.view.value
    assert "FAILED" not in panel.view.value
    assert locked(panel) == {False}


@pytest.mark.parametrize("line", ['{"at": 1, "kind": "no', "[]", "7", '{"kind": "note"}', '{"at": 1, "kind": "note"}'])
def test_a_line_of_the_journal_that_is_no_event_is_told_and_hides_no_other(
    panel: Panel, run: Launch, line: str
) -> None:
    panel.launch.click()
    run.journal.write("phase_started", phase="plan")
    with (run.folder / "events.jsonl").open("a") as sink:
        sink.write(line + "\n")
    until(lambda: "1 line(s) of its journal cannot be read" in panel.view.value)
    run.journal.write("something_of_a_later_version", answer=42)
    run.journal.write("ended", ok=True)
    end(panel, run)
    assert "READY" in panel.view.value
    assert "1 line(s)" in panel.view.value
    assert locked(panel) == {False}


def test_an_event_that_cannot_be_drawn_is_told_and_launch_can_be_used_again(panel: Panel, run: Launch) -> None:
    panel.launch.click()
    run.journal.write("failure", message=42)
    end(panel, run)
    assert "The run ended, but" in panel.view.value
    assert locked(panel) == {False}


def test_a_restart_is_of_the_service_that_is_chosen_and_asks_first(run: Launch) -> None:
    made = Panel(
        ENVIRONMENTS, PARAMETERS, CHOSEN, OPTIONS, start=run.start, read=run.read, look=run.look,
        services=lambda env: ["redis", "vllm"] if env == "development" else ["grafana"],
    )  # fmt: skip
    made.restart.click()
    assert "choose one service" in made.view.value
    made.watching.service.value = "vllm"
    made.restart.click()
    assert made.restart.description == "Restart vllm?"
    time.sleep(0.55)
    made.restart.click()
    assert run.started == [("restart", {"env": "development", "services": "vllm", "rehearse": "yes"})]
    end(made, run)
    made.environment.value = "production"
    assert made.watching.service.options[1:] == ("grafana",)


def test_what_is_watched_is_of_the_choice(run: Launch) -> None:
    asked: list[tuple[str, str, str]] = []

    def read(env: str, service: str, rehearse: str) -> str:
        asked.append((env, service, rehearse))
        return "lines"

    made = Panel(
        ENVIRONMENTS, PARAMETERS, CHOSEN, OPTIONS, start=run.start, read=run.read, look=run.look,
        watch={"logs": read}, services=lambda _: ["redis"],
    )  # fmt: skip
    made.watching.service.value = "redis"
    made.watching.choice.value = "logs"
    until(lambda: asked)
    made.watching.choice.value = "off"
    assert asked[0] == ("development", "redis", "yes")


def test_another_choice_takes_a_question_back_and_the_click_does_what_is_chosen(run: Launch) -> None:
    made = RunPanel(start=run.start, read=run.read, hint="")
    choices = {name: Action("rollback", {"release": name}, f"To {name}?", f"to {name}") for name in ("one", "two")}
    chosen = made.add_choice("to", choices)
    button = made.add_button("Rollback", "", lambda: chosen.value)
    button.click()
    assert (button.description, "to one" in made.view.value) == ("To one?", True)
    time.sleep(0.55)
    chosen.value = choices["two"]
    assert button.description == "Rollback"
    button.click()
    assert (button.description, run.started) == ("To two?", [])
    time.sleep(0.55)
    button.click()
    assert run.started == [("rollback", {"release": "two"})]
    assert chosen.disabled
    assert [widget for widget in made.row().children if widget is chosen] == [chosen]
