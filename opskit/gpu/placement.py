"""Decides on which GPUs an environment runs: dual, single or CPU, with the overlay, the settings and the reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from types import MappingProxyType
from typing import Literal, NamedTuple

from opskit.errors import UsageError
from opskit.gpu.interconnect import plan_interconnect
from opskit.gpu.model import Gpu, Inventory
from opskit.llm.budget import CONTEXT_BYTES
from opskit.unknown import Unknown

Mode = Literal["dual", "single", "cpu", "none"]
GPU_MODES = ("auto", "dual", "single", "cpu")
"""What may be asked for; `auto` decides by the GPUs there are."""
"""What was chosen; none where the environment needs no GPU at all."""

_MODES: Mapping[str, Mode | None] = {"auto": None, "dual": "dual", "single": "single", "cpu": "cpu"}
_GPUS: Mapping[Mode, int] = {"dual": 2, "single": 1}
WORKER_GPUS = "MULTIMODAL_WORKER_GPUS"
"""The variable by which an operator keeps the worker off the GPUs, or says which of them it sees."""
_UTILIZATION = 0.80
"""As compose/services/models.yml has it where nothing else is said."""


class Setting(NamedTuple):
    """A variable's value, and where that is written."""

    value: str
    source: str


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an environment's GPU services run.

    Attributes:
        overlay: the Compose file of the mode; None where the environment has none for it.
        worker_overlay: the one that gives GPUs to the worker too, merged after it; None where the worker has none.
        device_ids: UUIDs, or indexes where no UUID is known; fewer than the mode wants where the machine has fewer.
        tensor_parallel: how many GPUs vLLM splits a layer over, as the mode wants it; 1 on the CPU.
        environ: variables for Compose's interpolation.
        reasons: why each value is what it is, one sentence each.
    """

    mode: Mode
    overlay: str | None
    device_ids: tuple[str, ...]
    tensor_parallel: int
    environ: Mapping[str, str]
    reasons: tuple[str, ...]
    worker_overlay: str | None = None

    @property
    def overlays(self) -> tuple[str, ...]:
        """The Compose files to merge last, in their order."""
        return tuple(filter(None, (self.overlay, self.worker_overlay)))

    @property
    def gpus_needed(self) -> int:
        """How many GPUs the mode takes."""
        return _GPUS.get(self.mode, 0)


def place(
    mode: str,
    inventory: Inventory | Unknown,
    overlays: Mapping[str, str],
    *,
    utilization: float = _UTILIZATION,
    running: bool = False,
    workers: Mapping[str, str] = MappingProxyType({}),
    visible: Setting | None = None,
) -> Placement:
    """Choose GPUs and settings.

    A mode that was asked for is kept even where the GPUs cannot satisfy it: the reason says so and preflight judges.

    Args:
        mode: auto, dual, single or cpu.
        inventory: what the machine has.
        overlays: the environment's overlay file by mode; none at all means that it needs no GPU.
        utilization: the share of each card that vLLM will ask for; where others leave less the card is occupied.
        running: what is on the GPUs now is this stack's own, so that no card is occupied by others.
        workers: the overlay file that gives GPUs to the worker too, by mode; empty where there is no worker.
        visible: what MULTIMODAL_WORKER_GPUS is; None where nobody sets it.

    Raises:
        UsageError: the mode is unknown.
    """
    if mode not in _MODES:
        raise UsageError(f"gpu: found {mode!r}; wanted one of {', '.join(_MODES)}")
    if not overlays:
        return Placement("none", None, (), 1, {}, ("this environment needs no GPU",))
    reasons: list[str] = []
    gpus = _usable(inventory, reasons)
    free = gpus if running else [gpu for gpu in gpus if has_room(gpu, utilization)]
    if mode != "cpu":
        reasons += [tell_occupied(gpu, utilization) for gpu in gpus if gpu not in free]
    chosen = _choose(mode, gpus, free, overlays, reasons)
    if chosen not in overlays:
        reasons.append(f"no overlay: this environment has none for {chosen}")
    taken: Sequence[Gpu] = ()
    settings: Mapping[str, str] = {}
    if chosen == "dual":
        taken, settings = _dual(inventory, gpus, free, reasons)
    elif chosen == "single":
        taken = _single(gpus, free, reasons)
    worker_overlay = _worker(chosen, workers, visible, reasons) if workers else None
    ids = tuple(gpu.device_id for gpu in taken)
    tensor_parallel = 2 if chosen == "dual" else 1
    environ = {"TENSOR_PARALLEL_SIZE": str(tensor_parallel), **settings}
    return Placement(
        mode=chosen,
        overlay=overlays.get(chosen),
        device_ids=ids,
        tensor_parallel=tensor_parallel,
        environ={**{f"GPU_ID_{at}": device for at, device in enumerate(ids)}, **environ},
        reasons=tuple(reasons),
        worker_overlay=worker_overlay,
    )


def takes_gpus(visible: str | None) -> bool:
    """Whether a worker is meant for the GPUs, by what MULTIMODAL_WORKER_GPUS is; None where nobody sets it."""
    return visible is None or visible.strip() not in {"", "-1"}


def _worker(mode: Mode, workers: Mapping[str, str], visible: Setting | None, reasons: list[str]) -> str | None:
    value, source = visible or (None, "")
    why = f"{WORKER_GPUS} is " + ("not set" if value is None else f"{value.strip() or 'empty'} in {source}")
    if mode not in workers:
        reasons.append(f"worker: CPU, because mode {mode} gives it no GPU")
        return None
    taken = takes_gpus(value)
    reasons.append(f"worker: {'the GPUs of vLLM' if taken else 'CPU'}, because {why}")
    return workers[mode] if taken else None


def _usable(inventory: Inventory | Unknown, reasons: list[str]) -> Sequence[Gpu]:
    if isinstance(inventory, Unknown):
        reasons.append(f"no GPU: {inventory.reason}")
        return ()
    split = [f"GPU {gpu.index}" for gpu in inventory.gpus if gpu.mig]
    if split:
        reasons.append(f"{', '.join(split)} left out: MIG is on, which rules out a whole GPU")
    reasons += [note for note in inventory.notes if "is left out" in note]
    return [gpu for gpu in inventory.gpus if not gpu.mig]


def _choose(
    mode: str, gpus: Sequence[Gpu], free: Sequence[Gpu], overlays: Mapping[str, str], reasons: list[str]
) -> Mode:
    asked = _MODES[mode]
    if asked is not None:
        reasons.append(f"{mode}: it was asked for")
        return asked
    count = f"{len(gpus)} usable GPU{'' if len(gpus) == 1 else 's'}"
    wants_one = "single" in overlays and gpus
    if "dual" in overlays and _any_equal(gpus):
        if free and wants_one and not _any_equal(free):
            reasons.append(f"single: {count}, two of them equal, but vLLM would not start on an occupied one")
            return "single"
        occupied = "" if _any_equal(free) else "; too few of them are free: vLLM starts once they are"
        reasons.append(f"dual: {count}, two of them equal{occupied}")
        return "dual"
    if wants_one:
        unequal = ", no two of them equal" if "dual" in overlays and len(gpus) > 1 else ""
        reasons.append(f"single: {count}{unequal}")
        return "single"
    reasons.append(f"cpu: {count}")
    return "cpu"


def _any_equal(gpus: Sequence[Gpu]) -> bool:
    return any(_equal(a, b) for a, b in combinations(gpus, 2))


def _equal(a: Gpu, b: Gpu) -> bool:
    return a.name is not None and (a.name, a.memory_total_bytes) == (b.name, b.memory_total_bytes)


def _dual(
    inventory: Inventory | Unknown, gpus: Sequence[Gpu], free: Sequence[Gpu], reasons: list[str]
) -> tuple[Sequence[Gpu], Mapping[str, str]]:
    if isinstance(inventory, Unknown) or len(gpus) < _GPUS["dual"]:
        reasons.append(f"dual wants 2 GPUs, found {len(gpus)}")
        return gpus, {}
    first, second = max(combinations(gpus, 2), key=lambda two: _worth(inventory, free, *two))
    if not _equal(first, second):
        names = f"GPU {first.index} and GPU {second.index}"
        reasons.append(f"{names} are not equal: the smaller and slower one sets the pace of both")
    settings, why = plan_interconnect(inventory, first, second)
    reasons += why
    return (first, second), settings


def _worth(inventory: Inventory, free: Sequence[Gpu], a: Gpu, b: Gpu) -> tuple[bool, bool, float, int, int]:
    pair = inventory.pair(a.index, b.index)
    room = min(gpu.memory_free_bytes or 0 for gpu in (a, b))
    return a in free and b in free, _equal(a, b), pair.bandwidth_gb_s or pair.nvlinks or 0, room, -a.index - b.index


def _single(gpus: Sequence[Gpu], free: Sequence[Gpu], reasons: list[str]) -> Sequence[Gpu]:
    if not gpus:
        reasons.append("single wants 1 GPU, found 0")
        return ()
    best = max(free or gpus, key=lambda gpu: (gpu.memory_total_bytes or 0, gpu.memory_free_bytes or 0, -gpu.index))
    if len(gpus) > 1:
        first = "one that is not occupied, then " if 0 < len(free) < len(gpus) else ""
        reasons.append(f"GPU {best.index}: {first}the most memory, then the most of it free, then the lowest index")
    return (best,)


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
