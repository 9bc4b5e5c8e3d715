"""Verify the GPUs after a launch: who was given them, who is on them and, where it is wanted, what they do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opskit.compose.client import Project
from opskit.compose.model import Stack
from opskit.engine.client import ask_inside
from opskit.engine.grant import read_grants
from opskit.engine.model import Grant
from opskit.gpu.collective import COMMAND_S, command
from opskit.gpu.container import LIST_GPUS, read_homes
from opskit.gpu.model import Inventory
from opskit.gpu.placement import Placement
from opskit.health.gpu import (
    check_gpu_device_given,
    check_gpu_process_seen,
    check_gpu_tensor_parallel,
    needs_of,
)
from opskit.health.gpu_inside import check_gpu_collective, check_gpu_device_visible
from opskit.preflight.finding import Finding
from opskit.unknown import Unknown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from docker import DockerClient

_LIST_S = 5.0


def verify_gpus(
    client: DockerClient,
    project: Project,
    stack: Stack,
    *,
    placement: Placement,
    inventory: Inventory | Unknown,
    measure: bool,
) -> list[Finding]:
    """Look once at every container of the project that should hold a GPU, and at what runs on the GPUs.

    Args:
        client: the Engine's connection.
        project: as it was launched.
        stack: likewise.
        placement: says which GPUs they should be.
        inventory: the GPUs as they are now; recorded ones in a rehearsal.
        measure: also run `nvidia-smi` in each container, and an all-reduce over the GPUs of the model server.
    """
    needs = needs_of(stack, placement)
    if not needs:
        return []
    grants = read_grants(client, {project.name})
    rehearsal = isinstance(inventory, Inventory) and inventory.source == "recorded"
    found = [
        *check_gpu_device_given(needs, grants, rehearsal=rehearsal),
        *check_gpu_tensor_parallel(needs, grants),
        *check_gpu_process_seen(needs, grants, inventory, _homes(inventory, grants, project.engine_host)),
    ]
    if measure:
        found += look_inside(client, grants)
        splits = {need.service: need.split for need in needs if (need.split or 1) > 1}
        for grant in grants:  # one after the other: two measurements at once would measure each other
            if (split := splits.get(grant.service)) and grant.pid and grant.any:
                words = command(split)
                answer = ask_inside(client, [grant.id], words, timeout_s=COMMAND_S)[grant.id]
                found += check_gpu_collective(grant, answer)
    return found


def look_inside(client: DockerClient, grants: Sequence[Grant]) -> tuple[Finding, ...]:
    """Ask nvidia-smi in every container that runs and was given GPUs; all at once, within five seconds."""
    asked = [grant for grant in grants if grant.pid and grant.any]
    answers = ask_inside(client, [grant.id for grant in asked], LIST_GPUS, timeout_s=_LIST_S)
    return check_gpu_device_visible(asked, answers)


def _homes(
    inventory: Inventory | Unknown, grants: Sequence[Grant], host: str | None
) -> Mapping[int, str | None] | Unknown:
    if host is not None and not host.startswith("unix://"):
        return Unknown(f"the Engine at {host} is on another machine than the GPUs that are seen here", "")
    if isinstance(inventory, Unknown):
        return inventory
    pids = {pid for gpu in inventory.gpus for pid, _ in gpu.processes or ()}
    return read_homes(pids, {grant.id: grant.pid for grant in grants if grant.pid})
