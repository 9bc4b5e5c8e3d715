"""Checks of the room on disk; pure."""

from __future__ import annotations

from collections.abc import Mapping

from opskit.compose.model import Stack
from opskit.engine.facts import EngineFacts
from opskit.engine.usage import SHARE_LIMIT_PERCENT, DiskUse
from opskit.gpu.model import Inventory
from opskit.gpu.placement import Placement
from opskit.host.model import Disk, Kernel, Memory
from opskit.preflight.finding import Finding, Verdict
from opskit.quantity import GIB, decimal, gib, percent
from opskit.unknown import Unknown


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


def check_disk_reclaimable(disk_use: DiskUse | Unknown | None) -> tuple[Finding, ...]:
    """At most 30 % of what the Engine keeps could go; it is an upper bound, as `docker system df` counts.

    Args:
        disk_use: None where the Engine was still counting when all else was known.
    """
    wanted = f"{SHARE_LIMIT_PERCENT} % at most"
    if isinstance(disk_use, Unknown) or disk_use is None or disk_use.all.exceeds is None:
        remedy = "`opskit clean` waits for its answer"
        found = disk_use.reason if isinstance(disk_use, Unknown) else "the Engine was still counting"
        return (Finding("disk-reclaimable", Verdict.SKIP, "Docker", found, wanted, remedy, required=False),)
    found = f"{percent(disk_use.all.share)}, {decimal(disk_use.all.reclaimable_bytes)} at most"
    if not disk_use.all.exceeds:
        return (Finding("disk-reclaimable", Verdict.PASS, "Docker", found, wanted),)
    remedy = "`opskit clean` lists what is certainly waste, and says how to remove it"
    return (Finding("disk-reclaimable", Verdict.WARN, "Docker", found, wanted, remedy),)


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


_MAP_COUNT = 262144
"""What Elasticsearch's bootstrap check demands. Source: its manual, "Virtual memory"."""


def check_kernel_maps(stack: Stack, kernel: Kernel) -> tuple[Finding, ...]:
    """vm.max_map_count suits Elasticsearch and OpenSearch; a single node only warns of it in its log."""
    found = kernel.settings.get("vm.max_map_count")
    rows = []
    for service in stack.services:
        if not any(word in (service.image or "") for word in ("elasticsearch", "opensearch")) or not service.ports:
            continue
        alone = (service.raw.get("environment") or {}).get("discovery.type") == "single-node"
        rows.append(_at_least("kernel-maps", service.name, "vm.max_map_count", found, _MAP_COUNT, soft=alone))
    return tuple(rows)


def check_kernel_overcommit(stack: Stack, kernel: Kernel) -> tuple[Finding, ...]:
    """vm.overcommit_memory is 1 where there is Redis: its background save forks, which the kernel refuses else."""
    found = kernel.settings.get("vm.overcommit_memory")
    names = [s.name for s in stack.services if (s.image or "").split(":")[0].endswith(("redis", "valkey"))]
    return tuple(_at_least("kernel-overcommit", name, "vm.overcommit_memory", found, 1, soft=True) for name in names)


def check_kernel_forward(kernel: Kernel, engine: EngineFacts | Unknown) -> tuple[Finding, ...]:
    """The kernel forwards packets; without it no container reaches another network.

    A rootless Engine forwards in a network namespace of its own, whatever this one's setting is.
    """
    if isinstance(engine, EngineFacts) and engine.rootless:
        return ()
    found = kernel.settings.get("net.ipv4.ip_forward")
    return (_at_least("kernel-forward", "kernel", "net.ipv4.ip_forward", found, 1, soft=False),)


_CUDA_MODULES = frozenset({"nvidia", "nvidia_uvm"})


def check_kernel_module(
    placement: Placement, engine: EngineFacts, kernel: Kernel, inventory: Inventory | Unknown
) -> tuple[Finding, ...]:
    """The modules that CUDA works through are loaded; nvidia_uvm comes late after a boot without a desktop.

    Under WSL2 the GPUs answer without either of them: their driver is that of Windows.
    """
    if not placement.gpus_needed or not engine.local or kernel.modules is None:
        return ()
    if "nvidia" not in kernel.modules and isinstance(inventory, Inventory):
        return ()
    missing = sorted(_CUDA_MODULES - kernel.modules)
    wanted = " and ".join(sorted(_CUDA_MODULES))
    if not missing:
        return (Finding("kernel-module", Verdict.PASS, "kernel modules", "loaded", wanted),)
    found, remedy = f"{', '.join(missing)} not loaded", f"`sudo modprobe {' && sudo modprobe '.join(missing)}`"
    return (Finding("kernel-module", Verdict.FAIL, "kernel modules", found, wanted, remedy),)


def _at_least(check: str, subject: str, name: str, found: int | None, wanted: int, *, soft: bool) -> Finding:
    said = f"{name} at least {wanted}"
    remedy = f"`sudo sysctl -w {name}={wanted}`; a line {name}={wanted} in /etc/sysctl.d/opskit.conf keeps it"
    if found is None:
        return Finding(check, Verdict.SKIP, subject, f"{name} cannot be read", said, remedy, required=False)
    if found >= wanted:
        return Finding(check, Verdict.PASS, subject, f"{name} = {found}", said)
    return Finding(check, Verdict.WARN if soft else Verdict.FAIL, subject, f"{name} = {found}", said, remedy)
