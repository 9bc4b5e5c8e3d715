"""Nominal NVLink speed by GPU, for topologies read from text; pure.

Source: GA102 whitepaper; NVIDIA/nccl-tests#149 and NVIDIA/nccl#1264 for the line rate per direction.
"""

from __future__ import annotations

_GB_S_PER_LINK: tuple[tuple[str, float], ...] = (
    ("3090", 14.0625),
    ("A6000", 14.0625),
    ("A5000", 14.0625),
    ("A40", 14.0625),
    ("V100", 25.0),
    ("A100", 25.0),
    ("H100", 25.0),
    ("H200", 25.0),
    ("B200", 50.0),
    ("GB200", 50.0),
)


def nominal_gb_s(name: str | None, links: int | None) -> float | None:
    """GB/s of so many links in one direction; None for a GPU the table does not know."""
    if name is None or not links:
        return None
    for word, speed in _GB_S_PER_LINK:
        if word in name:
            return speed * links
    return None
