"""Checks of kernel settings that services in the stack depend on; pure."""

from __future__ import annotations

from opskit.compose.model import Stack
from opskit.engine.facts import EngineFacts
from opskit.gpu.model import GpuUnavailable, Inventory
from opskit.gpu.placement import Placement
from opskit.preflight.facts import Kernel
from opskit.preflight.finding import Finding, Verdict

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


def check_kernel_forward(kernel: Kernel, reached: EngineFacts | str) -> tuple[Finding, ...]:
    """The kernel forwards packets; without it no container reaches another network.

    A rootless Engine forwards in a network namespace of its own, whatever this one's setting is.
    """
    if isinstance(reached, EngineFacts) and reached.rootless:
        return ()
    found = kernel.settings.get("net.ipv4.ip_forward")
    return (_at_least("kernel-forward", "kernel", "net.ipv4.ip_forward", found, 1, soft=False),)


_CUDA_MODULES = frozenset({"nvidia", "nvidia_uvm"})


def check_kernel_module(
    placement: Placement, engine: EngineFacts, kernel: Kernel, inventory: Inventory | GpuUnavailable
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
