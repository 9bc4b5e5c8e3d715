from __future__ import annotations

from typing import Any, get_args

import pytest

from opskit.compose.model import Stack, parse_stack
from opskit.llm.huggingface import Hub, Refusal
from opskit.llm.shape import Model, ModelShape
from opskit.preflight.checks.model import check_model_context, check_model_present
from opskit.preflight.finding import Finding, Verdict
from opskit.unknown import Unknown

ADDRESS = "https://hub.test"
SHAPE = ModelShape(layers=2, kv_heads=1, head_dim=64, context_tokens=4096)
"""A token takes 512 bytes, so that 1 GiB holds 2,097,152."""


def serving(name: str, *more: str, gpu: bool = False, **environment: str) -> Stack:
    devices = [{"driver": "nvidia", "device_ids": ["0"], "capabilities": ["gpu"]}] if gpu else []
    server = {
        "image": "v",
        "command": ["--model", name, *more],
        "environment": environment,
        "deploy": {"resources": {"reservations": {"devices": devices}}},
    }
    return parse_stack({"name": "p", "services": {"vllm": server}})


NO_FOLDER = Unknown("no folder", "")


def present(
    stack: Stack, model: Model | Unknown = NO_FOLDER, hub: Hub | Unknown | None = None, **changed: Any
) -> Finding:
    facts: dict[str, Any] = {"cached": None, "env_file": ".env.dev", "offline": False, **changed}
    (finding,) = check_model_present(stack, model, hub, **facts)
    return finding


@pytest.mark.parametrize(
    ("model", "verdict"),
    [
        (Model(5, tokenizer=True), Verdict.PASS),
        (Model(5), Verdict.PASS),
        (Model(5, tokenizer=False), Verdict.FAIL),
        (Unknown("/models/x: no config.json", ""), Verdict.FAIL),
    ],
)
def test_a_folder_must_hold_the_model_and_its_tokenizer(model: Model | Unknown, verdict: Verdict) -> None:
    finding = present(serving("/models/x"), model)
    assert (finding.verdict, finding.subject) == (verdict, "/models/x")
    if verdict is Verdict.FAIL:
        assert finding.found == (model.reason if isinstance(model, Unknown) else finding.found)
        assert "/models/x" in finding.found


@pytest.mark.parametrize("option", [("--tokenizer", "/models/y"), ("--skip-tokenizer-init",)])
def test_a_tokenizer_from_elsewhere_is_none_of_the_folder_s(option: tuple[str, ...]) -> None:
    assert present(serving("/models/x", *option), Model(5, tokenizer=False)).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("hub", "verdict"),
    [
        (Hub(ADDRESS), Verdict.PASS),
        (Hub(ADDRESS, silent="https://hub.test: Timeout"), Verdict.WARN),
        (Unknown("https://h: Timeout", ""), Verdict.WARN),
    ],
)
def test_a_name_on_a_hub_wants_a_hub_that_answers(hub: Hub | Unknown, verdict: Verdict) -> None:
    assert present(serving("Qwen/x"), hub=hub).verdict is verdict


@pytest.mark.parametrize(
    ("refusal", "token", "found", "remedy"),
    [
        ("unknown", False, "VLLM_MODEL=Qwen/x: the hub has no such model", "https://hub.test/Qwen/x"),
        ("unknown", True, "a private one that HF_TOKEN does not open", "HF_TOKEN=… into .env.dev"),
        ("gated", False, "gated: HF_TOKEN is not set", "accept the licence at https://hub.test/Qwen/x"),
        ("gated", True, "the account of HF_TOKEN has not accepted its licence", "https://hub.test/Qwen/x"),
        ("bad token", True, "the hub does not know HF_TOKEN", "https://hub.test/settings/tokens"),
        ("forbidden", True, "HF_TOKEN may not read Qwen/x", "https://hub.test/Qwen/x"),
        ("disabled", False, "the hub has disabled Qwen/x", "VLLM_MODEL=NAME"),
    ],
)
def test_a_model_that_the_hub_does_not_give_is_named_with_what_opens_it(
    refusal: Refusal, found: str, remedy: str, *, token: bool
) -> None:
    finding = present(serving("Qwen/x"), hub=Hub(ADDRESS, refusal=refusal, token=token))
    assert finding.verdict is Verdict.FAIL
    assert found in finding.found
    assert remedy in finding.remedy


