"""Checks of the GPUs against the mode that was chosen; pure."""

from __future__ import annotations

from collections.abc import Mapping

from opskit.engine.facts import EngineFacts
from opskit.environments import GpuMode
from opskit.gpu.model import GpuUnavailable, Inventory
from opskit.gpu.placement import Placement
from opskit.preflight.facts import Daemon
from opskit.preflight.finding import Finding, Verdict

_PAIR = 2


def check_gpu_present(
    placement: Placement, inventory: Inventory | GpuUnavailable, overlays: Mapping[GpuMode, str]
) -> tuple[Finding, ...]:
    """The GPUs that the mode takes are there (two for dual, one for single), and so is its Compose file.

    Args:
        placement: the mode that was chosen, and the GPUs it got.
        inventory: what the host has.
        overlays: the environment's Compose file by mode; empty where it needs no GPU, and then nothing is said.
    """
    if not overlays:
        return ()
    wanted = f"{placement.gpus_needed} GPU(s) for mode {placement.mode}"
    if isinstance(inventory, GpuUnavailable):
        found, remedy = inventory.reason, inventory.remedy
    else:
        names = [gpu.name or f"GPU {gpu.index}" for gpu in inventory.gpus]
        listed = ", ".join(f"{names.count(name)} x {name}" for name in dict.fromkeys(names)) or "none"
        found = f"{listed} ({inventory.source})"
        remedy = "launch with gpu=auto, or look for the missing card with `nvidia-smi -L`"
    if placement.overlay is None:
        wanted = f"a GPU mode this environment has a Compose file for ({', '.join(sorted(overlays))})"
        found = f"mode {placement.mode}; {found}"
    elif placement.mode == "cpu" and isinstance(inventory, GpuUnavailable):
        wanted = "GPUs; the model server runs on the CPU instead, slowly"
        return (Finding("gpu-present", Verdict.WARN, "GPUs", found, wanted, remedy),)
    elif len(placement.device_ids) >= placement.gpus_needed:
        return (Finding("gpu-present", Verdict.PASS, "GPUs", found, wanted),)
    return (Finding("gpu-present", Verdict.FAIL, "GPUs", found, wanted, remedy),)


def check_gpu_link(placement: Placement, inventory: Inventory | GpuUnavailable) -> tuple[Finding, ...]:
    """Two GPUs that share a model are joined by NVLink; without it they work, slower."""
    if placement.mode != "dual" or isinstance(inventory, GpuUnavailable):
        return ()
    taken = [gpu.index for gpu in inventory.taken(placement.device_ids)]
    if len(taken) != _PAIR:
        return ()
    pair = inventory.pair(taken[0], taken[1])
    subject, wanted = f"GPU {taken[0]} and GPU {taken[1]}", "NVLink between them"
    idle = sum(link.state == "inactive" for link in inventory.links if link.gpu == taken[0])
    if pair.nvlinks and idle:
        found, remedy = f"{pair.nvlinks} of {pair.nvlinks + idle} NVLinks", "reseat the bridge; `nvidia-smi nvlink -s`"
        return (Finding("gpu-link", Verdict.WARN, subject, found, "all links of the bridge", remedy),)
    if pair.nvlinks:
        return (Finding("gpu-link", Verdict.PASS, subject, f"{pair.nvlinks} NVLinks", wanted),)
    remedy = "look at the bridge with `nvidia-smi nvlink -s`; without it they work, with slower answers"
    if pair.nvlinks is None:
        return (Finding("gpu-link", Verdict.SKIP, subject, "cannot be read", wanted, remedy, required=False),)
    found = f"no NVLink ({pair.pcie or 'PCIe'})"
    return (Finding("gpu-link", Verdict.WARN, subject, found, wanted, remedy),)


def check_gpu_toolkit(
    placement: Placement, engine: EngineFacts, hook: str | None, hook_s: float | None, daemon: Daemon | None
) -> tuple[Finding, ...]:
    """The Engine can give a GPU to a container: it knew the NVIDIA Container Toolkit when it was started.

    Args:
        placement: nothing is said where it takes no GPU.
        engine: its runtimes and its CDI devices are looked at.
        hook: the toolkit's program on this machine's PATH; None where there is none.
        hook_s: when it was installed, seconds since the epoch.
        daemon: the Engine's process; None where it is not known.
    """
    if not placement.gpus_needed:
        return ()
    wanted = "the NVIDIA Container Toolkit, older than the Engine's process"
    devices = [word for word in engine.cdi_devices or () if word.startswith("nvidia.com/gpu")]
    if devices or "nvidia" in engine.runtimes or (hook and engine.local):
        by_name = "runtime nvidia" if "nvidia" in engine.runtimes else str(hook)
        found = f"{len(devices)} CDI devices" if devices else by_name
        if devices or not (hook and hook_s and daemon) or hook_s <= daemon.started_s:
            return (Finding("gpu-toolkit", Verdict.PASS, "Docker Engine", found, wanted),)
        remedy = "`sudo systemctl restart docker`"
        found = f"{hook}, installed after the Engine was started, which looks for it once"
        return (Finding("gpu-toolkit", Verdict.FAIL, "Docker Engine", found, wanted, remedy),)
    if not engine.local:
        look = "`docker run --rm --gpus all IMAGE nvidia-smi` there shows it"
        return (Finding("gpu-toolkit", Verdict.SKIP, "Docker Engine", "cannot be seen from here", wanted, look, False),)
    remedy = "`apt-get install nvidia-container-toolkit && nvidia-ctk runtime configure && systemctl restart docker`"
    return (Finding("gpu-toolkit", Verdict.FAIL, "Docker Engine", "no sign of it", wanted, remedy),)


def check_gpu_cgroup(placement: Placement, engine: EngineFacts) -> tuple[Finding, ...]:
    """GPUs stay with their containers: under the systemd driver a `systemctl daemon-reload` takes them away.

    Source: NVIDIA/nvidia-container-toolkit#48.
    """
    if not placement.gpus_needed:
        return ()
    wanted = "GPUs that survive `systemctl daemon-reload`"
    if engine.cgroup_driver != "systemd":
        return (Finding("gpu-cgroup", Verdict.PASS, "cgroup driver", engine.cgroup_driver or "unknown", wanted),)
    remedy = '`"exec-opts": ["native.cgroupdriver=cgroupfs"]` in /etc/docker/daemon.json, or CDI device names'
    return (Finding("gpu-cgroup", Verdict.WARN, "cgroup driver", engine.cgroup_driver, wanted, remedy),)
