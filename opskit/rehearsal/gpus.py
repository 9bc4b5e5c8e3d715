"""The GPUs of a rehearsal: a recorded pair of RTX 3090 with NVLink."""

from __future__ import annotations

from pathlib import Path

from opskit.gpu.model import Inventory, inventory_from_json
from opskit.unknown import Unknown

_RECORDED = Path(__file__).with_name("data") / "2x3090-nv4.json"
"""What `nvidia-smi topo -m` told of a bridged pair in the public report noonghunna/club-3090#250."""


def recorded_inventory() -> Inventory:
    """Two RTX 3090 with four links; no UUID and no live figure, since none was recorded."""
    return inventory_from_json(_RECORDED.read_text(encoding="utf-8"))


def no_gpu() -> Unknown:
    """What a full rehearsal has: its model server is the real program, and cannot compute on recorded GPUs."""
    return Unknown("a full rehearsal runs vLLM's own CPU build", "nothing is wrong; rehearse=yes has recorded GPUs")
