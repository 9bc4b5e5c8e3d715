"""What Engines 20.10, 26.1 and 28.5 showed during launches, played back: tests/faults/record.py recorded it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from opskit.compose.model import Ending
from opskit.engine.events import parse_container, parse_event
from opskit.health.readiness import ServiceNeed, ServiceWord, Tracker, Word
from tests.checkout import ROOT

ENGINES = ("20.10", "26.1", "28.5")
RECORDS = sorted((ROOT / "tests/data/events").glob("*/*.jsonl"))


def play(lines: list[dict[str, Any]]) -> tuple[dict[str, Any], list[tuple[ServiceWord, ...]]]:
    """What was recorded about the case, and the words whenever its launch asked for them."""
    head, began, *steps = lines
    needs = {need["service"]: ServiceNeed(**{**need, "ending": Ending(need["ending"])}) for need in began["needs"]}
    tracker, words = Tracker(needs, clock_s=began["clock_s"]), []
    for step in steps:
        now = step.get("at", 0.0)
        if "look" in step:
            tracker.observe(map(parse_container, step["look"]), now)
        elif "container" in step:
            tracker.update(parse_container(step["container"]), now)
        elif "event" in step:
            tracker.feed(parse_event(step["event"]), now)
        elif step.get("compose") == "ended":
            tracker.settle(now)
        elif "compose" in step:
            tracker.unsettle()
        else:
            words.append(tracker.words(step["judged"]))
    return head, words


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: f"{record.parent.name}-{record.stem}")
def test_the_word_is_the_one_of_the_case(record: Path) -> None:
    head, words = play([json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()])
    counting = [[word for word in step if word.word is Word.NEVER and word.counts] for step in words]
    if head["kind"]:
        assert (head["service"], head["kind"]) in {(word.service, word.kind) for word in counting[-1]}
    else:
        assert not any(counting)
        assert {word.word for word in words[-1]} == {Word.READY}


def test_three_engines_were_recorded() -> None:
    by_engine = {engine: {record.stem for record in RECORDS if record.parent.name == engine} for engine in ENGINES}
    assert {len(cases) for cases in by_engine.values()} == {18}
