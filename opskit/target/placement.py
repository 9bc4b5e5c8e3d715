"""Which GPUs an environment gets: what was asked for, what the operator keeps, and what others leave of them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from opskit.environments import Environment
from opskit.errors import UsageError
from opskit.gpu.model import Inventory
from opskit.gpu.placement import WORKER_GPUS, Placement, place
from opskit.target.machine import Machine
from opskit.target.project import EnvFile

GPU_CHOICE = "OPSKIT_GPU"
"""The variable by which an operator's choice of GPU mode is kept; gpu=auto takes it."""


def choose_placement(environment: Environment, env_file: EnvFile, gpu: str, machine: Machine) -> Placement:
    """Place the environment on the machine's GPUs, by what others leave for the share that vLLM will ask for.

    Args:
        environment: its overlays by GPU mode, and its settings.
        env_file: of that environment.
        gpu: auto, dual, single or cpu; auto takes OPSKIT_GPU of shell or env file.
        machine: waited for its GPUs, and for its containers where something is on them.

    Raises:
        UsageError: OPSKIT_GPU is no mode of this environment.
    """
    inventory = machine.inventory()
    kept = env_file.setting(GPU_CHOICE, environment) if gpu == "auto" and environment.gpu else ""
    share = env_file.setting("GPU_MEMORY_UTILIZATION", environment)
    overlays = {str(mode): file for mode, file in environment.gpu.items()}
    occupied = isinstance(inventory, Inventory) and any(card.memory_used_bytes for card in inventory.gpus)
    more: dict[str, Any] = {
        "workers": {str(mode): file for mode, file in environment.worker_gpu.items()},
        "visible": env_file.find_setting(WORKER_GPUS, environment),
        "running": occupied and machine.runs(environment),
    }
    if re.fullmatch(r"0?\.\d+|1(\.0*)?", share):
        more["utilization"] = float(share)
    if kept in {"", "auto"}:
        return place(gpu, inventory, overlays, **more)
    if kept not in environment.gpu:
        modes = ", ".join(environment.gpu)
        raise UsageError(f"{GPU_CHOICE}: found {kept!r} in shell or {environment.env_file}; wanted one of {modes}.")
    placement = place(kept, inventory, overlays, **more)
    why = f"{GPU_CHOICE}={kept} stands in shell or {environment.env_file}; `opskit gpu "
    why += f"{environment.name} -p confirm {environment.name}:auto` takes it out"
    return replace(placement, reasons=(why, *placement.reasons))
