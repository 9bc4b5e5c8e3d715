"""The GPUs of a rehearsal: a recorded pair of RTX 3090 with NVLink."""

from __future__ import annotations

from pathlib import Path

from opskit.gpu.model import GpuUnavailable, Inventory
from opskit.gpu.smi import inventory_from_topology, parse_topology

_RECORDED = Path(__file__).with_name("data") / "2x3090-nv4.txt"
"""`nvidia-smi topo -m` of a bridged pair, from the public report noonghunna/club-3090#250."""

_MEMORY_BYTES = 24576 * 1024**2


def recorded_inventory() -> Inventory:
    """Two RTX 3090 with four links; no UUID and no live figure, since none was recorded."""
    topology = parse_topology(_RECORDED.read_text(encoding="utf-8"))
    name = "NVIDIA GeForce RTX 3090"
    return inventory_from_topology(topology, name=name, memory_total_bytes=_MEMORY_BYTES, source="recorded")


def no_gpu() -> GpuUnavailable:
    """What a full rehearsal has: its model server is the real program, and cannot compute on recorded GPUs."""
    return GpuUnavailable("a full rehearsal runs vLLM's own CPU build", "nothing is wrong; rehearse=yes has recorded GPUs")
