"""Checks of the room on disk; pure."""

from __future__ import annotations

from collections.abc import Mapping

from opskit.engine.usage import SHARE_LIMIT_PERCENT, DiskUse
from opskit.preflight.facts import Disk
from opskit.preflight.finding import Finding, Verdict
from opskit.preflight.quantity import GIB, decimal, gib, percent


def check_disk_free(
    disks: Mapping[str, Disk | None], *, least_bytes: int = 2 * GIB, ease_bytes: int = 20 * GIB
) -> tuple[Finding, ...]:
    """There is room where the Engine keeps its data, and wherever else was looked at.

    Args:
        disks: by path; None where it cannot be read.
        least_bytes: less is a FAIL: databases stop writing.
        ease_bytes: less is a WARN: an image of vLLM alone unpacks to about so much.
    """
    return tuple(_free(path, disk, least_bytes, ease_bytes) for path, disk in disks.items())


def _free(path: str, disk: Disk | None, least: int, ease: int) -> Finding:
    wanted = f"{gib(least)}, better {gib(ease)}"
    if disk is None:
        look = f"look with `df -h {path}`"
        return Finding("disk-free", Verdict.SKIP, path, "cannot be read", wanted, look, required=False)
    free = disk.free_bytes
    if free >= ease:
        return Finding("disk-free", Verdict.PASS, path, f"{gib(free)} free", wanted)
    verdict = Verdict.WARN if free >= least else Verdict.FAIL
    remedy = "make room; `docker system df` shows what images and caches take"
    return Finding("disk-free", verdict, path, f"{gib(free)} free", wanted, remedy)


_FEW_INODES, _NO_INODES = 0.05, 0.01


def check_disk_inodes(disks: Mapping[str, Disk | None]) -> tuple[Finding, ...]:
    """There are file entries left: layers are many small files, and a disk can be full of them with room to spare.

    Args:
        disks: by path; one that cannot be read is left to disk-free.
    """
    return tuple(_inodes(path, disk.inodes_free) for path, disk in disks.items() if disk)


def _inodes(path: str, share: float | None) -> Finding:
    wanted = f"{_FEW_INODES:.0%} of the file entries free"
    if share is None:
        return Finding("disk-inodes", Verdict.PASS, path, "no fixed number of them", wanted)
    if share >= _FEW_INODES:
        return Finding("disk-inodes", Verdict.PASS, path, f"{share:.1%} free", wanted)
    verdict = Verdict.WARN if share >= _NO_INODES else Verdict.FAIL
    remedy = f"remove what holds many small files (`du --inodes -d 2 {path} | sort -n | tail`)"
    return Finding("disk-inodes", verdict, path, f"{share:.1%} free", wanted, remedy)


def check_disk_writable(disks: Mapping[str, Disk | None], writable: Mapping[str, bool]) -> tuple[Finding, ...]:
    """Nothing that is written to is read-only, nor another user's.

    Args:
        disks: by path; after an error of the disk the kernel makes a file system read-only.
        writable: by folder of the project, whether this user may write there.
    """
    wanted = "writable by this user"
    remount = "look at `dmesg` for errors of the disk, then `sudo mount -o remount,rw`"
    found = {path: ("read-only", remount) for path, disk in disks.items() if disk and disk.read_only}
    closed = [path for path, good in writable.items() if not good and path not in found]
    found |= {path: ("not writable by this user", f"`sudo chown -R $USER {path}`") for path in closed}
    if not found:
        count = f"{len({*disks, *writable})} folders"
        return (Finding("disk-writable", Verdict.PASS, "folders", count, wanted),)
    return tuple(
        Finding("disk-writable", Verdict.FAIL, path, said, wanted, remedy) for path, (said, remedy) in found.items()
    )


def check_disk_reclaimable(disk_use: DiskUse | None) -> tuple[Finding, ...]:
    """At most 30 % of what the Engine keeps could go; it is an upper bound, as `docker system df` counts.

    Args:
        disk_use: None where the Engine was still counting when all else was known.
    """
    wanted = f"{SHARE_LIMIT_PERCENT} % at most"
    if disk_use is None or disk_use.all.exceeds is None:
        remedy = "`opskit run clean` waits for its answer"
        found = "the Engine was still counting"
        return (Finding("disk-reclaimable", Verdict.SKIP, "Docker", found, wanted, remedy, required=False),)
    found = f"{percent(disk_use.all.share)}, {decimal(disk_use.all.reclaimable_bytes)} at most"
    if not disk_use.all.exceeds:
        return (Finding("disk-reclaimable", Verdict.PASS, "Docker", found, wanted),)
    remedy = "`opskit run clean` lists what is certainly waste, and says how to remove it"
    return (Finding("disk-reclaimable", Verdict.WARN, "Docker", found, wanted, remedy),)
