from __future__ import annotations

import json
from dataclasses import replace

import pytest

from opskit.engine.model import Answer, Grant
from opskit.gpu.model import Gpu, Inventory, Pair
from opskit.health.gpu_inside import check_gpu_device_visible, check_gpu_peer_copy
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


NVLINK = Inventory(
    None,
    None,
    None,
    (Gpu(1, uuid=IDS[0]), Gpu(3, uuid=IDS[1])),
    (),
    (Pair(1, 3, nvlinks=4, bandwidth_gb_s=56.25),),
    "nvml",
)


def copied(gb_s: float, *, same: bool = True, peer: bool = True, there: Inventory = NVLINK) -> Finding:
    line = json.dumps([{"a": 0, "b": 1, "peer": peer, "gb_s": gb_s, "same": same}])
    (finding,) = check_gpu_peer_copy(GRANT, Answer(0, line), there)
    return finding


@pytest.mark.parametrize(("gb_s", "verdict"), [(28.125, Verdict.PASS), (28.124, Verdict.WARN)])
def test_a_copy_over_nvlink_reaches_half_of_what_the_links_can_do(gb_s: float, verdict: Verdict) -> None:
    finding = copied(gb_s)
    assert finding.verdict is verdict
    assert finding.subject == "p-vllm-1: GPU 1 to GPU 3", "as the host numbers them"


def test_without_nvlink_any_speed_is_what_it_is() -> None:
    bare = replace(NVLINK, pairs=())
    assert (copied(3.2, peer=False, there=bare).verdict, copied(3.2, peer=False, there=bare).found) == (
        Verdict.PASS,
        "3.2 GB/s, through the host",
    )


def test_data_that_arrives_changed_is_a_fault_however_fast_it_came() -> None:
    finding = copied(56.0, same=False)
    assert finding.verdict is Verdict.FAIL
    assert "--disable-custom-all-reduce" in finding.remedy


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
def test_a_copy_that_was_not_measured_says_why(answer: Answer, why: str) -> None:
    (finding,) = check_gpu_peer_copy(GRANT, answer, NVLINK)
    assert (finding.verdict, finding.required) == (Verdict.SKIP, False)
    assert finding.found.startswith("not measured: ")
    assert why in finding.found
