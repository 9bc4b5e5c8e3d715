from __future__ import annotations

from functools import reduce
from typing import Any

from opskit.show.run import RunState, draw_run, reduce_run


def run(*events: dict[str, Any], ended: bool = True, **more: Any) -> str:
    start = RunState(ended=ended, **more)
    return draw_run(reduce(reduce_run, ({"at": 100.0 + n, **event} for n, event in enumerate(events)), start))


SERVICE = {"kind": "service", "service": "redis", "word": "ready", "state": "healthy", "seconds": 6.7}


def test_while_it_runs_the_phase_and_the_ready_ones_are_counted() -> None:
    waiting = {**SERVICE, "service": "n8n", "word": "waiting", "state": "starting"}
    shown = run({"kind": "phase_started", "phase": "plan"}, SERVICE, waiting, ended=False)
    assert "<b>Running</b>: launch, 1 of 2 services ready (2 s)" in shown


def test_a_service_has_one_row_and_the_last_word() -> None:
    shown = run({**SERVICE, "word": "waiting", "state": "starting"}, SERVICE)
    assert shown.count("redis") == 1
    assert "healthy" in shown
    assert "starting" not in shown


def test_ready_is_said_only_of_an_outcome_that_is_ok() -> None:
    assert "READY" in run({"kind": "outcome", "ok": True})
    assert "FAILED" in run({"kind": "outcome", "ok": False}, {"kind": "failure", "message": "why"})
    assert "FAILED" in run(SERVICE)


def test_a_stop_that_went_well_is_stopped_not_ready() -> None:
    shown = run({"kind": "outcome", "ok": True}, act="stop")
    assert "STOPPED" in shown
    assert "READY" not in shown


def test_a_process_that_ended_without_an_outcome_shows_its_last_words() -> None:
    assert "no such module" in run(SERVICE, output=("no such module",))


def test_whatever_a_run_says_is_escaped() -> None:
    bad = "<script>alert(1)</script>"
    row = {"service": bad, "title": bad, "url": f"http://{bad}", "answer": bad}
    shown = run(
        {**SERVICE, "service": bad, "state": bad},
        {"kind": "note", "text": bad},
        {"kind": "failure", "message": bad},
        {"kind": "endpoints", "rows": [row]},
        record=bad,
    )
    assert "<script>" not in shown


def test_a_rehearsal_says_so() -> None:
    facts = {"kind": "facts", "versions": {}, "rehearsal": True}
    assert "REHEARSAL" in run(facts)
    assert "REHEARSAL" not in run({**facts, "rehearsal": False})
