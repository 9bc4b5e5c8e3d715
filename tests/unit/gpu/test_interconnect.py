from __future__ import annotations

import pytest

from opskit.gpu.interconnect import plan_interconnect
from opskit.gpu.model import Gpu, Inventory, LinkState, NvLink, Pair

_GPUS = (Gpu(0, name="RTX 3090", pci_bus_id="0000:21:00.0"), Gpu(1, name="RTX 3090", pci_bus_id="0000:4a:00.0"))
_OFF = {"NCCL_P2P_LEVEL": "LOC", "NCCL_P2P_DISABLE": "1", "VLLM_CUSTOM_ALL_REDUCE": "--disable-custom-all-reduce"}
_ON = {"NCCL_P2P_LEVEL": "NVL", "NCCL_P2P_DISABLE": "0", "VLLM_CUSTOM_ALL_REDUCE": "--no-disable-custom-all-reduce"}


def _links(gpu: int, *states: LinkState) -> tuple[NvLink, ...]:
    peer = _GPUS[1 - gpu].pci_bus_id
    return tuple(
        NvLink(gpu, at, state, remote_bus_id=None if state == "inactive" else peer) for at, state in enumerate(states)
    )


def _of(pair: Pair, *links: NvLink) -> Inventory:
    return Inventory(None, None, None, _GPUS, links, (pair,), "nvml")


def test_nvlink_carries_nccl_and_the_custom_all_reduce() -> None:
    four: tuple[LinkState, ...] = ("active",) * 4
    inventory = _of(Pair(0, 1, "PHB", 4, 56.248, "nvml", "OK", "OK"), *_links(0, *four), *_links(1, *four))
    settings, reasons = plan_interconnect(inventory, *_GPUS)
    assert settings == _ON
    assert reasons == ("GPU 0 and GPU 1: 4 NVLinks, 56.25 GB/s per direction; NCCL uses peer-to-peer over NVLink",)


@pytest.mark.parametrize("p2p", ["CNS", "OK", None])
def test_without_nvlink_both_ways_over_pcie_are_off(p2p: str | None) -> None:
    settings, reasons = plan_interconnect(_of(Pair(0, 1, "PHB", 0, p2p_read=p2p)), *_GPUS)
    assert settings == _OFF
    assert "vLLM's custom all-reduce is off: without NVLink it needs peer-to-peer over PCIe" in reasons
    assert any("offered but not used" in reason for reason in reasons) is (p2p == "OK")


def test_a_half_active_bridge_is_used_and_said() -> None:
    half: tuple[LinkState, ...] = ("active", "sleep", "inactive", "inactive")
    inventory = _of(Pair(0, 1, nvlinks=2, bandwidth_gb_s=28.124), *_links(0, *half), *_links(1, *half))
    settings, reasons = plan_interconnect(inventory, *_GPUS)
    assert settings == _ON
    assert reasons[1:] == tuple(
        f"GPU {gpu}: 2 of 4 NVLinks are inactive; the others are used; "
        "reseat the bridge, and look with `nvidia-smi nvlink -s`"
        for gpu in (0, 1)
    )


def test_links_that_one_side_alone_sees_do_not_count_and_are_said() -> None:
    four: tuple[LinkState, ...] = ("active",) * 4
    none: tuple[LinkState, ...] = ("inactive",) * 4
    inventory = _of(Pair(0, 1, "PHB", 0), *_links(0, *four), *_links(1, *none))
    settings, reasons = plan_interconnect(inventory, *_GPUS)
    assert settings == _OFF
    assert "GPU 0 sees 4 NVLinks to GPU 1, which sees 0 back: one that a single side sees does not count" in reasons
