from __future__ import annotations

from collections.abc import Mapping

import pytest

from opskit.errors import UsageError
from opskit.gpu.model import Gpu, Inventory, Pair
from opskit.gpu.placement import Setting, place
from opskit.unknown import Unknown

_GIB = 1024**3
_OVERLAYS = {"dual": "multi.yml", "single": "single.yml"}
_NO_DRIVER = Unknown("NVIDIA driver not loaded", "sudo modprobe nvidia")


def _gpu(index: int, name: str | None = "RTX 3090", gib: int = 24, free_gib: int | None = None, **more: bool) -> Gpu:
    free = None if free_gib is None else free_gib * _GIB
    return Gpu(
        index,
        uuid=f"GPU-{index}",
        name=name,
        memory_total_bytes=gib * _GIB,
        memory_free_bytes=free,
        mig=more.get("mig"),
    )


def _of(*gpus: Gpu, pairs: tuple[Pair, ...] = (), notes: tuple[str, ...] = ()) -> Inventory:
    return Inventory("580.95.05", None, None, gpus, (), pairs, "nvml", notes)


def _nv4(a: int, b: int) -> Pair:
    return Pair(a, b, nvlinks=4, bandwidth_gb_s=56.25, bandwidth_source="nominal")


def _apart(a: int, b: int, p2p: str | None = None) -> Pair:
    return Pair(a, b, pcie="PHB", nvlinks=0, p2p_read=p2p, p2p_write=p2p)


_TWO = (_gpu(0), _gpu(1))
_LINKED, _UNLINKED = _of(*_TWO, pairs=(_nv4(0, 1),)), _of(*_TWO, pairs=(_apart(0, 1),))


@pytest.mark.parametrize(
    ("mode", "inventory", "chosen", "overlay", "ids", "tensor_parallel"),
    [
        ("auto", _LINKED, "dual", "multi.yml", ("GPU-0", "GPU-1"), 2),
        ("auto", _UNLINKED, "dual", "multi.yml", ("GPU-0", "GPU-1"), 2),
        ("auto", _of(_gpu(0)), "single", "single.yml", ("GPU-0",), 1),
        ("auto", _of(), "cpu", None, (), 1),
        ("auto", _NO_DRIVER, "cpu", None, (), 1),
        ("auto", _of(_gpu(0), _gpu(1, "RTX 4090")), "single", "single.yml", ("GPU-0",), 1),
        ("auto", _of(_gpu(0, gib=12), _gpu(1)), "single", "single.yml", ("GPU-1",), 1),
        ("auto", _of(_gpu(0, None), _gpu(1, None)), "single", "single.yml", ("GPU-0",), 1),
        ("auto", _of(_gpu(0), _gpu(1, mig=True)), "single", "single.yml", ("GPU-0",), 1),
        ("auto", _of(_gpu(0, mig=True)), "cpu", None, (), 1),
        ("single", _LINKED, "single", "single.yml", ("GPU-0",), 1),
        ("single", _of(_gpu(0, free_gib=4), _gpu(1, free_gib=23)), "single", "single.yml", ("GPU-1",), 1),
        ("cpu", _LINKED, "cpu", None, (), 1),
        ("dual", _of(_gpu(0)), "dual", "multi.yml", ("GPU-0",), 2),
        ("dual", _NO_DRIVER, "dual", "multi.yml", (), 2),
        ("single", _NO_DRIVER, "single", "single.yml", (), 1),
        ("dual", _of(_gpu(0), _gpu(1, "RTX 4090")), "dual", "multi.yml", ("GPU-0", "GPU-1"), 2),
    ],
)
def test_the_mode_follows_from_the_gpus(  # noqa: PLR0917  pytest passes them by name
    mode: str,
    inventory: Inventory | Unknown,
    chosen: str,
    overlay: str | None,
    ids: tuple[str, ...],
    tensor_parallel: int,
) -> None:
    placement = place(mode, inventory, _OVERLAYS)
    assert placement.mode == chosen
    assert placement.overlay == overlay
    assert placement.device_ids == ids
    assert placement.tensor_parallel == tensor_parallel
    assert placement.environ["TENSOR_PARALLEL_SIZE"] == str(tensor_parallel)
    assert {name: value for name, value in placement.environ.items() if name.startswith("GPU_ID_")} == {
        f"GPU_ID_{at}": device for at, device in enumerate(ids)
    }
    assert all(placement.reasons)


