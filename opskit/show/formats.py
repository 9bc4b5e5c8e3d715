"""Quantities as people read them; pure."""

from __future__ import annotations

_GIB = 1024**3
_MIB = 1024**2


def format_bytes(count: float | None) -> str:
    """GiB with one digit, MiB below one; "unknown" for None."""
    if count is None:
        return "unknown"
    return f"{count / _GIB:.1f} GiB" if count >= _GIB else f"{count / _MIB:.0f} MiB"
