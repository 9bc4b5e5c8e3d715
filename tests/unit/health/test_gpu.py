from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opskit.compose.model import Stack, parse_stack
from opskit.engine.model import Grant
from opskit.gpu.model import Gpu, Inventory
from opskit.gpu.placement import Placement, place
from opskit.health.gpu import (
    Need,
    check_gpu_device_given,
    check_gpu_process_seen,
    check_gpu_tensor_parallel,
    needs_of,
)
from opskit.preflight.finding import Finding, Verdict
from opskit.unknown import Unknown

GIB = 1024**3
IDS = ("GPU-a", "GPU-b")
VLLM = Need("vllm", IDS, 0, 2, computes=True)
WORKER = Need("worker", IDS, 0, None, computes=True)
GRANT = Grant("1", "p-vllm-1", "p", "vllm", 10, IDS, 0)
OF_WORKER = Grant("2", "p-worker-1", "p", "worker", 20, IDS, 0)


def stack(*command: str, devices: dict[str, Any] | None = None, **worker: Any) -> Stack:
    given = devices or {"driver": "nvidia", "device_ids": list(IDS), "capabilities": ["gpu"]}
    deploy = {"resources": {"reservations": {"devices": [given]}}}
    services = {"vllm": {"command": list(command), "deploy": deploy}, "worker": {"deploy": deploy, **worker}, "db": {}}
    return parse_stack({"name": "p", "services": services})


def gpu(index: int, *pids: int, used_gib: float = 0, known: bool = True) -> Gpu:
    processes = tuple((pid, None) for pid in pids) if known else None
    return Gpu(index, uuid=IDS[index], memory_used_bytes=int(used_gib * GIB), processes=processes)


def inventory(*gpus: Gpu) -> Inventory:
    return Inventory("570", None, None, gpus, (), (), "nvml")


PLACED = place("dual", inventory(gpu(0), gpu(1)), {"dual": "multi.yml"})


def test_needs_are_the_reservations_with_the_split_of_the_command() -> None:
    found = needs_of(stack("--tensor-parallel-size", "2", "--pipeline-parallel-size=1"), PLACED)
    assert found == (VLLM, WORKER)
    assert needs_of(stack("--tensor-parallel-size=2", "--pipeline-parallel-size=2"), PLACED)[0].split == 4
    assert needs_of(stack("--tensor-parallel-size=auto"), PLACED)[0].split is None
    assert found[0].wanted == "GPU-a, GPU-b"


@pytest.mark.parametrize(
    ("devices", "words"),
    [({"count": "all"}, "all GPUs"), ({"count": 2}, "2 GPU(s)"), ({"capabilities": ["gpu"]}, "all GPUs")],
)
def test_gpus_without_a_name_are_counted(devices: dict[str, Any], words: str) -> None:
    assert [need.wanted for need in needs_of(stack(devices=devices), PLACED)] == [words, words]


def test_an_index_is_said_to_be_a_gpu_and_a_uuid_says_it_itself() -> None:
    by_index = {"device_ids": ["0", "GPU-b"], "capabilities": ["gpu"]}
    assert needs_of(stack(devices=by_index), PLACED)[0].wanted == "GPU 0, GPU-b"


def test_who_only_looks_or_is_kept_off_is_not_expected_on_a_gpu() -> None:
    for worker in ({"labels": {"opskit.gpu.gib": "0"}}, {"environment": {"CUDA_VISIBLE_DEVICES": ""}}):
        assert [need.computes for need in needs_of(stack(**worker), PLACED)] == [True, False]


def test_a_server_whose_reservation_was_dropped_still_should_have_the_placed_gpus() -> None:
    services = {"vllm": {"command": ["--tensor-parallel-size", "2"]}, "db": {}}
    dropped = parse_stack({"name": "p", "services": services})
    assert needs_of(dropped, PLACED) == (VLLM,)
    assert needs_of(dropped, Placement("cpu", "cpu.yml", (), 1, {}, ())) == ()


def given(*grants: Grant, rehearsal: bool = False) -> Finding:
    (finding,) = check_gpu_device_given([VLLM], grants, rehearsal=rehearsal)
    return finding


def test_what_was_given_in_any_order_is_right() -> None:
    assert given(GRANT).verdict is Verdict.PASS
    assert given(replace(GRANT, device_ids=IDS[::-1])).verdict is Verdict.PASS
    assert given(GRANT, replace(GRANT, id="3")).found == "GPU-a, GPU-b in each of 2 containers"


@pytest.mark.parametrize(
    ("ids", "count", "said"),
    [(("GPU-a",), 0, "GPU-a"), ((*IDS, "GPU-c"), 0, "GPU-a, GPU-b, GPU-c"), ((), 0, "no GPU"), ((), -1, "all GPUs")],
)
def test_one_fewer_one_more_and_none_are_wrong(ids: tuple[str, ...], count: int, said: str) -> None:
    finding = given(GRANT, replace(GRANT, name="p-vllm-2", device_ids=ids, count=count))
    assert (finding.verdict, finding.found, finding.wanted) == (Verdict.FAIL, f"p-vllm-2: {said}", "GPU-a, GPU-b")
    assert "docker rm -f p-vllm-2" in finding.remedy


@pytest.mark.parametrize(("count", "verdict"), [(1, Verdict.FAIL), (2, Verdict.PASS), (-1, Verdict.FAIL)])
def test_gpus_without_a_name_are_compared_by_their_count(count: int, verdict: Verdict) -> None:
    need = replace(VLLM, device_ids=(), count=2)
    (finding,) = check_gpu_device_given([need], [replace(GRANT, device_ids=(), count=count)])
    assert finding.verdict is verdict


