"""What others wrote is shown, and moves no terminal: 44 texts in every place of every view."""

from __future__ import annotations

import io
import re
import threading

import pytest

from opskit.preflight.finding import Finding, Verdict
from opskit.preflight.report import Report
from opskit.show.console import Console
from opskit.show.run import RunState, draw_run, reduce_run
from opskit.show.tables import FindingsTable, Table
from tests.attacks import ALL

MOVES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@pytest.mark.parametrize("text", ALL)
def test_no_character_that_moves_a_terminal_is_left_in_any_view(text: str) -> None:
    finding = Finding("check", Verdict.FAIL, text, text, text, text, evidence=(text,))
    events = [
        {"at": 1.0, "kind": "note", "text": text},
        {"at": 1.0, "kind": "service", "service": text, "state": text, "word": "never", "seconds": 1.0},
        {"at": 1.0, "kind": "findings", "findings": [{"verdict": "FAIL", "check": "c", "subject": text, "found": text,
                                                      "wanted": text, "remedy": text}]},
        {"at": 1.0, "kind": "endpoints", "rows": [{"title": text, "url": text, "answer": text}]},
        {"at": 1.0, "kind": "smoke", "seconds": 1.0,
         "rows": [{"kind": "dead", "subject": text, "done": [], "text": text}]},
        {"at": 1.0, "kind": "failure", "message": text},
    ]  # fmt: skip
    out = io.StringIO()
    over = threading.Event()
    over.set()
    Console(lambda seen: events[seen:], out).follow(over)
    state = RunState(ended=True, output=(text,), record=text)
    for event in events:
        state = reduce_run(state, event)
    tables = (Table(text, (text,), [(text,)]), FindingsTable(Report((finding,)), title=text))
    views = (out.getvalue(), draw_run(state), *(str(table) for table in tables), *(t._repr_html_() for t in tables))
    for view in views:
        assert not MOVES.search(view), ascii(view)
    assert len(out.getvalue()) > 100
