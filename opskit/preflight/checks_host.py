"""Checks of the host: memory, disk, ports, GPUs; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address

from opskit.compose.model import Port, Stack
from opskit.engine.facts import ContainerFact
from opskit.environments import GpuMode
from opskit.gpu.model import GpuUnavailable, Inventory
from opskit.gpu.placement import Placement
from opskit.preflight.finding import Finding, Verdict
from opskit.preflight.host import PortHolder

_GIB = 1024**3
_SLACK = 0.95
"""A host with 24 GiB of memory modules shows a little less: firmware and kernel keep some."""
_DISK_FAIL = 2 * _GIB
_DISK_WARN = 20 * _GIB


def _gib(count: float) -> str:
    return f"{count / _GIB:.1f} GiB"


def check_memory_total(total_bytes: int, need_bytes: int) -> tuple[Finding, ...]:
    """The host has the memory the environment needs, less what firmware and kernel keep."""
    good = total_bytes >= need_bytes * _SLACK
    remedy = "" if good else "use a larger host, or an environment that needs less; accept it to try all the same"
    verdict = Verdict.PASS if good else Verdict.FAIL
    return (Finding("memory-total", verdict, "memory", _gib(total_bytes), _gib(need_bytes), remedy),)


def check_memory_available(available_bytes: int, need_bytes: int, *, running: bool) -> tuple[Finding, ...]:
    """As much is free now; not judged while the environment itself runs and holds it."""
    if running:
        found = f"{_gib(available_bytes)} beside the running environment"
        return (Finding("memory-available", Verdict.PASS, "free memory", found, "not judged while it runs"),)
    good = available_bytes >= need_bytes * _SLACK
    remedy = (
        "" if good else "end what holds it (`ps aux --sort=-rss | head`); services may be killed for memory otherwise"
    )
    verdict = Verdict.PASS if good else Verdict.WARN
    return (Finding("memory-available", verdict, "free memory", _gib(available_bytes), _gib(need_bytes), remedy),)


def check_disk_free(free_bytes: Mapping[str, int | None]) -> tuple[Finding, ...]:
    """There is room where the Engine keeps its data."""
    findings = []
    for path, free in free_bytes.items():
        wanted = f"{_gib(_DISK_WARN)} free"
        if free is None:
            said = ("cannot be read", wanted, "look at it with `df -h`")
            findings.append(Finding("disk-free", Verdict.SKIP, path, *said, required=False))
            continue
        verdict = Verdict.FAIL if free < _DISK_FAIL else Verdict.WARN if free < _DISK_WARN else Verdict.PASS
        remedy = "" if verdict is Verdict.PASS else "`docker system df` shows what images and caches take"
        findings.append(Finding("disk-free", verdict, path, f"{_gib(free)} free", wanted, remedy))
    return tuple(findings)


def check_port_free(
    stack: Stack, holders: Iterable[PortHolder] | None, containers: Iterable[ContainerFact]
) -> tuple[Finding, ...]:
    """Every published port is free, or held by this very service already; an owner is named.

    Args:
        stack: its published ports are checked, the published side of each.
        holders: listening sockets of the host; None where they cannot be read.
        containers: those on the Engine; a port they publish may hold no socket (userland-proxy off).
    """
    sockets, there = tuple(holders or ()), tuple(containers)
    findings = [_port(port, stack, sockets, there) for port in stack.ports]
    if holders is None:
        findings.append(
            Finding(
                "port-free",
                Verdict.SKIP,
                "listening sockets",
                "cannot be read",
                "the owners of all ports",
                "run as a user that may read them",
                required=False,
            )
        )
    return tuple(findings)


def _port(port: Port, stack: Stack, holders: tuple[PortHolder, ...], containers: tuple[ContainerFact, ...]) -> Finding:
    where = f"{port.service} {port.host_ip}:{port.published}/{port.protocol}"
    wanted = "free"
    move = f"end it (`ss -ltnp 'sport = :{port.published}'`), or move the port with its *_PORT variable"
    for other in stack.ports:
        same = other.published == port.published and other.protocol == port.protocol
        if same and other.service != port.service and _overlap(other.host_ip, port.host_ip):
            twice = f"{other.service} publishes it too"
            return Finding("port-free", Verdict.FAIL, where, twice, wanted, "give one of them another *_PORT")
    for container in containers:
        for held in container.published:
            if held.port != port.published or held.protocol != port.protocol or not _overlap(held.ip, port.host_ip):
                continue
            if container.project == stack.project and container.service == port.service:
                return Finding("port-free", Verdict.PASS, where, "held by this service already", wanted)
            owner = f"container {container.name}" + (f" of project {container.project}" if container.project else "")
            return Finding(
                "port-free",
                Verdict.FAIL,
                where,
                f"held by {owner}",
                wanted,
                f"`docker stop {container.name}`, or {move}",
            )
    for holder in holders:
        if holder.port == port.published and holder.protocol == port.protocol and _overlap(holder.ip, port.host_ip):
            owner = f"{holder.name or 'a process'} (pid {holder.pid})" if holder.pid else "a process of another user"
            return Finding("port-free", Verdict.FAIL, where, f"held by {owner}", wanted, move)
    return Finding("port-free", Verdict.PASS, where, "free", wanted)


def _overlap(a: str, b: str) -> bool:
    """Whether two addresses to listen on exclude each other: the same, or either is any address."""
    first, second = ip_address(a or "0.0.0.0"), ip_address(b or "0.0.0.0")  # noqa: S104  an absent one means any
    mapped = getattr(first, "ipv4_mapped", None) or first, getattr(second, "ipv4_mapped", None) or second
    return mapped[0] == mapped[1] or first.is_unspecified or second.is_unspecified


def check_gpu_present(
    placement: Placement, inventory: Inventory | GpuUnavailable, overlays: Mapping[GpuMode, str]
) -> tuple[Finding, ...]:
    """The GPUs that the mode takes are there, and so is its Compose file; nothing is said where none is needed."""
    if not overlays:
        return ()
    need = {"dual": 2, "single": 1}.get(placement.mode, 0)
    wanted = f"{need} GPU(s) for mode {placement.mode}"
    if isinstance(inventory, GpuUnavailable):
        found, count, remedy = inventory.reason, 0, inventory.remedy
    else:
        names = ", ".join(sorted({gpu.name or "unknown" for gpu in inventory.gpus}))
        found, count = f"{len(inventory.gpus)} ({names or 'none'})", len(inventory.gpus)
        remedy = "choose gpu=auto, or look for the missing card with `nvidia-smi -L`"
    if placement.overlay is None:
        found += f"; no Compose file for mode {placement.mode}"
    good = count >= need and placement.overlay is not None
    verdict = Verdict.PASS if good else Verdict.FAIL
    return (Finding("gpu-present", verdict, "GPUs", found, wanted, "" if good else remedy),)


def check_gpu_link(placement: Placement, inventory: Inventory | GpuUnavailable) -> tuple[Finding, ...]:
    """Two GPUs that share a model are joined by NVLink; without it they work, slower."""
    if placement.mode != "dual" or not isinstance(inventory, Inventory) or not inventory.pairs:
        return ()
    best = max(inventory.pairs, key=lambda pair: pair.nvlinks or 0)
    good = bool(best.nvlinks)
    link = f"NV{best.nvlinks}" if good else f"no NVLink ({best.pcie or 'unknown'})"
    remedy = "" if good else "check the bridge with `nvidia-smi nvlink -s`; it runs without, with slower prefill"
    found = f"GPU {best.a} and GPU {best.b}: {link}"
    return (Finding("gpu-link", Verdict.PASS if good else Verdict.WARN, "GPU link", found, "NVLink", remedy),)
