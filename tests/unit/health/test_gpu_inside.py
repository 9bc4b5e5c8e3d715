from __future__ import annotations

import json
from dataclasses import replace

import pytest

from opskit.engine.model import Answer, Grant
from opskit.health.gpu_inside import check_gpu_collective, check_gpu_device_visible
from opskit.preflight.finding import Finding, Verdict

IDS = ("GPU-f15ae561-21b1-6003-c768-861fc285203b", "GPU-466be1f8-6148-1a27-a450-592604f3df54")
GRANT = Grant("1", "p-vllm-1", "p", "vllm", 10, IDS, 0)


def listing(*ids: str) -> str:
    return "\n".join(f"GPU {at}: NVIDIA GeForce RTX 3090 (UUID: {name})" for at, name in enumerate(ids))


def visible(code: int | None, text: str, grant: Grant = GRANT) -> Finding:
    (finding,) = check_gpu_device_visible([grant], {grant.id: Answer(code, text)})
    return finding


def test_the_gpus_that_were_given_are_seen() -> None:
    assert visible(0, listing(*IDS[::-1])).verdict is Verdict.PASS
    assert visible(0, listing(*IDS)).found == ", ".join(IDS)


@pytest.mark.parametrize("ids", [IDS[:1], (*IDS, "GPU-3"), (IDS[0], "GPU-3"), ()])
def test_one_fewer_one_more_another_and_none_are_wrong(ids: tuple[str, ...]) -> None:
    assert visible(0, listing(*ids)).verdict is Verdict.FAIL


@pytest.mark.parametrize(("count", "verdict"), [(1, Verdict.FAIL), (2, Verdict.PASS), (3, Verdict.FAIL)])
def test_gpus_by_index_or_by_count_are_counted(count: int, verdict: Verdict) -> None:
    by_index = replace(GRANT, device_ids=tuple(map(str, range(count))))
    assert visible(0, listing(*IDS), by_index).verdict is verdict
    assert visible(0, listing(*IDS), replace(GRANT, device_ids=(), count=count)).verdict is verdict


def test_all_gpus_are_those_that_are_seen_and_at_least_one() -> None:
    everything = replace(GRANT, device_ids=(), count=-1)
    assert visible(0, listing(*IDS), everything).verdict is Verdict.PASS
    assert visible(0, "No devices found.", everything).verdict is Verdict.FAIL


def test_a_lost_gpu_is_recognised_with_what_brings_it_back() -> None:
    finding = visible(255, "Failed to initialize NVML: Unknown Error\n")
    assert (finding.verdict, finding.subject) == (Verdict.FAIL, "p-vllm-1")
    assert finding.found == "lost: Failed to initialize NVML: Unknown Error"
    assert "docker restart p-vllm-1" in finding.remedy
    assert "cgroupfs" in finding.remedy


@pytest.mark.parametrize(
    ("code", "text", "found"),
    [
        # Engine 20.10 and, by its source, newer ones that answer with a status of their own.
        (126, 'OCI runtime exec failed: exec failed: unable to start container process: exec: "nvidia-smi": executable file not found in $PATH: unknown', "its image has no nvidia-smi"),
        (None, 'OCI runtime exec failed: exec: "nvidia-smi": executable file not found in $PATH', "its image has no nvidia-smi"),
        (None, "nvidia-smi did not answer within 5 s", "nvidia-smi did not answer within 5 s"),
        (None, "Container 1 is not running", "Container 1 is not running"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_skipped_with_its_reason(code: int | None, text: str, found: str) -> None:
    finding = visible(code, text)
    assert (finding.verdict, finding.found, finding.required) == (Verdict.SKIP, found, False)


def test_a_failure_without_a_word_is_a_failure() -> None:
    assert visible(255, "").found == "lost: exit code 255, and not a word"


RIGHT = {"sums": [{"bytes": size, "right": True, "ms": ms} for size, ms in ((4, 0.03), (16777216, 0.61))] * 2}
WRONG = {"sums": [{**entry, "right": False} for entry in RIGHT["sums"]]}


@pytest.mark.parametrize(
    ("own", "control", "verdict", "found"),
    [
        (RIGHT, RIGHT, Verdict.PASS, "healthy: 4 B in 0.03 ms, 16 MiB in 0.61 ms; without peer-to-peer 4 B in 0.03 ms"),
        (RIGHT, {"hangs": True}, Verdict.PASS, "healthy: 4 B in 0.03 ms"),
        ({"hangs": True}, RIGHT, Verdict.FAIL, "hang: no answer within 60 s; without peer-to-peer 4 B in 0.03 ms"),
        (WRONG, RIGHT, Verdict.FAIL, "wrong: wrong sums, 4 B in 0.03 ms"),
        (WRONG, WRONG, Verdict.SKIP, "inconclusive: wrong sums"),
        (
            {"hangs": True},
            {"hangs": True},
            Verdict.SKIP,
            "inconclusive: no answer within 60 s; without peer-to-peer no",
        ),
        ({"failed": "CUDA out of memory"}, RIGHT, Verdict.SKIP, "inconclusive: not run (CUDA out of memory)"),
    ],
)
def test_a_collective_has_one_of_four_words(own: object, control: object, verdict: Verdict, found: str) -> None:
    (finding,) = check_gpu_collective(GRANT, Answer(0, json.dumps({"own": own, "control": control})))
    assert finding.verdict is verdict
    assert finding.found.startswith(found)
    assert not finding.stops or "NCCL_P2P_DISABLE=1" in finding.remedy
    assert finding.verdict is Verdict.FAIL or not finding.stops


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer(1, "Traceback (most recent call last):\nModuleNotFoundError: No module named 'torch'"), "ModuleNotFoundError: No module named 'torch'"),
        (Answer(1, "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 64.00 MiB."), "CUDA out of memory"),
        (Answer(None, "python3 did not answer within 120 s"), "python3 did not answer within 120 s"),
        (Answer(0, ""), "exit code 0"),
        (Answer(0, "hello"), "hello"),
    ],
)  # fmt: skip
def test_a_collective_that_was_not_run_says_why(answer: Answer, why: str) -> None:
    (finding,) = check_gpu_collective(GRANT, answer)
    assert (finding.verdict, finding.required) == (Verdict.SKIP, False)
    assert finding.found.startswith("not measured: ")
    assert why in finding.found
