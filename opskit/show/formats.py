"""Quantities as people read them; pure."""

from __future__ import annotations

_GIB = 1024**3
_MIB = 1024**2
_MINUTE = 60


def format_bytes(count: float | None) -> str:
    """GiB with one digit, MiB below one; "unknown" for None."""
    if count is None:
        return "unknown"
    return f"{count / _GIB:.1f} GiB" if count >= _GIB else f"{count / _MIB:.0f} MiB"


def format_seconds(seconds: float | None) -> str:
    """Seconds with one digit, minutes and seconds from one minute on; "unknown" for None."""
    if seconds is None:
        return "unknown"
    if round(seconds, 1) < _MINUTE:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), _MINUTE)
    return f"{minutes} min {rest} s"