@pytest.mark.parametrize(
    ("inventory", "nccl"),
    [
        (_LINKED, {"NCCL_P2P_DISABLE": "0", "NCCL_P2P_LEVEL": "NVL"}),
        (_UNLINKED, {"NCCL_P2P_DISABLE": "1", "NCCL_P2P_LEVEL": "LOC"}),
        (_of(*_TWO, pairs=(_apart(0, 1, "OK"),)), {"NCCL_P2P_DISABLE": "1", "NCCL_P2P_LEVEL": "LOC"}),
        (_of(*_TWO), {"NCCL_P2P_DISABLE": "1", "NCCL_P2P_LEVEL": "LOC"}),
        (_of(_gpu(0)), {}),
    ],
)
def test_nccl_uses_peer_to_peer_over_nvlink_only(inventory: Inventory, nccl: Mapping[str, str]) -> None:
    environ = place("dual", inventory, _OVERLAYS).environ
    assert {name: value for name, value in environ.items() if name.startswith("NCCL")} == nccl


@pytest.mark.parametrize(
    ("mode", "inventory", "reason"),
    [
        ("auto", _LINKED, "dual: 2 usable GPUs, two of them equal"),
        ("auto", _LINKED, "GPU 0 and GPU 1: 4 NVLinks, 56.25 GB/s per direction (nominal); NCCL uses peer-to-peer over NVLink"),
        ("auto", _UNLINKED, "GPU 0 and GPU 1: no NVLink (PHB); NCCL_P2P_DISABLE=1, so NCCL goes through shared memory, which is slower"),
        ("dual", _of(*_TWO), "GPU 0 and GPU 1: NVLink unknown; NCCL_P2P_DISABLE=1, so NCCL goes through shared memory, which is slower"),
        (
            "dual", _of(*_TWO, pairs=(_apart(0, 1, "OK"),)),
            "peer-to-peer over PCIe is offered but not used: on GeForce it has hung and corrupted data",
        ),
        ("dual", _LINKED, "dual: it was asked for"),
        ("dual", _of(_gpu(0)), "dual wants 2 GPUs, found 1"),
        ("dual", _NO_DRIVER, "no GPU: NVIDIA driver not loaded"),
        ("single", _of(), "single wants 1 GPU, found 0"),
        ("auto", _of(), "cpu: 0 usable GPUs"),
        ("auto", _of(), "no overlay: this environment has none for cpu"),
        ("auto", _of(_gpu(0)), "single: 1 usable GPU"),
        ("auto", _of(_gpu(0), _gpu(1, "RTX 4090")), "single: 2 usable GPUs, no two of them equal"),
        (
            "dual", _of(_gpu(0), _gpu(1, "RTX 4090")),
            "GPU 0 and GPU 1 are not equal: the smaller and slower one sets the pace of both",
        ),
        ("auto", _of(_gpu(0), _gpu(1, mig=True)), "GPU 1 left out: MIG is on, which rules out a whole GPU"),
        ("auto", _of(_gpu(0), notes=("GPU 1 is left out: it is lost",)), "GPU 1 is left out: it is lost"),
    ],
)  # fmt: skip
def test_each_value_has_its_reason(mode: str, inventory: Inventory | Unknown, reason: str) -> None:
    assert reason in place(mode, inventory, _OVERLAYS).reasons


def test_dual_takes_the_pair_with_the_most_bandwidth() -> None:
    four = [_gpu(at) for at in range(4)]
    pairs = (_apart(0, 1), _apart(0, 2), _nv4(0, 3), _apart(1, 2), _apart(1, 3), _apart(2, 3))
    assert place("auto", _of(*four, pairs=pairs), _OVERLAYS).device_ids == ("GPU-0", "GPU-3")


