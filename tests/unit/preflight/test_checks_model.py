from __future__ import annotations

import pytest

from opskit.compose.model import Stack, parse_stack
from opskit.gpu.shape import Model
from opskit.preflight.checks_model import check_model_present
from opskit.preflight.finding import Verdict


def serving(name: str) -> Stack:
    return parse_stack({"name": "p", "services": {"vllm": {"image": "v", "command": ["--model", name]}}})


@pytest.mark.parametrize(("model", "verdict"), [(Model(5), Verdict.PASS), ("/models/x: no config.json", Verdict.FAIL)])
def test_a_folder_must_hold_the_model(model: Model | str, verdict: Verdict) -> None:
    (finding,) = check_model_present(serving("/models/x"), model, None)
    assert (finding.verdict, finding.subject) == (verdict, "/models/x")
    assert verdict is Verdict.PASS or finding.found == model


@pytest.mark.parametrize(("hub", "verdict"), [("", Verdict.PASS), ("https://h: Timeout", Verdict.WARN)])
def test_a_name_on_a_hub_wants_a_hub_that_answers_unless_it_is_cached(hub: str, verdict: Verdict) -> None:
    (finding,) = check_model_present(serving("Qwen/x"), "no folder", hub)
    assert finding.verdict is verdict


def test_a_hub_that_was_not_asked_and_a_stack_without_a_server_say_nothing() -> None:
    assert check_model_present(serving("Qwen/x"), "no folder", None) == ()
    assert check_model_present(parse_stack({"name": "p", "services": {}}), "none", "") == ()
