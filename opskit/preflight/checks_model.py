"""Check of the model that will be served; pure."""

from __future__ import annotations

from pathlib import PurePosixPath

from opskit.compose.model import Stack
from opskit.gpu.shape import Model
from opskit.preflight.finding import Finding, Verdict


def check_model_present(stack: Stack, model: Model | str, hub: str | None) -> tuple[Finding, ...]:
    """The model's files are in its folder, or the hub they come from can be reached.

    Args:
        stack: vLLM's command names the model: a folder in the container, or a name on the hub.
        model: what was read of the folder; the reason where nothing could be.
        hub: why the hub cannot be reached; empty where it can, None where it was not asked.
    """
    name = stack.served_model
    if not name:
        return ()
    if PurePosixPath(name).is_absolute():
        wanted = "its config.json and safetensors in a folder that is mounted"
        if isinstance(model, Model):
            return (Finding("model-present", Verdict.PASS, name, "there", wanted),)
        remedy = "download it there (`hf download NAME --local-dir models/NAME`), or correct VLLM_MODEL and MODELS_DIR"
        return (Finding("model-present", Verdict.FAIL, name, model, wanted, remedy),)
    wanted = "a hub that answers, or the model in vLLM's cache already"
    if hub is None:
        return ()
    if not hub:
        return (Finding("model-present", Verdict.PASS, name, "the hub answers", wanted),)
    remedy = "mend the way to it (proxy, DNS, HF_ENDPOINT), or serve a folder: VLLM_MODEL=/models/NAME"
    return (Finding("model-present", Verdict.WARN, name, f"not reachable: {hub}", wanted, remedy),)
