"""Checks of the model that will be served; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from opskit.compose.model import Service, Stack
from opskit.llm.huggingface import Hub
from opskit.llm.shape import Model, ModelShape
from opskit.preflight.finding import Finding, Verdict
from opskit.quantity import GIB
from opskit.unknown import Unknown

_KV_SPACE = "VLLM_CPU_KVCACHE_SPACE"
_OWN_TOKENIZER = {"tokenizer", "skip-tokenizer-init"}


def check_model_present(  # noqa: PLR0917  given by name
    stack: Stack, model: Model | Unknown, hub: Hub | Unknown | None, cached: bool | None, env_file: str, offline: bool
) -> tuple[Finding, ...]:
    """The model's files are in its folder, or the hub they come from can be reached and gives it.

    Args:
        stack: vLLM's command names the model: a folder in the container, or a name on the hub.
        model: what was read of the folder.
        hub: what it answered of the model; None where it was not asked.
        cached: whether vLLM's volume holds the model already; None where that is not known.
        env_file: where HF_TOKEN can be written down.
        offline: a rehearsal serves no model, so that none of a hub is wanted.
    """
    server, name = stack.server, stack.served_model
    if server is None or not name:
        return ()
    if PurePosixPath(name).is_absolute():
        return (_judge_folder(server, name, model),)
    if offline:
        return ()
    if _environment(server).get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        return (_judge_cache(name, cached),)
    return () if hub is None else (_judge_hub(name, hub, env_file, cached=cached),)


def _environment(server: Service) -> Mapping[str, str]:
    return {name: str(value) for name, value in (server.raw.get("environment") or {}).items() if value is not None}


def _judge_folder(server: Service, name: str, model: Model | Unknown) -> Finding:
    wanted = "its config.json, weights and tokenizer in a folder that is mounted"
    remedy = "download it there (`hf download NAME --local-dir models/NAME`), or correct VLLM_MODEL and MODELS_DIR"
    if isinstance(model, Unknown):
        return Finding("model-present", Verdict.FAIL, name, model.reason, wanted, remedy)
    if model.tokenizer is False and not _OWN_TOKENIZER & server.options.keys():
        found = f"{name} has no tokenizer.json, no tokenizer.model and no vocab.json with merges.txt"
        return Finding("model-present", Verdict.FAIL, name, found, wanted, remedy)
    return Finding("model-present", Verdict.PASS, name, "there", wanted)


def _judge_cache(name: str, cached: bool | None) -> Finding:
    wanted = "the model in vLLM's cache, since HF_HUB_OFFLINE keeps vLLM from the hub"
    if cached:
        return Finding("model-present", Verdict.PASS, name, "in vLLM's cache", wanted)
    remedy = "start once with HF_HUB_OFFLINE=0, which downloads it, or serve a folder: VLLM_MODEL=/models/NAME"
    if cached is None:
        found = "volume vllm_cache cannot be looked into"
        return Finding("model-present", Verdict.SKIP, name, found, wanted, remedy, required=False)
    return Finding("model-present", Verdict.FAIL, name, "not in volume vllm_cache", wanted, remedy)


def _judge_hub(name: str, hub: Hub | Unknown, env_file: str, *, cached: bool | None) -> Finding:
    wanted = "a hub that gives the model, or the model in vLLM's cache already"
    if isinstance(hub, Unknown):
        hub = Hub("the hub", silent=hub.reason)
    if cached and hub.refusal in {"", "gated"}:
        return Finding("model-present", Verdict.PASS, name, "in vLLM's cache", wanted)
    if hub.silent:
        remedy = "fix the way to it (proxy, DNS, HF_ENDPOINT), or serve a folder: VLLM_MODEL=/models/NAME"
        return Finding("model-present", Verdict.WARN, name, f"not reachable: {hub.silent}", wanted, remedy)
    if not hub.refusal:
        return Finding("model-present", Verdict.PASS, name, "the hub answers", wanted)
    found, remedy = _refused(name, hub, env_file)
    return Finding("model-present", Verdict.FAIL, name, found, wanted, remedy)


def _refused(name: str, hub: Hub, env_file: str) -> tuple[str, str]:
    """What was found, and what to do."""
    page, line = f"{hub.address}/{name}", f"HF_TOKEN=… into {env_file}"
    if hub.refusal == "gated":
        has_token = "the account of HF_TOKEN has not accepted its licence" if hub.token else "HF_TOKEN is not set"
        return f"VLLM_MODEL={name} is gated: {has_token}", f"accept the licence at {page}, then put {line}"
    if hub.refusal == "bad token":
        return "the hub does not know HF_TOKEN", f"make one at {hub.address}/settings/tokens and put {line}"
    if hub.refusal == "forbidden":
        remedy = f"give it the right to read {page}, or make another at {hub.address}/settings/tokens"
        return f"HF_TOKEN may not read {name}", remedy
    if hub.refusal == "disabled":
        return f"the hub has disabled {name}", "take another model: VLLM_MODEL=NAME"
    unknown = f"VLLM_MODEL={name}: the hub has no such model, or a private one that "
    unknown += "HF_TOKEN does not open" if hub.token else "asks for HF_TOKEN"
    return unknown, f"correct VLLM_MODEL (look at {page}); for a private model put {line}"


def check_model_context(stack: Stack, model: Model | Unknown) -> tuple[Finding, ...]:
    """One request may be no longer than the model was made for, and than the KV cache in main memory holds.

    Args:
        stack: vLLM's command and environment; `gpu-budget` says whether the cache on GPUs is large enough.
        model: what was read of its folder; nothing is said where nothing could be.

    Source: vLLM 0.30.0 `_get_and_verify_max_len`, `check_enough_kv_cache_memory`, `CpuPlatform`.
    """
    server = stack.server
    text = server.options.get("max-model-len", "") if server else ""
    if server is None or isinstance(model, Unknown) or model.shape is None or not text.isdecimal():
        return ()
    return tuple(_judge_context(server, model.shape, int(text), stack.served_model))


def _judge_context(server: Service, shape: ModelShape, tokens: int, name: str) -> Iterator[Finding]:
    check, found = "model-context", f"a longest request of {tokens:,} tokens"
    if shape.context_tokens is not None:
        wanted = f"no more than the {shape.context_tokens:,} that the model was made for"
        if tokens <= shape.context_tokens:
            yield Finding(check, Verdict.PASS, name, found, wanted)
        else:
            allowed = _environment(server).get("VLLM_ALLOW_LONG_MAX_MODEL_LEN", "").lower() in {"1", "true"}
            verdict, remedy = (
                Verdict.WARN if allowed else Verdict.FAIL,
                f"set VLLM_MAX_MODEL_LEN={shape.context_tokens}",
            )
            yield Finding(check, verdict, name, found, wanted, remedy)
    space = _environment(server).get(_KV_SPACE, "")
    if server.devices or not space:
        return
    if not space.isdecimal():
        yield Finding(check, Verdict.FAIL, name, f"{_KV_SPACE}={space}", "whole GiB", f"set {_KV_SPACE}=2")
        return
    need, has = tokens * shape.kv_token_bytes(1), int(space) * GIB
    found, wanted = f"{found}, which takes {need / GIB:.2f} GiB", f"at most {space} GiB ({_KV_SPACE})"
    if need <= has:
        yield Finding(check, Verdict.PASS, name, found, wanted)
        return
    remedy = f"set {_KV_SPACE}={-(-need // GIB)}, or VLLM_MAX_MODEL_LEN={has // shape.kv_token_bytes(1)}"
    yield Finding(check, Verdict.FAIL, name, found, wanted, remedy)
