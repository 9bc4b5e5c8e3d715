"""Each state that a host's GPUs have been seen in, told by a C library through the real nvidia-ml-py."""

from __future__ import annotations

import pytest

from opskit.gpu.model import Gpu, NvLink, Pair
from tests.nvml.library import See

_MIB = 1024**2
_SHARED = "NCCL_P2P_DISABLE=1, so NCCL goes through shared memory, which is slower"
_OFF = {"NCCL_P2P_LEVEL": "LOC", "NCCL_P2P_DISABLE": "1", "VLLM_CUSTOM_ALL_REDUCE": "--disable-custom-all-reduce"}
_ON = {"NCCL_P2P_LEVEL": "NVL", "NCCL_P2P_DISABLE": "0", "VLLM_CUSTOM_ALL_REDUCE": "--no-disable-custom-all-reduce"}
_BOTH = {"GPU_ID_0": "GPU-00000000", "GPU_ID_1": "GPU-00000001", "TENSOR_PARALLEL_SIZE": "2"}


def test_no_library(see_without: See) -> None:
    seen = see_without()
    assert seen.reason == "NVML library not found: libnvidia-ml.so.1 is not on this machine"
    assert (seen.placement["mode"], seen.placement["overlay"]) == ("cpu", "cpu.yml")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("9", "NVIDIA driver not loaded"),
        (
            "18",
            "NVIDIA library and kernel driver are of different versions: the driver was upgraded without a reboot",
        ),
    ],
)
def test_a_library_whose_driver_does_not_answer(see: See, code: str, reason: str) -> None:
    seen = see(NVML_INIT=code)
    assert seen.reason == reason
    assert seen.placement["mode"] == "cpu"
    assert f"no GPU: {reason}" in seen.placement["reasons"]


def test_a_driver_without_gpus(see: See) -> None:
    seen = see(NVML_GPUS="0")
    assert (seen.inventory.gpus, seen.inventory.pairs, seen.inventory.notes) == ((), (), ())
    assert seen.placement["reasons"] == ["cpu: 0 usable GPUs"]


def test_one_3090(see: See) -> None:
    seen = see(NVML_GPUS="1", NVML_LINKS="....")
    assert seen.inventory.gpus == (
        Gpu(
            index=0,
            uuid="GPU-00000000",
            name="NVIDIA GeForce RTX 3090",
            pci_bus_id="0000:21:00.0",
            memory_total_bytes=24576 * _MIB,
            memory_reserved_bytes=318 * _MIB,
            memory_used_bytes=0,
            memory_free_bytes=24258 * _MIB,
            utilization_percent=7,
            power_mw=31250,
            power_limit_mw=350000,
            temperature_c=41,
            pcie_generation=1,
            pcie_generation_max=4,
            pcie_width=8,
            pcie_width_max=16,
            numa_node=seen.inventory.gpus[0].numa_node,  # this machine's, should it have a device at that address
            cpu_affinity="0-3",
            mig=None,
            processes=(),
        ),
    )
    assert (seen.inventory.driver, seen.inventory.nvml, seen.inventory.cuda) == ("580.95.05", "13.580.95.05", (13, 0))
    assert (seen.inventory.source, seen.inventory.notes) == ("nvml", ())
    assert seen.placement["mode"] == "single"
    assert seen.placement["environ"] == {"GPU_ID_0": "GPU-00000000", "TENSOR_PARALLEL_SIZE": "1"}
    assert seen.placement["reasons"] == ["single: 1 usable GPU"]


def test_two_3090_with_their_bridge(see: See) -> None:
    seen = see()
    assert seen.inventory.pairs == (Pair(0, 1, "PHB", 4, 56.248, "nvml", "OK", "OK"),)
    assert seen.inventory.links[5] == NvLink(1, 1, "active", 14062, "0000:21:00.0", "gpu")
    assert [gpu.cpu_affinity for gpu in seen.inventory.gpus] == ["0-3", "4-7"]
    assert seen.inventory.notes == ()
    assert seen.placement["environ"] == _BOTH | _ON
    assert seen.placement["reasons"] == [
        "dual: 2 usable GPUs, two of them equal",
        "GPU 0 and GPU 1: 4 NVLinks, 56.25 GB/s per direction; NCCL uses peer-to-peer over NVLink",
    ]


def test_two_3090_without_the_bridge(see: See) -> None:
    seen = see(NVML_LINKS="..../....")
    assert [(link.state, link.remote_kind) for link in seen.inventory.links] == [("inactive", "unknown")] * 8
    assert seen.inventory.pairs == (Pair(0, 1, "PHB", 0, None, None, "CNS", "CNS"),)
    assert seen.placement["environ"] == _BOTH | _OFF
    assert f"GPU 0 and GPU 1: no NVLink (PHB); {_SHARED}" in seen.placement["reasons"]


def test_two_of_four_links(see: See) -> None:
    seen = see(NVML_LINKS="11../00..")
    assert seen.inventory.pairs == (Pair(0, 1, "PHB", 2, 28.124, "nvml", "OK", "OK"),)
    assert seen.placement["environ"] == _BOTH | _ON
    assert seen.placement["reasons"][2].startswith("GPU 0: 2 of 4 NVLinks are inactive; the others are used")


