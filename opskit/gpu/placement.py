"""Which GPUs an environment takes: dual with NVLink, dual without, single or CPU, with the reason; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from opskit.gpu.model import Gpu, GpuUnavailable, Inventory

Mode = Literal["auto", "dual", "single", "cpu"]

_PAIR = 2
_NO_PEER = {"NCCL_P2P_DISABLE": "1", "NCCL_P2P_LEVEL": "LOC"}
_NVLINK = {"NCCL_P2P_DISABLE": "0", "NCCL_P2P_LEVEL": "NVL"}


@dataclass(frozen=True, slots=True)
class Placement:
    """The choice: a mode, its overlay file, the devices (UUIDs where known) and variables, with a reason for each."""

    mode: Literal["dual", "single", "cpu", "none"]
    overlay: str | None
    device_ids: tuple[str, ...]
    environ: Mapping[str, str]
    reasons: tuple[str, ...]

    @property
    def gpus_needed(self) -> int:
        """GPUs that this mode takes."""
        return {"dual": 2, "single": 1}.get(self.mode, 0)


def place(mode: str, inventory: Inventory | GpuUnavailable, overlays: Mapping[str, str]) -> Placement:
    """Choose. A mode that was asked for is kept even where the host cannot serve it: a check says so.

    Args:
        mode: auto, dual, single or cpu.
        inventory: what is there.
        overlays: Compose file by mode; without any the environment needs no GPU.
    """
    if not overlays:
        return Placement("none", None, (), {}, ("this environment needs no GPU",))
    gpus = inventory.gpus if isinstance(inventory, Inventory) else ()
    if mode == "auto":
        chosen, why = _choose(inventory, gpus, overlays)
    else:
        chosen, why = mode, f"gpu={mode} was asked for"
    if chosen == "dual":
        return _dual(inventory, gpus, overlays, why)
    if chosen == "single":
        gpu = max(gpus, key=lambda gpu: (gpu.memory_free_bytes or 0, -gpu.index), default=None)
        ids = _ids((gpu,) if gpu else ())
        which = (
            f"GPU {gpu.index} has the most free memory" if gpu and len(gpus) > 1 else "no tensor parallelism on one GPU"
        )
        return Placement("single", overlays.get("single"), ids, _devices(ids, 1), (why, which))
    return Placement("cpu", overlays.get("cpu"), (), {"TENSOR_PARALLEL_SIZE": "1"}, (why,))


def _choose(
    inventory: Inventory | GpuUnavailable, gpus: tuple[Gpu, ...], overlays: Mapping[str, str]
) -> tuple[str, str]:
    if isinstance(inventory, GpuUnavailable):
        return "cpu", f"no GPU can be used: {inventory.reason}"
    if len(gpus) < _PAIR or "dual" not in overlays:
        return ("single", "there is one GPU") if gpus else ("cpu", "the driver sees no GPU")
    if any(gpu.mig for gpu in gpus[:_PAIR]):
        return "single", "a GPU is in MIG mode, which tensor parallelism cannot use"
    best = _best_pair(inventory)
    if gpus[best[0]].name != gpus[best[1]].name:
        return (
            "single",
            f"the two GPUs differ ({gpus[best[0]].name}, {gpus[best[1]].name}); the smaller would bound both",
        )
    return "dual", f"there are {len(gpus)} GPUs of one model"


def _best_pair(inventory: Inventory) -> tuple[int, int]:
    best = max(inventory.pairs, key=lambda p: (p.nvlinks or 0, -p.a, -p.b))
    return best.a, best.b


def _dual(
    inventory: Inventory | GpuUnavailable, gpus: tuple[Gpu, ...], overlays: Mapping[str, str], why: str
) -> Placement:
    if not isinstance(inventory, Inventory) or len(gpus) < _PAIR:
        return Placement("dual", overlays.get("dual"), (), _devices((), 2), (why,))
    a, b = _best_pair(inventory)
    pair = inventory.pair(a, b)
    ids = _ids((gpus[a], gpus[b]))
    reasons = [why, f"tensor parallelism 2, on GPU {a} and GPU {b}"]
    if pair is not None and pair.nvlinks:
        speed = f", {pair.bandwidth_gb_s:.4g} GB/s per direction" if pair.bandwidth_gb_s else ""
        reasons.append(f"NCCL uses NVLink (NCCL_P2P_LEVEL=NVL): {pair.nvlinks} links join them{speed}")
        link = _NVLINK
    else:
        seen = pair.relation if pair is not None else "nothing"
        reasons.append(
            f"NCCL does without peer access (NCCL_P2P_DISABLE=1): no NVLink joins them ({seen}); peer access over PCIe "
            "hangs or gives wrong data on GeForce. Prefill is slower so"
        )
        link = _NO_PEER
    return Placement("dual", overlays.get("dual"), ids, {**_devices(ids, 2), **link}, tuple(reasons))


def _ids(gpus: tuple[Gpu, ...]) -> tuple[str, ...]:
    """UUIDs: they stay when a card is added or the order changes."""
    return tuple(gpu.uuid or str(gpu.index) for gpu in gpus)


def _devices(ids: tuple[str, ...], parallel: int) -> dict[str, str]:
    return {"TENSOR_PARALLEL_SIZE": str(parallel), **{f"GPU_ID_{n}": identity for n, identity in enumerate(ids)}}
