"""Which GPUs other processes leave enough of, and who holds the others; pure."""

from __future__ import annotations

from opskit.gpu.budget import CONTEXT_BYTES
from opskit.gpu.model import Gpu

_GIB = 1024**3


def has_room(gpu: Gpu, utilization: float) -> bool:
    """Whether vLLM would find free what it asks for; a GPU of which that is not known is taken at its word."""
    wanted = wanted_bytes(gpu, utilization)
    return wanted is None or gpu.memory_free_bytes is None or gpu.memory_free_bytes >= wanted


def wanted_bytes(gpu: Gpu, utilization: float) -> int | None:
    """What must be free before vLLM starts: its share of the card, and beside it its own context."""
    return None if gpu.usable_bytes is None else int(gpu.usable_bytes * utilization) + CONTEXT_BYTES


def tell_occupied(gpu: Gpu, utilization: float) -> str:
    """A sentence: what is free of what is wanted, and who holds the rest."""
    free, wanted = (gpu.memory_free_bytes or 0) / _GIB, (wanted_bytes(gpu, utilization) or 0) / _GIB
    return f"GPU {gpu.index} is occupied: {free:.1f} GiB free, {wanted:.1f} GiB wanted; {_tell_holders(gpu)}"


def _tell_holders(gpu: Gpu) -> str:
    if not gpu.processes:
        return "its processes cannot be read" if gpu.processes is None else "held by no process that can be seen"
    each = (f"pid {pid}" + ("" if held is None else f" ({held / _GIB:.1f} GiB)") for pid, held in gpu.processes)
    return f"held by {', '.join(each)}"
