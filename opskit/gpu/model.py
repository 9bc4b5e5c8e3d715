"""What is known of the GPUs and their links, as frozen values: units in names, None where it is not known."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from opskit.errors import ConfigError

SCHEMA = 1
"""Version of the JSON form; a change of a field's meaning counts it up."""

LinkState = Literal["inactive", "active", "sleep", "unknown"]
RemoteKind = Literal["gpu", "npu", "switch", "unknown"]


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU.

    Attributes:
        pci_bus_id: as sysfs writes it, `0000:21:00.0`.
        memory_used_bytes: without what the driver reserves, where that is known apart.
        pcie_generation: now; it drops when the GPU idles, so judge by the maximum.
        numa_node: the host's node nearest to it; None also where there are several.
        numa_nodes: these, as a list such as `0-1`.
        cpu_affinity: CPU list such as `0-7,16-23`.
        mig: whether it is split into instances.
        processes: (pid on the host, bytes used); None where the processes cannot be read.
    """

    index: int
    uuid: str | None = None
    name: str | None = None
    pci_bus_id: str | None = None
    memory_total_bytes: int | None = None
    memory_reserved_bytes: int | None = None
    memory_used_bytes: int | None = None
    memory_free_bytes: int | None = None
    utilization_percent: int | None = None
    power_mw: int | None = None
    power_limit_mw: int | None = None
    temperature_c: int | None = None
    pcie_generation: int | None = None
    pcie_generation_max: int | None = None
    pcie_width: int | None = None
    pcie_width_max: int | None = None
    numa_node: int | None = None
    numa_nodes: str | None = None
    cpu_affinity: str | None = None
    mig: bool | None = None
    processes: tuple[tuple[int, int | None], ...] | None = None

    @property
    def device_id(self) -> str:
        """What Compose calls it: the UUID, which is stable, or else the index."""
        return self.uuid or str(self.index)

    @property
    def names(self) -> frozenset[str]:
        """Every word that a device id may be for it: the index and, where it is known, the UUID."""
        return frozenset({self.device_id, str(self.index)})

    @property
    def usable_bytes(self) -> int | None:
        """What a program can have at most, torch's total: without the driver's part, 2 % where that is not known.

        Source: RTX 3090, driver 545: 24576 MiB - 318 MiB reserved = 23.69 GiB, as vLLM printed it (vllm#2140).
        """
        total, reserved = self.memory_total_bytes, self.memory_reserved_bytes
        if total is None:
            return None
        return total - (total // 50 if reserved is None else reserved)


@dataclass(frozen=True, slots=True)
class NvLink:
    """One NVLink of one GPU, seen from that GPU. `speed_mb_s` is one direction; a sleeping link is usable."""

    gpu: int
    link: int
    state: LinkState
    speed_mb_s: int | None = None
    remote_bus_id: str | None = None
    remote_kind: RemoteKind = "unknown"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two GPUs, `a` < `b` by index.

    Attributes:
        pcie: PIX, PXB, PHB, NODE, SYS, SOC or INTERNAL; `nvidia-smi topo -m` hides it where there is NVLink.
        nvlinks: usable NVLinks between the two, 0 where there are none.
        bandwidth_gb_s: of all their NVLinks together, in one direction.
        p2p_read: OK, or why not: CNS, GNS, TNS, DR, NS, U.
    """

    a: int
    b: int
    pcie: str | None = None
    nvlinks: int | None = None
    bandwidth_gb_s: float | None = None
    bandwidth_source: Literal["nvml", "smi", "nominal"] | None = None
    p2p_read: str | None = None
    p2p_write: str | None = None


@dataclass(frozen=True, slots=True)
class Inventory:
    """All GPUs of a machine, by index, with their links; `notes` says what could not be read and why."""

    driver: str | None
    nvml: str | None
    cuda: tuple[int, int] | None
    gpus: tuple[Gpu, ...]
    links: tuple[NvLink, ...]
    pairs: tuple[Pair, ...]
    source: Literal["nvml", "smi", "recorded"]
    notes: tuple[str, ...] = ()

    def taken(self, device_ids: Collection[str]) -> tuple[Gpu, ...]:
        """Those that these device ids name, by index."""
        return tuple(gpu for gpu in self.gpus if gpu.device_id in device_ids)

    def pair(self, a: int, b: int) -> Pair:
        """The pair of two GPU indexes in either order; one of which nothing is known where it was not read."""
        low, high = sorted((a, b))
        return next((p for p in self.pairs if (p.a, p.b) == (low, high)), Pair(low, high))


def format_cpu_list(cpus: Iterable[int]) -> str | None:
    """CPU numbers as the kernel lists them, `0-7,16-23`; None for none at all."""
    runs: list[list[int]] = []
    for cpu in sorted(set(cpus)):
        if runs and cpu == runs[-1][1] + 1:
            runs[-1][1] = cpu
        else:
            runs.append([cpu, cpu])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in runs) or None


def to_json(inventory: Inventory) -> str:
    """Write an inventory as one JSON object, field by field, with its schema version."""
    return json.dumps({"schema": SCHEMA, **asdict(inventory)}, indent=1)


def inventory_from_json(text: str) -> Inventory:
    """Read what `to_json` wrote.

    Raises:
        ConfigError: another schema, or it is no inventory; every fault is in the message.
    """
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415  kept out of the cost of importing opskit.gpu

    try:
        data: Any = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"inventory: found no JSON: {error}; wanted what opskit.gpu.model.to_json wrote") from None
    found = data.pop("schema", None) if isinstance(data, dict) else None
    if found != SCHEMA:
        raise ConfigError(f"inventory: found schema {found}; wanted {SCHEMA}; record it again with this opskit")
    try:
        return TypeAdapter(Inventory).validate_json(json.dumps(data), strict=True, extra="forbid")
    except ValidationError as error:
        faults = [f"inventory: {'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        raise ConfigError("\n".join(faults)) from None


_LINK_GB_S = (
    (re.compile(r"\b(3090|A6000|A5000|A40)\b"), 14.0625),
    (re.compile(r"\b(V100|A100|H100|H200)\b"), 25.0),
)


def nominal_gb_s(name: str | None, nvlinks: int) -> float | None:
    """GB/s of so many NVLinks in one direction; None for none and for a GPU that is not in the table.

    Source: GA102 whitepaper (4 links, 56.25); NVIDIA/nccl-tests#149 (V100, A100: line rate 25); NVIDIA/nccl#1264
    (H100: 18 links, 450; H200 has the same links).
    """
    per_link = next((speed for pattern, speed in _LINK_GB_S if pattern.search(name or "")), None)
    return per_link * nvlinks if per_link and nvlinks else None
