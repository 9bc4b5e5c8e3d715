from __future__ import annotations

import io
import threading
from typing import Any

from opskit.show.console import Console, lines_of


def test_an_event_nobody_draws_has_no_line() -> None:
    assert list(lines_of({"kind": "phase", "phase": "x", "seconds": 1})) == []


def test_a_start_says_how_long_and_what_was_made_and_a_stop_what_is_gone_and_kept() -> None:
    assert lines_of({"kind": "outcome", "ok": True, "seconds": 1.25, "created": 0}) == (
        "every service is up after 1.2 s (nothing was recreated)",
    )
    assert lines_of({"kind": "ended", "act": "start", "ok": True, "seconds": 1.25}) == ("READY in 1.2 s",)
    assert lines_of({"kind": "ended", "act": "start", "ok": False, "seconds": 1.25}) == ()
    assert lines_of({"kind": "ended", "act": "stop", "ok": True, "seconds": 1.25}) == ("STOPPED in 1.2 s",)
    assert lines_of({"kind": "ended", "act": "clean", "ok": True, "seconds": 1.25}) == ()
    stopped = {"kind": "outcome", "failures": [], "volumes": ["v"], "stopped": ["a", "b"]}
    assert lines_of(stopped) == ("2 container(s) removed; 1 volume(s) kept",)
    assert lines_of({**stopped, "stopped": []}) == ("nothing was up; 1 volume(s) kept",)
    assert lines_of({**stopped, "failures": ["Compose failed"]}) == ()


def test_passes_are_counted_and_the_others_told_with_their_remedy() -> None:
    passed = {"verdict": "PASS", "check": "a-b", "subject": "s", "found": "f", "wanted": "w", "remedy": ""}
    failed = {**passed, "verdict": "FAIL", "remedy": "fix it"}
    summary, told = lines_of({"kind": "findings", "findings": [failed, passed]})
    assert summary == "preflight: 1 FAIL, 1 PASS"
    assert told.split() == ["FAIL", "a-b", "s:", "found", "f;", "wanted", "w.", "fix", "it"]


def test_gpus_are_told_as_findings_are_and_none_is_told_of_none() -> None:
    lost = {"verdict": "FAIL", "check": "a-b", "subject": "s", "found": "f", "wanted": "w", "remedy": "fix it"}
    assert lines_of({"kind": "gpus", "findings": [lost]})[0] == "GPUs: 1 FAIL"
    assert list(lines_of({"kind": "gpus", "findings": []})) == []


def test_a_smoke_check_that_failed_has_no_time_of_its_own() -> None:
    well = {"kind": "", "subject": "qdrant", "done": [["search", 15], ["upsert", 5]], "text": ""}
    ill = {"kind": "bad_answer", "subject": "n8n", "done": [], "text": "found status 503; wanted status 200"}
    told = lines_of({"kind": "smoke", "rows": [well, ill], "seconds": 1.0})
    assert [" ".join(line.split()) for line in told] == [
        "smoke: 1 of 2 well, in 1.0 s",
        "ok qdrant 20 ms search, upsert",
        "bad_answer n8n found status 503; wanted status 200",
    ]


def test_it_prints_what_came_by_the_end_once() -> None:
    events: list[dict[str, Any]] = [{"kind": "note", "text": str(n)} for n in range(3)]
    out, ended = io.StringIO(), threading.Event()
    ended.set()
    console = Console(lambda seen: events[seen:], out)
    console.follow(ended)
    console.follow(ended)
    assert out.getvalue() == "0\n1\n2\n"


def test_a_pull_is_told_in_one_line() -> None:
    assert lines_of({"kind": "pull", "at": 1.0, "text": "images: 1 of 3"}) == ("images: 1 of 3",)


def test_what_is_as_it_was_at_the_last_look_is_not_told_again() -> None:
    looks: list[dict[str, Any]] = [{"kind": "facts", "rehearsal": True}, {"kind": "findings", "findings": []}]
    failed = {"verdict": "FAIL", "check": "a-b", "subject": "s", "found": "f", "wanted": "w", "remedy": "fix it"}
    events: list[dict[str, Any]] = [*looks, *looks, {"kind": "findings", "findings": [failed]}, *looks]
    out, ended = io.StringIO(), threading.Event()
    ended.set()
    Console(lambda seen: events[seen:], out).follow(ended)
    told = out.getvalue().splitlines()
    assert [line.split(":")[0] for line in told if line[0] != " "] == [
        "REHEARSAL",
        "preflight",
        "preflight",
        "preflight",
    ]
