"""Checks of the room on disk; pure."""

from __future__ import annotations

from collections.abc import Mapping

from opskit.preflight.finding import Finding, Verdict
from opskit.preflight.quantity import GIB, gib


def check_disk_free(
    free_bytes: Mapping[str, int | None], *, need_bytes: int = 2 * GIB, ease_bytes: int = 20 * GIB
) -> tuple[Finding, ...]:
    """There is room where the Engine keeps its data, and wherever else was looked at.

    Args:
        free_bytes: by path; None where it cannot be read.
        need_bytes: less is a FAIL: databases stop writing.
        ease_bytes: less is a WARN: an image of vLLM alone unpacks to about so much.
    """
    return tuple(_disk(path, free, need_bytes, ease_bytes) for path, free in free_bytes.items())


def _disk(path: str, free: int | None, need: int, ease: int) -> Finding:
    wanted = f"{gib(need)}, better {gib(ease)}"
    if free is None:
        look = f"look with `df -h {path}`"
        return Finding("disk-free", Verdict.SKIP, path, "cannot be read", wanted, look, required=False)
    if free >= ease:
        return Finding("disk-free", Verdict.PASS, path, f"{gib(free)} free", wanted)
    verdict = Verdict.WARN if free >= need else Verdict.FAIL
    remedy = "make room; `docker system df` shows what images and caches take"
    return Finding("disk-free", verdict, path, f"{gib(free)} free", wanted, remedy)
