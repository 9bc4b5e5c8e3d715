from __future__ import annotations

import re
from functools import reduce
from typing import Any

import pytest

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


def test_ready_is_told_only_of_a_run_that_ended_well() -> None:
    assert "READY" in run({"kind": "ended", "ok": True})
    assert "FAILED" in run({"kind": "ended", "ok": False}, {"kind": "failure", "message": "why"})
    assert "FAILED" in run(SERVICE)


def test_what_you_stopped_is_not_called_failed_but_what_came_to_ready_is_called_so() -> None:
    failed = {"kind": "ended", "ok": False}, {"kind": "failure", "message": "cancelled"}
    assert "STOPPED BY YOU" in run(*failed, stopped=True)
    assert "FAILED" not in run(*failed, stopped=True)
    assert "STOPPED BY YOU" in run(stopped=True)
    assert "READY" in run({"kind": "ended", "ok": True}, stopped=True)


def test_a_stop_that_went_well_is_stopped_not_ready() -> None:
    shown = run({"kind": "ended", "ok": True}, act="stop")
    assert "STOPPED" in shown
    assert "READY" not in shown


def test_a_process_that_ended_without_an_end_of_its_own_shows_its_last_words() -> None:
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


@pytest.mark.parametrize(
    "shown",
    [
        *(run({**SERVICE, "word": word}, ended=False) for word in ("ready", "waiting", "never")),
        run({"kind": "ended", "ok": True}),
        run({"kind": "ended", "ok": False}),
        run(stopped=True),
    ],
)
def test_every_colour_reads_on_white(shown: str) -> None:
    colours = re.findall(r"[;\"]color:(#[0-9a-f]{6})", shown)
    assert colours
    assert all(1.05 / (luminance(colour) + 0.05) >= 4.5 for colour in colours)


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb, by WCAG 2.2."""
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_while_images_are_pulled_the_headline_tells_how_far_they_are() -> None:
    text = "images: 1 of 3, 12.0 MB of 40.0 MB, 2.0 MB/s, 14 s left"
    assert text in run({"kind": "pull", "text": text}, ended=False)


def test_every_service_of_the_plan_has_a_row_before_any_is_told_and_failures_stand_first() -> None:
    steps = [
        {"kind": "volume", "name": "data", "act": "create"},
        {"kind": "container", "name": "db", "act": "create"},
        {"kind": "container", "name": "app", "act": "keep"},
        {"kind": "container", "name": "old", "act": "orphan"},
    ]
    plan = {"kind": "plan", "steps": steps}
    shown = run(plan, {"kind": "phase_started", "phase": "secrets"}, ended=False)
    assert "0 of 2 services ready" in shown
    assert ">old<" not in shown
    failed = {**SERVICE, "service": "app", "word": "never", "state": "exited"}
    shown = run(plan, {**SERVICE, "service": "db"}, failed)
    assert shown.index(">app<") < shown.index(">db<")


def test_what_people_open_stands_before_what_programs_use_and_a_way_from_elsewhere_is_told() -> None:
    rows = [
        {"service": "qdrant", "title": "Qdrant", "url": "http://127.0.0.1:6333/healthz", "page": "", "answer": "200"},
        {
            "service": "ui",
            "title": "Chat",
            "url": "http://127.0.0.1:3030/h",
            "page": "http://127.0.0.1:3030/",
            "answer": "",
        },
    ]
    shown = run({"kind": "ended", "ok": True}, {"kind": "endpoints", "rows": rows})
    assert 'href="http://127.0.0.1:3030/"' in shown
    assert "http://127.0.0.1:3030/h" not in shown
    assert shown.index("Chat") < shown.index("1 addresses of programs") < shown.index("Qdrant")
    assert "ssh -N -L 3030:127.0.0.1:3030 USER@HOST" in shown


def test_an_act_that_is_no_launch_says_what_it_did() -> None:
    shown = run({"kind": "note", "text": "3 gone"}, {"kind": "ended", "ok": True}, act="clean")
    assert "DONE" in shown
    assert "3 gone" in shown


def test_a_launch_says_how_long_earlier_ones_took() -> None:
    plan = {"kind": "plan", "steps": [], "usual_s": 41.6}
    assert "(0 s; earlier launches took 42 s)" in run(plan, ended=False)
    assert "earlier" not in run({**plan, "usual_s": None}, ended=False)


def test_a_run_that_another_tab_ended_did_not_fail() -> None:
    cancelled = {"kind": "outcome", "failures": [{"kind": "cancelled", "service": None}]}
    assert "■ STOPPED</b>" in run(cancelled, {"kind": "ended", "ok": False})
    crashed = {"kind": "outcome", "failures": [{"kind": "crash_loop", "service": "db"}]}
    assert "✘ FAILED" in run(crashed, {"kind": "ended", "ok": False})
