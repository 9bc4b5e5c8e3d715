"""Checks of the GPUs against the mode that was chosen; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from opskit.compose.model import Stack
from opskit.engine.facts import EngineFacts
from opskit.environments import GpuMode
from opskit.gpu.model import Gpu, Inventory
from opskit.gpu.placement import Placement
from opskit.host.model import Daemon
from opskit.preflight.finding import Finding, Verdict
from opskit.quantity import GIB
from opskit.unknown import Unknown

_PAIR = 2


def check_gpu_present(
    placement: Placement, inventory: Inventory | Unknown, overlays: Mapping[GpuMode, str]
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
    if isinstance(inventory, Unknown):
        found, remedy = inventory.reason, inventory.remedy
    else:
        names = [gpu.name or f"GPU {gpu.index}" for gpu in inventory.gpus]
        listed = ", ".join(f"{names.count(name)} x {name}" for name in dict.fromkeys(names)) or "none"
        found = f"{listed} ({inventory.source})"
        remedy = "launch with gpu=auto, or look for the missing card with `nvidia-smi -L`"
    if placement.overlay is None:
        wanted = f"a GPU mode this environment has a Compose file for ({', '.join(sorted(overlays))})"
        found = f"mode {placement.mode}; {found}"
    elif placement.mode == "cpu" and isinstance(inventory, Unknown):
        wanted = "GPUs; the model server runs on the CPU instead, slowly"
        return (Finding("gpu-present", Verdict.WARN, "GPUs", found, wanted, remedy),)
    elif len(placement.device_ids) >= placement.gpus_needed:
        return (Finding("gpu-present", Verdict.PASS, "GPUs", found, wanted),)
    return (Finding("gpu-present", Verdict.FAIL, "GPUs", found, wanted, remedy),)


def check_gpu_link(placement: Placement, inventory: Inventory | Unknown) -> tuple[Finding, ...]:
    """Two GPUs that share a model are joined by NVLink; without it they work, slower."""
    if placement.mode != "dual" or isinstance(inventory, Unknown):
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


_CUDA_DRIVERS = {13: 580, 12: 525}
"""The oldest driver by CUDA's major. Source: NVIDIA, CUDA compatibility, minor version compatibility."""
_GEFORCE_DRIVERS = {"129": 575, "128": 570}
"""Likewise by CUDA's minor: the image's NVIDIA_REQUIRE_CUDA lets no GeForce start on an older one, and rightly, since
kernels compiled for 12.9 do not load there. Source: NVIDIA's cuda:12.9.1-base and cuda:12.8.1-base, their ENV."""
_LOUD_BYTES = GIB // 4
"""A desktop's few MiB are not worth a word."""


def check_gpu_equal(placement: Placement, inventory: Inventory | Unknown) -> tuple[Finding, ...]:
    """Cards that share a model are alike; the smaller and slower one sets the pace of both."""
    taken = _taken(placement, inventory)
    if len(taken) <= 1:
        return ()
    kinds = {f"{gpu.name or '?'} {(gpu.memory_total_bytes or 0) / GIB:.0f} GiB" for gpu in taken}
    found, wanted = ", ".join(sorted(kinds)), "equal cards"
    if len(kinds) == 1:
        return (Finding("gpu-equal", Verdict.PASS, "GPUs", found, wanted),)
    return (Finding("gpu-equal", Verdict.WARN, "GPUs", found, wanted, "launch with gpu=single on the larger one"),)


def check_gpu_mig(placement: Placement, inventory: Inventory | Unknown) -> tuple[Finding, ...]:
    """No card is split into instances (MIG), which rules out tensor parallelism over whole ones."""
    if isinstance(inventory, Unknown) or not placement.gpus_needed:
        return ()
    split = [gpu for gpu in inventory.gpus if gpu.mig]
    wanted = "whole cards"
    if not split:
        return (Finding("gpu-mig", Verdict.PASS, "GPUs", "none is split", wanted),)
    return tuple(
        Finding("gpu-mig", Verdict.WARN, f"GPU {gpu.index}", "split into MIG instances, and left out", wanted,
                f"`sudo nvidia-smi -i {gpu.index} -mig 0`")
        for gpu in split
    )  # fmt: skip


def check_gpu_width(placement: Placement, inventory: Inventory | Unknown) -> tuple[Finding, ...]:
    """Each card has all the lanes it is made for; half of them double the time to load a model and to talk by PCIe."""
    rows = []
    for gpu in _taken(placement, inventory):
        if gpu.pcie_width and gpu.pcie_width_max:
            good = gpu.pcie_width >= gpu.pcie_width_max
            remedy = "" if good else "reseat the card or its riser, or look for lane sharing in the board's manual"
            verdict = Verdict.PASS if good else Verdict.WARN
            found, wanted = f"x{gpu.pcie_width}", f"x{gpu.pcie_width_max}"
            rows.append(Finding("gpu-width", verdict, f"GPU {gpu.index} PCIe", found, wanted, remedy))
    return tuple(rows)