def test_dual_takes_equal_gpus_before_linked_ones() -> None:
    three = (_gpu(0, "RTX A6000"), _gpu(1), _gpu(2))
    pairs = (_nv4(0, 1), _apart(0, 2), _apart(1, 2))
    assert place("auto", _of(*three, pairs=pairs), _OVERLAYS).device_ids == ("GPU-1", "GPU-2")


def test_gpus_without_uuid_go_by_index() -> None:
    gpus = tuple(Gpu(at, name="RTX 3090") for at in range(2))
    placement = place("auto", _of(*gpus, pairs=(_nv4(0, 1),)), _OVERLAYS)
    assert placement.device_ids == ("0", "1")
    assert placement.environ["GPU_ID_1"] == "1"


def test_an_environment_for_one_gpu_gets_one() -> None:
    placement = place("auto", _LINKED, {"single": "single.yml"})
    assert (placement.mode, placement.device_ids) == ("single", ("GPU-0",))


def test_a_cpu_overlay_is_used_where_there_is_one() -> None:
    assert place("auto", _NO_DRIVER, {**_OVERLAYS, "cpu": "cpu.yml"}).overlay == "cpu.yml"


_WORKERS = {"dual": "multi-worker.yml", "single": "single-worker.yml"}


@pytest.mark.parametrize(
    ("mode", "visible", "overlay", "reason"),
    [
        ("dual", None, "multi-worker.yml", "the GPUs of vLLM, because MULTIMODAL_WORKER_GPUS is not set"),
        ("single", None, "single-worker.yml", "the GPUs of vLLM, because MULTIMODAL_WORKER_GPUS is not set"),
        ("dual", "0,1", "multi-worker.yml", "the GPUs of vLLM, because MULTIMODAL_WORKER_GPUS is 0,1 in the shell"),
        ("dual", "", None, "CPU, because MULTIMODAL_WORKER_GPUS is empty in the shell"),
        ("single", "-1", None, "CPU, because MULTIMODAL_WORKER_GPUS is -1 in the shell"),
        ("cpu", "0,1", None, "CPU, because mode cpu gives it no GPU"),
    ],
)
def test_the_worker_is_given_gpus_unless_the_operator_keeps_it_off_them(
    mode: str, visible: str | None, overlay: str | None, reason: str
) -> None:
    given = None if visible is None else Setting(visible, "the shell")
    placement = place(mode, _LINKED, {**_OVERLAYS, "cpu": "cpu.yml"}, workers=_WORKERS, visible=given)
    assert placement.worker_overlay == overlay
    assert placement.overlays == tuple(filter(None, (placement.overlay, overlay)))
    assert placement.reasons[-1] == f"worker: {reason}"


def test_nothing_is_said_of_a_worker_where_there_is_none() -> None:
    assert not [reason for reason in place("dual", _LINKED, _OVERLAYS).reasons if "worker" in reason]


@pytest.mark.parametrize("mode", ["auto", "dual", "single", "cpu"])
def test_an_environment_without_overlays_needs_no_gpu(mode: str) -> None:
    placement = place(mode, _LINKED, {})
    assert (placement.mode, placement.overlay, placement.device_ids, placement.gpus_needed) == ("none", None, (), 0)
    assert placement.reasons == ("this environment needs no GPU",)


@pytest.mark.parametrize(("mode", "count"), [("dual", 2), ("single", 1), ("cpu", 0)])
def test_a_mode_needs_as_many_gpus_as_it_says(mode: str, count: int) -> None:
    assert place(mode, _LINKED, _OVERLAYS).gpus_needed == count


def test_an_unknown_mode_is_refused_with_the_list() -> None:
    with pytest.raises(UsageError, match="found 'both'; wanted one of auto, dual, single, cpu"):
        place("both", _LINKED, _OVERLAYS)