def test_sleeping_links_count(see: See) -> None:
    seen = see(NVML_STATE="2")
    assert {link.state for link in seen.inventory.links} == {"sleep"}
    assert seen.inventory.pairs == (Pair(0, 1, "PHB", 4, 56.248, "nvml", "OK", "OK"),)


def test_links_that_one_gpu_alone_sees(see: See) -> None:
    seen = see(NVML_LINKS="1111/....")
    assert (seen.inventory.pairs[0].nvlinks, seen.inventory.pairs[0].bandwidth_gb_s) == (0, None)
    assert seen.inventory.notes == ("GPU 0 sees 4 NVLinks to GPU 1, which sees 0 back; the fewer count",)
    assert seen.placement["environ"] == _BOTH | _OFF
    assert (
        "GPU 0 sees 4 NVLinks to GPU 1, which sees 0 back: one that a single side sees does not count"
        in seen.placement["reasons"]
    )


def test_eight_gpus_on_a_switch(see: See) -> None:
    seen = see(NVML_GPUS="8", NVML_LINKS="/".join(["S" * 12] * 8), NVML_NAME="NVIDIA A100-SXM4-80GB")
    assert len(seen.inventory.gpus) == 8
    assert len(seen.inventory.links) == 96
    assert {link.remote_kind for link in seen.inventory.links} == {"switch"}
    assert [(pair.nvlinks, pair.bandwidth_gb_s) for pair in seen.inventory.pairs] == [(12, 168.744)] * 28
    assert seen.placement["environ"] == _BOTH | _ON


def test_two_4090_know_no_nvlink_and_no_peer_to_peer(see: See) -> None:
    seen = see(NVML_NAME="NVIDIA GeForce RTX 4090", NVML_LINKS="", NVML_P2P="2")
    assert seen.inventory.links == ()
    assert seen.inventory.pairs == (Pair(0, 1, "PHB", 0, None, None, "GNS", "GNS"),)
    assert seen.inventory.notes == ()
    assert seen.placement["environ"] == _BOTH | _OFF


def test_peer_to_peer_by_a_patched_driver_is_not_trusted(see: See) -> None:
    seen = see(NVML_LINKS="..../....", NVML_P2P="0")
    assert (seen.inventory.pairs[0].p2p_read, seen.inventory.pairs[0].p2p_write) == ("OK", "OK")
    assert seen.placement["environ"] == _BOTH | _OFF
    assert seen.placement["reasons"][-1].startswith("peer-to-peer over PCIe is offered but not used")


def test_a_lost_gpu_is_left_out(see: See) -> None:
    seen = see(NVML_LOST="1")
    assert [gpu.index for gpu in seen.inventory.gpus] == [0]
    assert "GPU 1 is left out: it is lost" in seen.inventory.notes
    assert seen.placement["device_ids"] == ["GPU-00000000"]
    assert "GPU 1 is left out: it is lost" in seen.placement["reasons"]


@pytest.mark.parametrize(("mib", "mode"), [("4096", "dual"), ("12288", "single")])
def test_a_gpu_that_a_process_holds(see: See, mib: str, mode: str) -> None:
    seen = see(NVML_HELD=f"1:{mib}:4242")
    assert seen.inventory.gpus[1].processes == ((4242, int(mib) * _MIB),)
    assert seen.inventory.gpus[1].memory_used_bytes == int(mib) * _MIB
    assert seen.placement["mode"] == mode
    held = "GPU 1 is occupied: 11.7 GiB free, 19.6 GiB wanted; held by pid 4242 (12.0 GiB)"
    assert (held in seen.placement["reasons"]) is (mode == "single")


def test_a_split_gpu_is_left_out_of_tensor_parallelism(see: See) -> None:
    seen = see(NVML_MIG="1", NVML_NAME="NVIDIA A100-PCIE-40GB")
    assert [gpu.mig for gpu in seen.inventory.gpus] == [False, True]
    assert seen.placement["device_ids"] == ["GPU-00000000"]
    assert "GPU 1 left out: MIG is on, which rules out a whole GPU" in seen.placement["reasons"]


def test_an_old_driver_s_library_lacks_functions_and_tells_the_rest(see_old: See) -> None:
    seen = see_old(NVML_HELD="1:4096:4242")
    second = seen.inventory.gpus[1]
    assert (second.memory_used_bytes, second.memory_reserved_bytes) == (4414 * _MIB, None)
    assert (second.processes, second.mig) == (None, None)
    assert seen.inventory.pairs == (Pair(0, 1, "PHB", 4, 56.25, "nominal", None, None),)
    assert {note.split(": ")[1] for note in seen.inventory.notes if note.startswith("GPU 1:")} == {
        "nvmlDeviceGetMemoryInfo",
        "nvmlDeviceGetMigMode",
        "nvmlDeviceGetComputeRunningProcesses_v3",
    }
    assert "GPU 1 NVLink 3: nvmlDeviceGetFieldValues: Function Not Found" in seen.inventory.notes
    assert seen.placement["environ"] == _BOTH | _ON


def test_a_call_that_hangs_is_given_up_and_the_process_ends(see: See) -> None:
    seen = see(timeout_s=2.0, NVML_HANG="0")
    assert seen.reason == "NVML did not answer within 2 s"
    assert 2.0 <= seen.taken_s < 3.0
    assert seen.placement["mode"] == "cpu"
