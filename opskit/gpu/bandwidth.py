"""Nominal NVLink bandwidth by GPU, for where NVML does not tell the speed; pure."""

from __future__ import annotations

import re

_LINK_GB_S = (
    (re.compile(r"\b(3090|A6000|A5000|A40)\b"), 14.0625),
    (re.compile(r"\b(V100|A100|H100|H200)\b"), 25.0),
)


def nominal_gb_s(name: str | None, nvlinks: int) -> float | None:
    """GB/s of so many NVLinks in one direction; None for none and for a GPU that is not in the table.

    Source: GA102 whitepaper (4 links, 56.25); NVIDIA/nccl-tests#149 (V100, A100: line rate 25); NVIDIA/nccl#1264
    (H100: 18 links, 450; H200 has the same links).
    """
    per_link = next((speed for pattern, speed in _LINK_GB_S if pattern.search(name or "")), None)
    return per_link * nvlinks if per_link and nvlinks else None
