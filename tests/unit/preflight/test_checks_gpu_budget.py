from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opskit.compose.model import Stack, parse_stack
from opskit.gpu.model import Gpu, Inventory
from opskit.gpu.placement import place
from opskit.host.model import Memory
from opskit.llm.budget import Budget
from opskit.llm.shape import Model, ModelShape
from opskit.preflight.checks.gpu_memory import check_gpu_budget, check_gpu_shared, plan_stack_budget
from opskit.preflight.finding import Finding, Verdict
from opskit.unknown import Unknown

GIB = 1024**3
OVERLAYS = {"dual": "multi.yml", "single": "single.yml", "cpu": "cpu.yml"}
LLAMA = Model(int(14.96 * GIB), ModelShape(32, 8, 128, context_tokens=131_072))
USABLE = int(23.56 * GIB)


def inventory(*held_gib: float) -> Inventory:
    gpus = tuple(
        Gpu(
            index,
            uuid=f"GPU-{index}",
            name="RTX 3090",
            memory_total_bytes=24 * GIB,
            memory_reserved_bytes=24 * GIB - USABLE,
            memory_free_bytes=USABLE - int(held * GIB),
        )
        for index, held in enumerate(held_gib)
    )
    return Inventory("550.1", None, None, gpus, (), (), "recorded")


DUAL = inventory(0, 0)


def stack(
    *command: str,
    need: str | None = "2",
    replicas: int = 1,
    workers: str | None = None,
    visible: str | None = None,
    gpus: int = 2,
) -> Stack:
    """A resolved stack as this project's: vLLM and the worker share the GPUs, the database has none."""
    devices = [{"driver": "nvidia", "device_ids": [f"GPU-{at}" for at in range(gpus)], "capabilities": ["gpu"]}]
    deploy: dict[str, Any] = {"resources": {"reservations": {"devices": devices}}}
    worker: dict[str, Any] = {"deploy": {**deploy, "replicas": replicas}}
    if need is not None:
        worker["labels"] = {"opskit.gpu.gib": need}
    given = {"WORKERS": workers, "CUDA_VISIBLE_DEVICES": visible}
    worker["environment"] = {name: value for name, value in given.items() if value is not None}
    vllm = {"deploy": deploy, "command": list(command)}
    return parse_stack({"name": "p", "services": {"vllm": vllm, "multimodal-worker": worker, "postgres": {}}})


def command(utilization: str = "0.80", length: str = "4096", parts: str = "2") -> tuple[str, ...]:
    return "--max-model-len", length, "--gpu-memory-utilization", utilization, "--tensor-parallel-size", parts


def judged(
    found: Stack,
    there: Inventory | Unknown = DUAL,
    model: Model | Unknown = LLAMA,
    *,
    mode: str = "dual",
    running: bool = False,
) -> Finding:
    (finding,) = check_gpu_budget(found, place(mode, there, OVERLAYS), there, model, running=running)
    return finding


def planned(found: Stack, there: Inventory = DUAL, *, running: bool = False) -> Budget:
    budget = plan_stack_budget(found, place("dual", there, OVERLAYS), there, LLAMA, running=running)
    assert isinstance(budget, Budget)
    return budget


# The matrix: what development, staging and production set, with a worker of 2 GiB.
@pytest.mark.parametrize(
    ("utilization", "replicas", "verdict", "remedy"),
    [
        ("0.80", 1, Verdict.PASS, ""),
        ("0.85", 2, Verdict.FAIL, "set GPU_MEMORY_UTILIZATION=0.79; the KV cache holds 162,720 tokens, 39.7 requests of 4,096"),
        ("0.90", 3, Verdict.FAIL, "set GPU_MEMORY_UTILIZATION=0.70; the KV cache holds 127,984 tokens, 31.2 requests of 4,096"),
    ],
)  # fmt: skip
def test_the_settings_of_the_matrix_are_judged(utilization: str, replicas: int, verdict: Verdict, remedy: str) -> None:
    finding = judged(stack(*command(utilization), replicas=replicas))
    assert (finding.verdict, finding.remedy) == (verdict, remedy)


def test_every_term_is_in_what_was_found() -> None:
    finding = judged(stack(*command("0.90"), replicas=3))
    assert finding.found == (
        "NO at 0.90: each GPU workers 6.0, context 0.6, weights 7.5, overhead 1.2, KV cache 12.5 of 23.6 GiB, "
        "4.3 GiB too much; the KV cache holds 205,184 tokens, 50.1 requests of 4,096"
    )


