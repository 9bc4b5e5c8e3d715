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


_FEW_INODES, _NO_INODES = 0.05, 0.01


def check_disk_inodes(free: Mapping[str, float | None]) -> tuple[Finding, ...]:
    """There are file entries left: layers are many small files, and a disk can be full of them with room to spare.

    Args:
        free: the free share, 0 to 1, by path; None where the file system has no fixed number of them.
    """
    return tuple(_inodes(path, share) for path, share in free.items())


def _inodes(path: str, share: float | None) -> Finding:
    wanted = f"{_FEW_INODES:.0%} of the file entries free"
    if share is None:
        return Finding("disk-inodes", Verdict.PASS, path, "no fixed number of them", wanted)
    if share >= _FEW_INODES:
        return Finding("disk-inodes", Verdict.PASS, path, f"{share:.1%} free", wanted)
    verdict = Verdict.WARN if share >= _NO_INODES else Verdict.FAIL
    remedy = f"remove what holds many small files (`du --inodes -d 2 {path} | sort -n | tail`)"
    return Finding("disk-inodes", verdict, path, f"{share:.1%} free", wanted, remedy)