@pytest.mark.parametrize("refusal", get_args(Refusal))
def test_what_was_downloaded_needs_no_hub_but_a_name_it_knows(refusal: Refusal) -> None:
    verdict = present(serving("Qwen/x"), hub=Hub(ADDRESS, refusal=refusal), cached=True).verdict
    assert verdict is (Verdict.PASS if refusal in {"", "gated"} else Verdict.FAIL)


@pytest.mark.parametrize(("cached", "verdict"), [(True, Verdict.PASS), (False, Verdict.FAIL), (None, Verdict.SKIP)])
def test_kept_from_the_hub_vllm_needs_the_model_in_its_cache(*, cached: bool | None, verdict: Verdict) -> None:
    finding = present(serving("Qwen/x", HF_HUB_OFFLINE="1"), hub=Hub(ADDRESS, refusal="unknown"), cached=cached)
    assert finding.verdict is verdict
    assert not finding.stops or "HF_HUB_OFFLINE=0" in finding.remedy


def test_a_hub_that_was_not_asked_a_rehearsal_and_a_stack_without_a_server_say_nothing() -> None:
    facts: dict[str, Any] = {"cached": None, "env_file": ".env.dev"}
    empty = parse_stack({"name": "p", "services": {}})
    assert check_model_present(serving("Qwen/x"), NO_FOLDER, None, offline=False, **facts) == ()
    assert check_model_present(serving("Qwen/x", HF_HUB_OFFLINE="1"), NO_FOLDER, None, offline=True, **facts) == ()
    assert check_model_present(empty, NO_FOLDER, None, offline=False, **facts) == ()


def context(tokens: str, shape: ModelShape = SHAPE, *, gpu: bool = False, **environment: str) -> list[Verdict]:
    stack = serving("/models/x", "--max-model-len", tokens, gpu=gpu, **environment)
    return [finding.verdict for finding in check_model_context(stack, Model(5, shape))]


@pytest.mark.parametrize(("tokens", "verdict"), [("4096", Verdict.PASS), ("4097", Verdict.FAIL)])
def test_a_request_is_no_longer_than_the_model_was_made_for(tokens: str, verdict: Verdict) -> None:
    assert context(tokens, gpu=True) == [verdict]


def test_a_longer_one_that_vllm_is_told_to_take_is_a_warning() -> None:
    assert context("4097", gpu=True, VLLM_ALLOW_LONG_MAX_MODEL_LEN="1") == [Verdict.WARN]


@pytest.mark.parametrize(("tokens", "verdict"), [(2_097_152, Verdict.PASS), (2_097_153, Verdict.FAIL)])
def test_the_cache_in_main_memory_holds_one_request_of_the_longest_length(tokens: int, verdict: Verdict) -> None:
    endless = ModelShape(layers=2, kv_heads=1, head_dim=64)
    assert context(str(tokens), endless, VLLM_CPU_KVCACHE_SPACE="1") == [verdict]
    assert context(str(tokens), endless, gpu=True, VLLM_CPU_KVCACHE_SPACE="1") == []


def test_the_remedy_is_the_smallest_cache_and_the_longest_request_that_would_do() -> None:
    stack = serving("/models/x", "--max-model-len", "2097153", VLLM_CPU_KVCACHE_SPACE="1")
    (finding,) = check_model_context(stack, Model(5, ModelShape(layers=2, kv_heads=1, head_dim=64)))
    assert finding.remedy == "set VLLM_CPU_KVCACHE_SPACE=2, or VLLM_MAX_MODEL_LEN=2097152"


def test_a_cache_of_half_a_gib_is_refused_as_vllm_does() -> None:
    assert context("1", VLLM_CPU_KVCACHE_SPACE="0.5") == [Verdict.PASS, Verdict.FAIL]


@pytest.mark.parametrize("tokens", ["auto", "4k", "-1"])
def test_of_a_length_or_a_model_that_is_not_known_nothing_is_said(tokens: str) -> None:
    assert context(tokens) == []
    assert check_model_context(serving("Qwen/x", "--max-model-len", "9"), NO_FOLDER) == ()