def test_the_poorest_gpu_is_named() -> None:
    finding = judged(stack(*command()), inventory(0, 3))
    assert finding.verdict is Verdict.FAIL
    assert "GPU 1 held 3.0, workers 2.0" in finding.found
    assert finding.remedy.startswith("set GPU_MEMORY_UTILIZATION=0.75;")


def test_what_a_remedy_says_passes() -> None:
    assert judged(stack(*command("0.75")), inventory(0, 3)).verdict is Verdict.PASS
    assert judged(stack(*command("0.76")), inventory(0, 3)).verdict is not Verdict.PASS


def test_each_process_of_each_replica_counts() -> None:
    assert planned(stack(*command(), replicas=3, workers="4")).cards[0].workers_bytes == 24 * GIB
    assert planned(stack(*command(), replicas=0)).cards[0].workers_bytes == 0


@pytest.mark.parametrize(
    ("need", "workers", "wanted"),
    [("1.5", "1", int(1.5 * GIB)), ("0", "1", 0), (None, "1", None), ("lots", "1", None), ("nan", "1", None), ("-1", "1", None), ("2", "", 2 * GIB)],
)  # fmt: skip
def test_a_need_that_no_label_tells_is_unknown(need: str | None, workers: str, wanted: int | None) -> None:
    assert planned(stack(*command(), need=need, workers=workers)).cards[0].workers_bytes == wanted


def test_a_utilisation_without_its_margin_is_lowered_by_a_hundredth() -> None:
    finding = judged(stack(*command("0.88")))
    assert (finding.verdict, finding.stops) == (Verdict.WARN, False)
    assert finding.remedy.startswith("set GPU_MEMORY_UTILIZATION=0.87;")


def test_a_length_that_no_utilisation_can_hold_is_shortened() -> None:
    finding = judged(stack(*command("0.90", "100000", "1"), gpus=1), mode="single")
    assert finding.verdict is Verdict.FAIL
    assert finding.remedy == "set GPU_MEMORY_UTILIZATION=0.87 and VLLM_MAX_MODEL_LEN=35520"
    fixed = judged(stack(*command("0.87", "35520", "1"), gpus=1), mode="single")
    assert (fixed.verdict, fixed.stops) == (Verdict.WARN, False)
    assert fixed.remedy.startswith("set VLLM_MAX_MODEL_LEN lower")


def test_a_utilisation_too_low_for_the_weights_is_raised() -> None:
    assert judged(stack(*command("0.30"))).remedy.startswith("set GPU_MEMORY_UTILIZATION=0.87;")


def test_weights_beyond_the_gpus_have_no_utilisation() -> None:
    assert judged(stack(*command()), model=replace(LLAMA, weights_bytes=60 * GIB)).remedy.startswith(
        "no utilisation fits"
    )


def test_a_full_gpu_is_to_be_freed() -> None:
    assert judged(stack(*command()), inventory(23, 23)).remedy.startswith("free the GPU")


def test_a_model_that_is_not_known_is_a_skip_with_its_reason_and_what_is_left_for_it() -> None:
    finding = judged(stack(*command()), model=Unknown("no folder of that name", ""))
    assert (finding.verdict, finding.stops) == (Verdict.SKIP, False)
    assert finding.found == (
        "not known at 0.80: each GPU workers 2.0, context 0.6, vLLM 18.8 of 23.6 GiB, 2.1 GiB to spare; "
        "not known: weights, KV cache per token (no folder of that name)"
    )
    assert finding.remedy == "serve a model from a folder"


def test_a_model_that_is_not_known_fails_all_the_same_where_too_little_is_free() -> None:
    assert judged(stack(*command("0.90"), replicas=3), model=Unknown("no folder", "")).verdict is Verdict.FAIL


def test_a_length_that_nobody_states_is_a_skip() -> None:
    model = replace(LLAMA, shape=ModelShape(32, 8, 128))
    finding = judged(stack("--gpu-memory-utilization", "0.8", "--tensor-parallel-size", "2"), model=model)
    assert finding.found.endswith("not known: max_model_len")
    assert finding.remedy == "state --max-model-len in vLLM's command"


def test_a_worker_without_a_label_is_a_skip_that_names_the_label() -> None:
    finding = judged(stack(*command(), need=None))
    assert (finding.verdict, finding.stops) == (Verdict.SKIP, False)
    assert "not known: workers" in finding.found
    assert finding.remedy == "label multimodal-worker with opskit.gpu.gib, the GiB of one process"


def test_a_recorded_gpu_whose_free_memory_is_unknown_is_a_skip() -> None:
    there = replace(DUAL, gpus=tuple(replace(gpu, memory_free_bytes=None) for gpu in DUAL.gpus))
    finding = judged(stack(*command()), there)
    assert finding.found.endswith("not known: held")
    assert finding.remedy == "look with `nvidia-smi` at what is on the GPUs"


