"""Whether the containers that should hold GPUs hold them, after a launch; pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from opskit.compose.model import MODEL_SERVER, Service, Stack
from opskit.engine.model import Grant
from opskit.gpu.model import Gpu, Inventory
from opskit.gpu.placement import Placement
from opskit.preflight.finding import Finding, Verdict
from opskit.unknown import Unknown

_SPLITS = ("tensor-parallel-size", "pipeline-parallel-size")
_QUIET_BYTES = 1024**3
"""What the driver and a desktop may take of a GPU: more than that is real work."""


@dataclass(frozen=True, slots=True)
class Need:
    """A service that should hold GPUs.

    Attributes:
        device_ids: UUIDs or indexes; empty where it takes `count`.
        count: -1 for all.
        split: over how many GPUs its command splits a model; None where it is no model server.
        computes: whether it should be seen on them: it does more than look, and they are not hidden from it.
    """

    service: str
    device_ids: tuple[str, ...]
    count: int
    split: int | None
    computes: bool

    @property
    def wanted(self) -> str:
        """Its GPUs in words."""
        return name_gpus(self.device_ids, self.count)


def name_gpus(device_ids: Iterable[str], count: int) -> str:
    """GPUs in words: a UUID says what it is, an index does not."""
    names = (f"GPU {name}" if name.isdigit() else name for name in device_ids)
    return ", ".join(names) or {-1: "all GPUs", 0: "no GPU"}.get(count, f"{count} GPU(s)")


def needs_of(stack: Stack, placement: Placement) -> tuple[Need, ...]:
    """Every service that reserves GPUs, and the model server where the placement has some for it."""
    needs = [_need(service) for service in stack.services if service.devices]
    server = stack.server
    if server is not None and not server.devices and placement.device_ids:
        needs.append(Need(MODEL_SERVER, placement.device_ids, 0, _split(server), computes=True))
    return tuple(needs)


def _need(service: Service) -> Need:
    ids = tuple(device for request in service.devices for device in request.device_ids)
    counts = [request.count for request in service.devices if not request.device_ids]
    count = -1 if None in counts or -1 in counts else sum(filter(None, counts))
    computes = service.uses_gpus and service.labels.gpu_gib != 0
    return Need(service.name, ids, count, _split(service), computes)


def _split(service: Service) -> int | None:
    sizes = [service.options[name] for name in _SPLITS if name in service.options]
    return math.prod(map(int, sizes)) if sizes and all(size.isdigit() for size in sizes) else None


def check_gpu_device_given(
    needs: Iterable[Need], grants: Sequence[Grant], *, rehearsal: bool = False
) -> tuple[Finding, ...]:
    """Every container of a service was given exactly the GPUs that the service should hold.

    Args:
        needs: of the services.
        grants: of the project's containers.
        rehearsal: one on the operator's own Engine drops the reservations; then that is said, and it is no fault.
    """
    return tuple(_given(need, [g for g in grants if g.service == need.service], rehearsal=rehearsal) for need in needs)


def _given(need: Need, grants: Sequence[Grant], *, rehearsal: bool) -> Finding:
    check, wanted = "gpu-device-given", need.wanted
    running = [grant for grant in grants if grant.pid]
    if not running:
        remedy = "launch the environment first"
        return Finding(check, Verdict.SKIP, need.service, "no container runs", wanted, remedy, required=False)
    held = (set(need.device_ids), need.count)
    wrong = [grant for grant in running if (set(grant.device_ids), grant.count) != held]
    if not wrong:
        each = f" in each of {len(running)} containers" if len(running) > 1 else ""
        return Finding(check, Verdict.PASS, need.service, f"{need.wanted}{each}", wanted)
    if rehearsal and not any(grant.any for grant in running):
        found = "REHEARSAL: no device request; this Engine has no NVIDIA driver, so it was dropped"
        return Finding(check, Verdict.SKIP, need.service, found, wanted, "launch without rehearse", required=False)
    found = "; ".join(f"{grant.name}: {name_gpus(grant.device_ids, grant.count)}" for grant in wrong)
    remedy = f"`docker rm -f {' '.join(grant.name for grant in wrong)}`, then launch again"
    return Finding(check, Verdict.FAIL, need.service, found, wanted, remedy)


def check_gpu_tensor_parallel(needs: Iterable[Need], grants: Iterable[Grant]) -> tuple[Finding, ...]:
    """A model server splits over exactly the GPUs that its container was given."""
    splits = {need.service: need.split for need in needs if need.split is not None}
    found = []
    for grant in grants:
        split = splits.get(grant.service)
        if split is None or not grant.device_ids:
            continue
        said = f"a command that splits over {split}, {len(grant.device_ids)} GPU(s) given"
        right = split == len(grant.device_ids)
        remedy = "" if right else "set TENSOR_PARALLEL_SIZE to the number of GPUs, or let gpu=auto do it; launch again"
        verdict = Verdict.PASS if right else Verdict.FAIL
        found.append(
            Finding("gpu-tensor-parallel", verdict, grant.name, said, "as many of one as of the other", remedy)
        )
    return tuple(found)


def check_gpu_process_seen(
    needs: Iterable[Need],
    grants: Iterable[Grant],
    inventory: Inventory | Unknown,
    homes: Mapping[int, str | None] | Unknown,
) -> tuple[Finding, ...]:
    """What computes has a process on its GPUs: a model server on each of them, others on one of them at least.

    Args:
        needs: of the services.
        grants: of the project's containers.
        inventory: read after the launch.
        homes: the container of each process by pid, as `read_homes` says; or why none can be told.
    """
    found = []
    for need in needs:
        mine = {grant.id for grant in grants if grant.service == need.service and grant.pid and grant.any}
        if need.computes and mine:
            found.append(_seen(need, mine, inventory, homes))
    return tuple(found)


def _seen(
    need: Need, mine: set[str], inventory: Inventory | Unknown, homes: Mapping[int, str | None] | Unknown
) -> Finding:
    check, wanted = "gpu-process-seen", f"a process of it on {'each' if need.split else 'one'} of {need.wanted}"
    why = _cannot_tell(inventory, homes)
    if isinstance(inventory, Unknown) or isinstance(homes, Unknown) or why:
        remedy = "look with `nvidia-smi` on the host"
        return Finding(check, Verdict.SKIP, need.service, why, wanted, remedy, required=False)
    gpus = [gpu for gpu in inventory.gpus if need.count or gpu.names & set(need.device_ids)]
    on = {gpu.index: _count(gpu, mine, homes) for gpu in gpus}
    parts = [f"{'not known' if count is None else count} on GPU {at}" for at, count in on.items()]
    there = {name for gpu in gpus for name in gpu.names}
    gone = [name for name in need.device_ids if name not in there]
    said = ", ".join(parts + [f"{name_gpus([name], 0)} is not to be seen" for name in gone])
    if any(on.values()) if need.split is None else bool(on) and all(on.values()) and not gone:
        return Finding(check, Verdict.PASS, need.service, said, wanted)
    if None in on.values() and not gone:
        remedy = "run opskit as root or outside a container to see whose processes they are"
        return Finding(check, Verdict.SKIP, need.service, said, wanted, remedy, required=False)
    remedy = "its log says which device it took, `nvidia-smi` which GPUs there are"
    verdict = Verdict.FAIL if need.split else Verdict.WARN  # others may load their models at first use
    return Finding(check, verdict, need.service, said or "no GPU here", wanted, remedy)


def _cannot_tell(inventory: Inventory | Unknown, homes: Mapping[int, str | None] | Unknown) -> str:
    if isinstance(inventory, Unknown):
        return inventory.reason
    if inventory.source == "recorded":
        return "REHEARSAL: the GPUs are recorded ones, nothing can run on them"
    return homes.reason if isinstance(homes, Unknown) else ""


def _count(gpu: Gpu, mine: set[str], homes: Mapping[int, str | None]) -> int | None:
    """Processes of these containers on the GPU; None where some of its processes cannot be told."""
    if gpu.processes is None:
        return None
    found = [homes.get(pid) for pid, _ in gpu.processes]
    count = sum(home in mine for home in found)
    unnamed = not found and (gpu.memory_used_bytes or 0) > _QUIET_BYTES
    return None if not count and (None in found or unnamed) else count
