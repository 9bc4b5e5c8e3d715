"""Amounts of memory and disk in words; pure."""

from __future__ import annotations

GIB = 1024**3


def gib(count: int) -> str:
    """GiB with one digit, rounded down, so that one byte short never reads as enough."""
    return f"{count * 10 // GIB / 10:.1f} GiB"


def mib(count: int) -> str:
    """MiB with one digit."""
    return f"{count / 1024**2:,.1f} MiB"


def decimal(count: int | None) -> str:
    """MB or GB with one digit, as `docker system df` counts them."""
    if count is None:
        return "unknown"
    return f"{count / 1e9:.1f} GB" if count >= 10**9 else f"{count / 1e6:.1f} MB"


def percent(share: float | None) -> str:
    """A part of one in percent."""
    return "unknown" if share is None else f"{share:.1%}"
