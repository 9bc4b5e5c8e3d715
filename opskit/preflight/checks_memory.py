"""Checks of the host's memory; pure."""

from __future__ import annotations

from opskit.preflight.facts import Memory
from opskit.preflight.finding import Finding, Verdict
from opskit.preflight.quantity import gib

_KEPT_PERCENT = 5
"""What firmware and kernel keep at most: a host with 24 GiB of modules shows a little less than 24 GiB."""


def check_memory_total(memory: Memory, need_bytes: int) -> tuple[Finding, ...]:
    """The host has the memory that the environment needs, less what firmware and kernel keep.

    Args:
        memory: of the machine the Engine runs on.
        need_bytes: of the environment; a rehearsal's caller passes what the stand-ins need.
    """
    wanted = f"{gib(need_bytes)}, less {_KEPT_PERCENT} %"
    if _enough(memory.total_bytes, need_bytes):
        return (Finding("memory-total", Verdict.PASS, "memory", gib(memory.total_bytes), wanted),)
    remedy = "use a larger host or an environment that needs less; accept memory-total to try all the same"
    return (Finding("memory-total", Verdict.FAIL, "memory", gib(memory.total_bytes), wanted, remedy),)


def check_memory_available(memory: Memory, need_bytes: int, *, running: bool) -> tuple[Finding, ...]:
    """As much is free now; not judged while the environment itself runs and holds some of it."""
    wanted = f"{gib(need_bytes)}, less {_KEPT_PERCENT} %"
    if running:
        found = f"{gib(memory.available_bytes)} beside the running environment"
        return (Finding("memory-available", Verdict.PASS, "free memory", found, "not judged while it runs"),)
    if _enough(memory.available_bytes, need_bytes):
        return (Finding("memory-available", Verdict.PASS, "free memory", gib(memory.available_bytes), wanted),)
    remedy = "end what holds it (`ps aux --sort=-rss | head`); the kernel may kill services otherwise"
    return (Finding("memory-available", Verdict.WARN, "free memory", gib(memory.available_bytes), wanted, remedy),)


def _enough(found_bytes: int, need_bytes: int) -> bool:
    return found_bytes * 100 >= need_bytes * (100 - _KEPT_PERCENT)


def check_memory_swap(memory: Memory) -> tuple[Finding, ...]:
    """Half of the swap is free: a host that lives off it answers slowly, and probes run out of time."""
    total, free = memory.swap_total_bytes, memory.swap_free_bytes
    wanted = "half of it free"
    if not total:
        return (Finding("memory-swap", Verdict.PASS, "swap", "none", wanted),)
    found = f"{gib(free)} of {gib(total)} free"
    if free * 2 >= total:
        return (Finding("memory-swap", Verdict.PASS, "swap", found, wanted),)
    remedy = "end what holds memory (`ps aux --sort=-rss | head`)"
    return (Finding("memory-swap", Verdict.WARN, "swap", found, wanted, remedy),)
