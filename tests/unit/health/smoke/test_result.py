"""What the probes found becomes rows, and failures that name service, step, what was found and a way on."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from opskit.engine.model import Answer
from opskit.health.smoke.result import Result, failures_of, fill, parse_result, row_of

PACKAGE = Path(__file__).parents[4] / "opskit/health/smoke"
KNOWN = Result("qdrant", "qdrant", "litellm")
PRINTED = {"done": [["upsert", 12]], "at": "search", "kind": "bad_answer", "text": "found 404", "left": []}


def test_the_last_line_that_a_container_printed_is_the_result() -> None:
    result = parse_result(KNOWN, Answer(0, f"a warning of the image\n{json.dumps(PRINTED)}"))
    assert result == fill(KNOWN, PRINTED)
    assert (result.ms, result.at, result.kind, result.failed) == (12, "search", "bad_answer", True)


@pytest.mark.parametrize("text", ["", "python3: not found", "[1]", '{"done": 3}', "null"])
def test_a_container_that_printed_none_has_not_answered(text: str) -> None:
    result = parse_result(KNOWN, Answer(127, text))
    assert result.kind == "no_answer"
    assert text in result.text or "127" in result.text


def test_a_failure_names_service_step_what_was_done_and_what_is_left() -> None:
    result = fill(KNOWN, {**PRINTED, "left": ["collection x"]})
    (failure,) = failures_of([result, Result("filebeat", "filebeat", kind="no_check")], project="p")
    assert (failure.kind, failure.service) == ("bad_answer", "qdrant")
    assert failure.message == "qdrant: search: found 404"
    assert failure.evidence == ("upsert: ok, 12 ms", "left behind: collection x")
    assert "docker compose -p p logs qdrant" in failure.remedy


def test_a_service_that_nothing_asks_is_seen_and_is_no_failure() -> None:
    result = Result("filebeat", "filebeat", kind="no_check")
    assert row_of(result)[:2] == ("filebeat", "no_check")
    assert not result.failed


def test_every_word_that_a_probe_may_say_has_a_remedy() -> None:
    text = "".join(path.read_text() for path in PACKAGE.glob("*.py"))
    words = set(
        re.findall(
            r'Fault\(\s*"(\w+)"|kind="(\w+)"|Verdict\("(\w+)"|^    \("(\w+)", r|return "(\w+)", f?"', text, re.MULTILINE
        )
    )
    kinds = {word for found in words for word in found if word} - {"no_check"}
    assert kinds >= {"wrong_key", "missing_table", "slow", "dead_route", "webhook_off", "sign_up_open", "target_down"}
    for kind in kinds:
        (failure,) = failures_of([Result("x", "x", kind=kind)], project="p")
        assert failure.remedy
        assert "{" not in failure.remedy


def test_a_secret_that_a_service_quotes_is_not_shown() -> None:
    result = Result("x", "x", kind="wrong_key", text="token hunter22 is wrong", left=("hunter22",))
    assert result.redacted(lambda text: text.replace("hunter22", "[KEY]")) == Result(
        "x", "x", kind="wrong_key", text="token [KEY] is wrong", left=("[KEY]",)
    )