def check_gpu_peer(placement: Placement, inventory: Inventory | Unknown) -> tuple[Finding, ...]:
    """GeForce cards without NVLink that claim peer access are not believed: patched drivers have corrupted data."""
    taken = _taken(placement, inventory)
    if len(taken) != 2 or isinstance(inventory, Unknown):  # noqa: PLR2004  a pair
        return ()
    pair = inventory.pair(taken[0].index, taken[1].index)
    if pair.nvlinks or pair.p2p_read != "OK" or "GeForce" not in (taken[0].name or ""):
        return ()
    wanted = "peer access by NVLink"
    remedy = "none is needed: it is switched off for NCCL and vLLM; a bridge is faster"
    subject = f"GPU {pair.a} and GPU {pair.b}"
    return (Finding("gpu-peer", Verdict.WARN, subject, "peer access over PCIe is claimed", wanted, remedy),)


def check_gpu_process(
    placement: Placement, inventory: Inventory | Unknown, programs: Mapping[int, str], running: bool
) -> tuple[Finding, ...]:
    """Nobody else holds memory on the cards that are taken; who does is named.

    Args:
        placement: the cards.
        inventory: what is on them.
        programs: name by pid, where this user may know it.
        running: this very stack runs already, and is what is on them.
    """
    rows = []
    for gpu in _taken(placement, inventory):
        subject, wanted = f"GPU {gpu.index}", "no other program on it"
        held = [(pid, count) for pid, count in gpu.processes or () if (count or 0) >= _LOUD_BYTES]
        if gpu.processes is None:
            continue
        if running or not held:
            found = "this stack's own" if running and held else "free"
            rows.append(Finding("gpu-process", Verdict.PASS, subject, found, wanted))
            continue
        said = [f"{programs.get(pid, 'a process')} (pid {pid}) {(count or 0) / GIB:.1f} GiB" for pid, count in held]
        pids = " ".join(str(pid) for pid, _ in held)
        remedy = f"`ps -o pid,user,cgroup,args -p {pids}` says whose it is; stop its container, or end it"
        rows.append(Finding("gpu-process", Verdict.WARN, subject, ", ".join(said), wanted, remedy))
    return tuple(rows)


def check_gpu_device(stack: Stack, inventory: Inventory | Unknown) -> tuple[Finding, ...]:
    """Every device id the files ask for is a card of this machine, by UUID or by index."""
    if isinstance(inventory, Unknown):
        return ()
    there = {name for gpu in inventory.gpus for name in gpu.names}
    rows = []
    for service in stack.services:
        for device in service.devices:
            missing = [word for word in device.device_ids if word not in there]
            found = f"{', '.join(missing)} not here" if missing else ", ".join(device.device_ids) or "any"
            remedy = "take GPU_ID_0 and GPU_ID_1 out of shell and env file; opskit sets them" if missing else ""
            verdict = Verdict.FAIL if missing else Verdict.PASS
            rows.append(Finding("gpu-device", verdict, service.name, found, "cards of this machine", remedy))
    return tuple(rows)


def check_gpu_driver(stack: Stack, placement: Placement, inventory: Inventory | Unknown) -> tuple[Finding, ...]:
    """The driver is new enough for the CUDA in vLLM's image: `-cu129` means 12.9, no such word 13."""
    server = stack.server
    if isinstance(inventory, Unknown) or not placement.gpus_needed or not server or not inventory.driver:
        return ()
    match = re.search(r"-cu(\d\d)(\d)", server.image or "")
    cuda = f"{match[1]}.{match[2]}" if match else str(max(_CUDA_DRIVERS))
    least = _CUDA_DRIVERS.get(int(cuda[:2]))
    if any("GeForce" in (gpu.name or "") for gpu in _taken(placement, inventory)):
        least = _GEFORCE_DRIVERS.get(cuda.replace(".", ""), least)
    if least is None or not (major := re.match(r"\d+", inventory.driver)):
        return ()
    found, wanted = f"driver {inventory.driver}", f"{least} or newer, for CUDA {cuda}"
    if int(major[0]) >= least:
        return (Finding("gpu-driver", Verdict.PASS, "NVIDIA driver", found, wanted),)
    remedy = (
        f"`sudo apt-get install nvidia-driver-{least}` (or your distribution's package) and reboot; where the driver "
        "must stay, set VLLM_IMAGE to an image of an older CUDA: docs/images.md names one"
    )
    return (Finding("gpu-driver", Verdict.FAIL, "NVIDIA driver", found, wanted, remedy),)


def _taken(placement: Placement, inventory: Inventory | Unknown) -> tuple[Gpu, ...]:
    if isinstance(inventory, Unknown):
        return ()
    return inventory.taken(placement.device_ids)