def test_a_running_stack_is_not_counted_twice() -> None:
    busy = inventory(20, 20)
    assert judged(stack(*command()), busy).verdict is Verdict.FAIL
    assert judged(stack(*command()), busy, running=True).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ((), "vLLM's --gpu-memory-utilization is absent, and its default differs by version"),
        (("--gpu-memory-utilization", "0.8", "--max-model-len", "32k"), "vLLM's --max-model-len is 32k"),
        (("--kv-cache-memory-bytes", "1"), "vLLM's --kv-cache-memory-bytes puts its utilisation out of force"),
    ],
)
def test_a_command_that_cannot_be_reckoned_with_is_a_skip(words: tuple[str, ...], found: str) -> None:
    finding = judged(stack(*words))
    assert (finding.verdict, finding.found, finding.stops) == (Verdict.SKIP, found, False)


@pytest.mark.parametrize("text", ["much", "1.01", "90%", "0,9", "0", "-0.5", ""])
def test_a_share_that_is_none_is_a_fault_with_its_variable(text: str) -> None:
    finding = judged(stack("--gpu-memory-utilization", text))
    assert finding.verdict is Verdict.FAIL
    assert finding.found == f"--gpu-memory-utilization {text}"
    assert "GPU_MEMORY_UTILIZATION" in finding.remedy


def test_flags_are_read_in_each_form_that_vllm_takes() -> None:
    budget = planned(stack("--gpu_memory_utilization=0.5", "--max-model-len=100", "--tensor-parallel-size=2"))
    assert (budget.utilization, budget.max_model_len, len(budget.cards)) == (0.5, 100, 2)


def test_a_model_that_is_not_split_is_on_the_first_gpu_only() -> None:
    cards = planned(stack(*command(parts="1"))).cards
    assert [(card.index, card.weights_bytes) for card in cards] == [(0, LLAMA.weights_bytes)]


def test_a_cache_in_fp8_takes_half() -> None:
    whole, half = planned(stack(*command())), planned(stack(*command(), "--kv-cache-dtype", "fp8_e5m2"))
    assert (whole.kv_token_bytes, half.kv_token_bytes) == (65_536, 32_768)


def test_a_gpu_without_memory_figures_is_a_skip() -> None:
    there = replace(DUAL, gpus=tuple(replace(gpu, memory_total_bytes=None) for gpu in DUAL.gpus))
    assert judged(stack(*command()), there).found == "the memory of its GPUs cannot be read"


@pytest.mark.parametrize(
    ("found", "mode", "there"),
    [
        (stack(*command()), "cpu", DUAL),
        (stack(*command()), "dual", inventory(0)),  # gpu-present says it
        (stack(*command()), "dual", Unknown("no driver", "install it")),
        (parse_stack({"name": "p", "services": {"web": {}}}), "dual", DUAL),
    ],
)
def test_nothing_is_said_where_no_vllm_has_its_gpus(found: Stack, mode: str, there: Inventory | Unknown) -> None:
    assert check_gpu_budget(found, place(mode, there, OVERLAYS), there, LLAMA, running=False) == ()


def test_workers_are_those_that_have_gpus() -> None:
    assert planned(stack(*command(), need="3")).cards[0].workers_bytes == 3 * GIB


def test_a_worker_that_is_kept_off_its_gpus_takes_nothing_of_them() -> None:
    hidden = stack(*command(), need=None, visible="")
    assert planned(hidden).cards[0].workers_bytes == 0
    assert judged(hidden).verdict is Verdict.PASS


@pytest.mark.parametrize(("share", "verdict"), [("0.80", Verdict.WARN), ("0.70", Verdict.PASS)])
def test_a_gpu_without_memory_of_its_own_is_judged_by_the_host_s(share: str, verdict: Verdict) -> None:
    there = Inventory("580.142", None, None, (Gpu(0, name="NVIDIA GB10"),), (), (), "nvml")
    memory = Memory(120 * GIB, 100 * GIB, 0, 0)
    placement = place("single", there, OVERLAYS)
    (finding,) = check_gpu_shared(stack("--gpu-memory-utilization", share), placement, there, memory, 24 * GIB)
    assert finding.verdict is verdict
    assert "shares the host's 120.0 GiB" in finding.found
    assert finding.remedy == ("set GPU_MEMORY_UTILIZATION=0.73" if verdict is Verdict.WARN else "")
    assert check_gpu_shared(stack(*command()), place("dual", DUAL, OVERLAYS), DUAL, memory, 24 * GIB) == ()