def test_a_rehearsal_that_dropped_the_reservation_says_so_and_claims_nothing() -> None:
    none = replace(GRANT, device_ids=())
    finding = given(none, rehearsal=True)
    assert (finding.verdict, finding.required) == (Verdict.SKIP, False)
    assert finding.found.startswith("REHEARSAL: no device request")
    assert given(none).verdict is Verdict.FAIL
    assert given(replace(GRANT, device_ids=("GPU-x",)), rehearsal=True).verdict is Verdict.FAIL


def test_a_service_that_does_not_run_is_not_judged() -> None:
    for grants in ((), (replace(GRANT, pid=None),), (OF_WORKER,)):
        assert (given(*grants).verdict, given(*grants).found) == (Verdict.SKIP, "no container runs")


@pytest.mark.parametrize(("split", "verdict"), [(1, Verdict.FAIL), (2, Verdict.PASS), (3, Verdict.FAIL)])
def test_a_server_splits_over_exactly_what_it_was_given(split: int, verdict: Verdict) -> None:
    (finding,) = check_gpu_tensor_parallel([replace(VLLM, split=split)], [GRANT, OF_WORKER])
    assert (finding.verdict, finding.subject) == (verdict, "p-vllm-1")
    assert finding.found == f"a command that splits over {split}, 2 GPU(s) given"


def test_a_container_whose_gpus_have_no_names_is_not_compared() -> None:
    assert check_gpu_tensor_parallel([VLLM], [replace(GRANT, device_ids=(), count=-1)]) == ()


def seen(need: Need, homes: Any, *gpus: Gpu) -> Finding:
    (finding,) = check_gpu_process_seen([need], [GRANT, OF_WORKER], inventory(*gpus), homes)
    return finding


def test_a_server_is_seen_on_each_of_its_gpus() -> None:
    finding = seen(VLLM, {100: "1", 101: "1", 5: ""}, gpu(0, 100, 5), gpu(1, 101))
    assert (finding.verdict, finding.found) == (Verdict.PASS, "1 on GPU 0, 1 on GPU 1")


def test_one_process_that_is_surely_its_own_is_enough_beside_one_that_cannot_be_told() -> None:
    assert seen(VLLM, {100: "1", 101: "1", 5: None}, gpu(0, 100, 5), gpu(1, 101)).verdict is Verdict.PASS


def test_a_server_that_misses_one_gpu_is_wrong() -> None:
    finding = seen(VLLM, {100: "1", 200: "2"}, gpu(0, 100), gpu(1, 200))
    assert (finding.verdict, finding.found) == (Verdict.FAIL, "1 on GPU 0, 0 on GPU 1")


def test_a_server_whose_gpu_is_no_longer_there_is_wrong() -> None:
    finding = seen(VLLM, {100: "1"}, gpu(0, 100))
    assert (finding.verdict, finding.found) == (Verdict.FAIL, "1 on GPU 0, GPU-b is not to be seen")
    assert seen(VLLM, {100: "1"}, gpu(0, known=False)).verdict is Verdict.FAIL
    assert seen(replace(VLLM, device_ids=(), count=-1), {}).found == "no GPU here"
    assert seen(replace(VLLM, device_ids=(), count=-1), {}).verdict is Verdict.FAIL


def test_another_service_needs_one_gpu_only_and_may_come_later() -> None:
    assert seen(WORKER, {200: "2"}, gpu(0, 200), gpu(1)).verdict is Verdict.PASS
    assert seen(WORKER, {100: "1"}, gpu(0, 100), gpu(1)).verdict is Verdict.WARN


@pytest.mark.parametrize(
    ("homes", "second"),
    [
        ({100: "1", 101: None}, gpu(1, 101)),
        ({100: "1"}, gpu(1, known=False)),
        ({100: "1"}, gpu(1, used_gib=20)),  # in WSL and in containers NVML names no process
    ],
)
def test_what_cannot_be_told_is_skipped(homes: dict[int, str | None], second: Gpu) -> None:
    finding = seen(VLLM, homes, gpu(0, 100), second)
    assert (finding.verdict, finding.required) == (Verdict.SKIP, False)
    assert finding.found == "1 on GPU 0, not known on GPU 1"


def test_a_busy_gpu_is_unnamed_only_above_what_a_desktop_takes() -> None:
    assert seen(VLLM, {100: "1"}, gpu(0, 100), gpu(1, used_gib=1)).verdict is Verdict.FAIL


def test_recorded_absent_and_distant_gpus_say_why_nothing_is_seen() -> None:
    def why(there: Inventory | Unknown, homes: dict[int, str | None] | Unknown) -> str:
        (finding,) = check_gpu_process_seen([VLLM], [GRANT], there, homes)
        assert (finding.verdict, finding.required) == (Verdict.SKIP, False)
        return finding.found

    here = inventory(gpu(0), gpu(1))
    assert why(replace(here, source="recorded"), {}).startswith("REHEARSAL")
    assert why(Unknown("NVML did not answer within 5 s", "reboot"), {}) == "NVML did not answer within 5 s"
    assert why(here, Unknown("the Engine is on another machine", "")) == "the Engine is on another machine"


def test_a_service_without_a_grant_or_without_work_is_not_looked_for() -> None:
    here = inventory(gpu(0), gpu(1))
    assert check_gpu_process_seen([replace(VLLM, computes=False)], [GRANT], here, {}) == ()
    assert check_gpu_process_seen([VLLM], [replace(GRANT, device_ids=())], here, {}) == ()
    assert check_gpu_process_seen([VLLM], [replace(GRANT, pid=None)], here, {}) == ()
