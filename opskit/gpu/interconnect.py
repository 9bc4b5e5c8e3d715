"""How two GPUs are to talk to each other, by what lies between them; pure."""

from __future__ import annotations

from collections.abc import Mapping

from opskit.gpu.model import Gpu, Inventory, Pair

_ALL_REDUCE = "VLLM_CUSTOM_ALL_REDUCE"
"""The word of vLLM's command that switches its own all-reduce on or off: a boolean flag has a form for each."""


def plan_interconnect(inventory: Inventory, first: Gpu, second: Gpu) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """The settings of NCCL and vLLM for two GPUs, and why, one sentence each.

    Peer-to-peer goes over NVLink or not at all: drivers that offer it over PCIe have hung, and vLLM's custom
    all-reduce gave wrong data there (club-3090#873, #922).
    """
    pair = inventory.pair(first.index, second.index)
    names = f"GPU {first.index} and GPU {second.index}"
    one_sided = _tell_one_sided(inventory, first, second)
    if pair.nvlinks:
        reason = f"{names}: {_tell_bandwidth(pair)}; NCCL uses peer-to-peer over NVLink"
        settings = {"NCCL_P2P_LEVEL": "NVL", "NCCL_P2P_DISABLE": "0", _ALL_REDUCE: "--no-disable-custom-all-reduce"}
        return settings, (reason, *one_sided, *_tell_inactive(inventory, first, second))
    what = "NVLink unknown" if pair.nvlinks is None else "no NVLink"
    distance = "" if pair.pcie is None else f" ({pair.pcie})"
    reasons = [
        f"{names}: {what}{distance}; NCCL_P2P_DISABLE=1, so NCCL goes through shared memory, which is slower",
        *one_sided,
        "vLLM's custom all-reduce is off: without NVLink it needs peer-to-peer over PCIe",
    ]
    if pair.p2p_read == "OK":
        reasons.append("peer-to-peer over PCIe is offered but not used: on GeForce it has hung and corrupted data")
    return {"NCCL_P2P_LEVEL": "LOC", "NCCL_P2P_DISABLE": "1", _ALL_REDUCE: "--disable-custom-all-reduce"}, tuple(
        reasons
    )


def _tell_bandwidth(pair: Pair) -> str:
    speed = "" if pair.bandwidth_gb_s is None else f", {pair.bandwidth_gb_s:.2f} GB/s per direction"
    return f"{pair.nvlinks} NVLinks{speed}{' (nominal)' if pair.bandwidth_source == 'nominal' else ''}"


def _tell_one_sided(inventory: Inventory, first: Gpu, second: Gpu) -> tuple[str, ...]:
    there, back = _count_seen(inventory, first, second), _count_seen(inventory, second, first)
    if there == back:
        return ()
    seen = f"GPU {first.index} sees {there} NVLinks to GPU {second.index}, which sees {back} back"
    return (f"{seen}: one that a single side sees does not count",)


def _count_seen(inventory: Inventory, gpu: Gpu, other: Gpu) -> int:
    to_other = [link for link in inventory.links if link.gpu == gpu.index and link.remote_bus_id is not None]
    return sum(link.remote_bus_id == other.pci_bus_id for link in to_other)


def _tell_inactive(inventory: Inventory, *gpus: Gpu) -> tuple[str, ...]:
    reasons = []
    for gpu in gpus:
        states = [link.state for link in inventory.links if link.gpu == gpu.index]
        inactive = states.count("inactive")
        if inactive:
            reasons.append(
                f"GPU {gpu.index}: {inactive} of {len(states)} NVLinks are inactive; the others are used; "
                "reseat the bridge, and look with `nvidia-smi nvlink -s`"
            )
    return tuple(reasons)
