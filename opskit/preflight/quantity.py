"""Amounts of memory and disk in a finding's words; pure."""

from __future__ import annotations

GIB = 1024**3


def gib(count: int) -> str:
    """GiB with one digit, rounded down, so that one byte short never reads as enough."""
    return f"{count * 10 // GIB / 10:.1f} GiB"
