"""What `nvidia-smi --query-gpu` prints, and all of nvidia-smi's answers put together as an inventory; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from opskit.gpu.bandwidth import nominal_gb_s
from opskit.gpu.links import LinkStatus
from opskit.gpu.model import Gpu, Inventory, NvLink, Pair
from opskit.gpu.nvlink import short_bus_id
from opskit.gpu.smi import ParseError, Topology, inventory_from_topology

FIELDS = (
    "index",
    "uuid",
    "name",
    "pci.bus_id",
    "memory.total",
    "memory.used",
    "memory.free",
    "mig.mode.current",
    "driver_version",
)
"""Those that drivers since 450 know: one field that is not known and nvidia-smi refuses the whole query."""
_MIB = 1024**2


def parse_query(text: str) -> tuple[str | None, tuple[Gpu, ...]]:
    """Read `--query-gpu` of FIELDS with `--format=csv,noheader,nounits`; returns the driver and the GPUs by index.

    Raises:
        ParseError: a line that has not these fields, or a number that is none.

    Source: `nvidia-smi --help-query-gpu`; tests/data/topology/query-gpu-3xa6000.csv is written after it, by hand.
    """
    driver, gpus = None, []
    for line in filter(None, map(str.strip, text.splitlines())):
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) != len(FIELDS):
            raise ParseError(f"found {len(cells)} fields, wanted {len(FIELDS)}", what="--query-gpu", cell=line)
        known = dict(zip(FIELDS, (None if cell.startswith("[") else cell for cell in cells), strict=True))
        index = _number(known["index"], "index", line)
        if index is None:
            raise ParseError("found no index", what="--query-gpu", cell=line)
        total, used, free = (
            None if mib is None else mib * _MIB
            for mib in (_number(known[f"memory.{part}"], f"memory.{part}", line) for part in ("total", "used", "free"))
        )
        mig, bus_id, driver = known["mig.mode.current"], known["pci.bus_id"], known["driver_version"] or driver
        gpus.append(
            Gpu(
                index=index,
                uuid=known["uuid"],
                name=known["name"],
                pci_bus_id=None if bus_id is None else short_bus_id(bus_id),
                memory_total_bytes=total,
                memory_used_bytes=used,
                memory_free_bytes=free,
                mig=None if mig is None else mig == "Enabled",
            )
        )
    return driver, tuple(sorted(gpus, key=lambda gpu: gpu.index))


def _number(value: str | None, column: str, line: str) -> int | None:
    if value is not None and not value.isdecimal():
        raise ParseError("wanted a whole number", what="--query-gpu", row=line, column=column, cell=value)
    return None if value is None else int(value)


def inventory_from_answers(
    driver: str | None,
    gpus: Sequence[Gpu],
    topology: Topology | None,
    statuses: Sequence[LinkStatus],
    notes: Sequence[str],
) -> Inventory:
    """Put together what was read; a topology of other GPUs than these is left out, with a note.

    Args:
        driver: None where it is not known.
        gpus: of `--query-gpu`, by index.
        topology: of `topo -m`; None where it could not be read.
        statuses: of `nvlink -s`; none where it could not be read.
        notes: what could not be read so far.
    """
    links = tuple(link for status in statuses for link in status.links or ())
    if topology is not None and topology.gpus != tuple(f"GPU{gpu.index}" for gpu in gpus):
        found = f"nvidia-smi topo -m shows {', '.join(topology.gpus)}: not the GPUs that --query-gpu lists"
        topology, notes = None, (*notes, found)
    if topology is None:
        return Inventory(driver, None, None, tuple(gpus), links, (), "smi", tuple(notes))
    placed = inventory_from_topology(topology, name=None, memory_total_bytes=None, source="smi")
    merged = tuple(
        replace(gpu, numa_node=seen.numa_node, numa_nodes=seen.numa_nodes, cpu_affinity=seen.cpu_affinity)
        for gpu, seen in zip(gpus, placed.gpus, strict=True)
    )
    names = {gpu.index: gpu.name for gpu in gpus}
    pairs = tuple(_with_bandwidth(pair, names[pair.a], links) for pair in placed.pairs)
    return Inventory(driver, None, None, merged, links, pairs, "smi", tuple(notes))


def _with_bandwidth(pair: Pair, name: str | None, links: Sequence[NvLink]) -> Pair:
    """By the speeds that were printed, where all of either GPU's links go to the other; else the nominal one."""
    if not pair.nvlinks:
        return pair
    speeds = {
        gpu: [link.speed_mb_s for link in links if link.gpu == gpu and link.speed_mb_s] for gpu in (pair.a, pair.b)
    }
    if {len(of_gpu) for of_gpu in speeds.values()} == {pair.nvlinks}:
        measured = min(sum(filter(None, of_gpu)) for of_gpu in speeds.values()) / 1000
        return replace(pair, bandwidth_gb_s=measured, bandwidth_source="smi")
    nominal = nominal_gb_s(name, pair.nvlinks)
    return replace(pair, bandwidth_gb_s=nominal, bandwidth_source="nominal" if nominal else None)
