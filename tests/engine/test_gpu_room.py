"""What every environment puts on its GPUs has room on two RTX 3090 and on one, as Compose resolves the files."""

from __future__ import annotations

import pytest

from opskit.compose.client import find_compose
from opskit.compose.model import Stack
from opskit.environments import GpuMode, read_environments
from opskit.gpu.model import Gpu, Inventory
from opskit.gpu.placement import Placement, place
from opskit.llm.budget import Budget, Fit
from opskit.llm.shape import Model, ModelShape
from opskit.paths import ENVIRONMENTS
from opskit.preflight.checks.gpu_memory import plan_stack_budget
from opskit.runbook.matrix import resolve

GIB = 1024**3
ALL = {name: e for name, e in read_environments(ENVIRONMENTS).items() if e.gpu}
UTILIZATIONS = {"development": 0.80, "staging": 0.85, "production": 0.90, "monitoring": 0.80, "optimized": 0.90}
MODES: tuple[GpuMode, ...] = ("dual", "single")
RESERVED = 318 * 1024**2
"""Of an RTX 3090 by driver 545: 23.69 GiB are left (vllm#2140)."""

CARDS = Inventory(
    driver="545.29.06",
    nvml=None,
    cuda=None,
    gpus=tuple(
        Gpu(
            index,
            uuid=f"GPU-{index}",
            name="NVIDIA GeForce RTX 3090",
            memory_total_bytes=24 * GIB,
            memory_reserved_bytes=RESERVED,
            memory_free_bytes=24 * GIB - RESERVED,
        )
        for index in range(2)
    ),
    links=(),
    pairs=(),
    source="recorded",
)
DEFAULT = "Qwen/Qwen2.5-1.5B-Instruct"
QWEN = Model(2 * 1_543_714_304, ModelShape(layers=28, kv_heads=2, head_dim=128, context_tokens=32_768))
"""By its config.json and its count of parameters, in 16 bits."""


def looked_at(name: str, mode: GpuMode, **more: str) -> tuple[Stack, Placement]:
    environment = ALL[name]
    placement = place(mode, CARDS, {str(key): file for key, file in environment.gpu.items()})
    return resolve(environment, mode, find_compose(), **{**placement.environ, **more}).stack, placement


def budget_of(name: str, mode: GpuMode, **more: str) -> Budget:
    stack, placement = looked_at(name, mode, **more)
    budget = plan_stack_budget(stack, placement, CARDS, QWEN, running=False)
    assert isinstance(budget, Budget), budget
    return budget


def told(budget: Budget) -> str:
    """Every term of every card in GiB, for a failure."""
    cards = (
        f"GPU {card.index}: "
        + ", ".join(f"{term} {'unknown' if size is None else f'{size / GIB:.2f}'}" for term, size in card.terms.items())
        + f" of {card.usable_bytes / GIB:.2f}: {card.spare_bytes / GIB:+.2f}"
        for card in budget.cards
    )
    return "\n".join((f"{budget.verdict} at {budget.utilization:.2f}, unknown: {budget.unknown}", *cards))


def test_these_are_the_environments_and_the_utilisations_of_the_matrix() -> None:
    assert ALL.keys() == UTILIZATIONS.keys()
    for name, utilization in UTILIZATIONS.items():
        stack, _ = looked_at(name, "dual")
        assert float(stack.service("vllm").options["gpu-memory-utilization"]) == utilization
        assert stack.service("vllm").options["model"] == DEFAULT


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", UTILIZATIONS)
def test_what_an_environment_puts_on_its_gpus_has_room_there(name: str, mode: GpuMode) -> None:
    budget = budget_of(name, mode)
    assert budget.utilization == UTILIZATIONS[name]
    assert len(budget.cards) == {"dual": 2, "single": 1}[mode]
    assert budget.verdict in {Fit.FITS, Fit.TIGHT}, told(budget)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", UTILIZATIONS)
def test_the_workers_count_where_they_are_on_a_gpu_and_only_there(name: str, mode: GpuMode) -> None:
    expected = int(2.5 * GIB) if UTILIZATIONS[name] == 0.80 else 0
    assert {card.workers_bytes for card in budget_of(name, mode).cards} == {expected}


@pytest.mark.parametrize(("name", "visible"), [("staging", "0,1"), ("production", "0,1"), ("optimized", "0,1")])
def test_workers_put_on_the_gpus_again_would_not_fit(name: str, visible: str) -> None:
    again = budget_of(name, "dual", MULTIMODAL_WORKER_GPUS=visible)
    assert again.verdict is Fit.NO, told(again)


@pytest.mark.parametrize("mode", MODES)
def test_a_worker_on_the_gpus_is_told_so_by_every_variable_it_looks_at(mode: GpuMode) -> None:
    stack, _ = looked_at("development", mode)
    worker = stack.service("multimodal-worker")
    environment = worker.raw["environment"]
    visible = {"dual": "0,1", "single": "0"}[mode]
    assert (environment["CUDA_VISIBLE_DEVICES"], environment["GPU_COUNT"]) == (visible, str(len(visible.split(","))))
    assert worker.devices == stack.service("vllm").devices


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["staging", "production", "optimized"])
def test_a_worker_on_the_cpu_reserves_no_gpu_and_sees_none(name: str, mode: GpuMode) -> None:
    stack, _ = looked_at(name, mode)
    worker = stack.service("multimodal-worker")
    assert worker.devices == ()
    assert worker.raw["environment"]["CUDA_VISIBLE_DEVICES"] == ""  # where nvidia is the Engine's default runtime
    assert stack.service("vllm").devices
