"""`nvidia-smi topo -m` and `topo -p2p` as text: where NVML cannot be read, and for pasted reports."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from opskit.errors import OpskitError
from opskit.gpu.bandwidth import nominal_gb_s
from opskit.gpu.model import Gpu, Inventory, Pair

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\[[0-9;]*m")  # some pastes kept the sequence and lost its ESC
_GPU = re.compile(r"GPU\d+")
_GLUED = re.compile(r"(?<=\d)(?=GPU\d|NIC\d|mlx\d)")
_NVLINK = re.compile(r"NV([1-9]\d*)")
_DISTANCES = frozenset({"PIX", "PXB", "PHB", "NODE", "SYS", "SOC"})
_STATUSES = frozenset({"OK", "CNS", "GNS", "TNS", "DR", "NS", "U"})
_AFFINITY = re.compile(r"N/A|\d+(-\d+)?(,\d+(-\d+)?)*")
_COLUMNS = ("CPU Affinity", "NUMA Affinity", "GPU NUMA ID")


class ParseError(OpskitError):
    """The text cannot be trusted; row, column and cell are None where the fault has no such place."""

    def __init__(
        self,
        problem: str,
        *,
        what: str = "topology",
        row: str | None = None,
        column: str | None = None,
        cell: str | None = None,
    ) -> None:
        self.row, self.column, self.cell = row, column, cell
        place = [f"{name} {value}" for name, value in (("row", row), ("column", column)) if value is not None]
        found = [f"cell {cell!r}"] if cell is not None else []
        super().__init__(f"nvidia-smi {what}: {', '.join([*place, *found, ''])}{problem}")


@dataclass(frozen=True, slots=True)
class Topology:
    """A matrix as printed.

    Attributes:
        gpus: names in order, `GPU0` first.
        devices: GPUs and then NICs, as in the header.
        relations: cell by (row, column); rows of NICs may be absent.
        cpu_affinity: one per GPU in order, `0-7,16-23`; None where it is absent, empty or N/A.
        numa_affinity: likewise, `0` or `0-3`.
    """

    gpus: tuple[str, ...]
    devices: tuple[str, ...]
    relations: Mapping[tuple[str, str], str]
    cpu_affinity: tuple[str | None, ...]
    numa_affinity: tuple[str | None, ...]

    def relation(self, a: str | int, b: str | int) -> str:
        """The link class between two devices, by name or by position: `NV4`, `PHB`; `X` for one and the same.

        Raises:
            KeyError: no such device, or two NICs whose rows were not printed.
        """
        first, second = (self.devices[device] if isinstance(device, int) else device for device in (a, b))
        direct = self.relations.get((first, second))
        return self.relations[second, first] if direct is None else direct


def parse_topology(text: str) -> Topology:
    """Read one matrix.

    Tabs or spaces, a header with its tab lost or its names glued, colours, NIC rows present or not: all are read.
    What cannot be read for sure is refused.

    Raises:
        ParseError: no matrix (with what the tool said instead), or a damaged one (with row, column and cell).

    Source: 36 recorded outputs, several of them in tests/data/topology; gpu.md 1.5.
    """
    lines = [line for line in ANSI.sub("", text).splitlines() if line.strip()]
    start = next((at for at, line in enumerate(lines) if _GPU.match(line.strip())), None)
    if start is None:
        said = lines[0].strip() if lines else "nothing"
        raise ParseError(f"no matrix in the output; it says: {said}")
    devices, columns = _read_header(lines[start])
    relations: dict[tuple[str, str], str] = {}
    affinities: dict[str, tuple[str | None, ...]] = {}
    for line in lines[start + 1 :]:
        if line.strip().endswith("Legend:"):
            break
        row, cells, affinity = _read_row(line, devices, columns)
        if row in affinities:
            raise ParseError("the row is there twice", row=row)
        relations |= {(row, column): cell for column, cell in zip(devices, cells, strict=True)}
        affinities[row] = affinity
    gpus = tuple(name for name in devices if _GPU.fullmatch(name))
    for gpu in gpus:
        if gpu not in affinities:
            raise ParseError("the row is missing", row=gpu)
    _demand_soundness(relations)
    cpu, numa = zip(*(affinities[gpu][:2] for gpu in gpus), strict=True)
    return Topology(gpus, devices, relations, cpu, numa)


def _read_header(line: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    head, *tail = re.split(r"(?=CPU\s+Affinity)", line, maxsplit=1)
    devices = tuple(name for token in head.split() for name in _GLUED.split(token))
    for name in devices:
        # No NIC is called so: it is a GPU's name with damage.
        damaged = not _GPU.fullmatch(name) and ("G" in name or "PU" in name)
        if damaged or _relation_kind(name) or devices.count(name) > 1:
            raise ParseError("wanted the name of a GPU or NIC, each once", row="header", column=name)
    said = _squeeze(*tail)
    columns = next((_COLUMNS[:count] for count in range(4) if _squeeze(*_COLUMNS[:count]) == said), None)
    if columns is None:
        raise ParseError(f"wanted the columns {', '.join(_COLUMNS)}", row="header", cell=tail[0].strip())
    return devices, columns


def _squeeze(*words: str) -> str:
    return re.sub(r"\s", "", "".join(words))


def _read_row(
    line: str, devices: tuple[str, ...], columns: tuple[str, ...]
) -> tuple[str, tuple[str, ...], tuple[str | None, ...]]:
    row, *cells = line.split()[: len(devices) + 1]
    if row not in devices:
        raise ParseError("this is neither a device of the header nor the legend", row=row)
    for column, cell in zip(devices, cells, strict=False):
        if not _relation_kind(cell):
            raise ParseError(
                "wanted X, NV<n>, PIX, PXB, PHB, NODE, SYS or a P2P status", row=row, column=column, cell=cell
            )
    if len(cells) < len(devices):
        raise ParseError(f"found {len(cells)} relations, wanted {len(devices)}", row=row, column=devices[len(cells)])
    found = re.match(r"\s*\S+" + r"\s+\S+" * len(devices), line)
    rest = line[found.end() :] if found else ""
    if not columns or not _GPU.fullmatch(row):
        if rest.strip():
            raise ParseError("more cells than the header has columns", row=row, cell=rest.strip())
        return row, tuple(cells), (None, None)
    return row, tuple(cells), _read_affinity(rest, row, columns)


def _read_affinity(rest: str, row: str, columns: tuple[str, ...]) -> tuple[str | None, ...]:
    if "\t" in rest:
        # The CPU cell may be empty (Slurm's cgroup) and short values are followed by more than one tab.
        first, _, others = rest.lstrip(" ").removeprefix("\t").partition("\t")
        values = [first.strip(), *(value.strip() for value in others.split("\t") if value.strip())]
    else:
        values = rest.split()
    if len(values) != len(columns):
        raise ParseError(f"found {len(values)} affinities, wanted {', '.join(columns)}", row=row, cell=rest.strip())
    for column, value in zip(columns, values, strict=True):
        if value and not _AFFINITY.fullmatch(value):
            raise ParseError("wanted a list of numbers, or N/A", row=row, column=column, cell=value)
    known = [value if value not in ("", "N/A") else None for value in values]
    return (*known, None)[:2]


def _relation_kind(cell: str) -> Literal["self", "distance", "status"] | None:
    if cell == "X":
        return "self"
    if cell in _DISTANCES or _NVLINK.fullmatch(cell):
        return "distance"
    return "status" if cell in _STATUSES else None


def _demand_soundness(relations: Mapping[tuple[str, str], str]) -> None:
    kinds = {_relation_kind(cell) for cell in relations.values()} - {"self"}
    for (row, column), cell in relations.items():
        if (cell == "X") != (row == column):
            wanted = "X on the diagonal" if row == column else "X on the diagonal only"
            raise ParseError(f"wanted {wanted}", row=row, column=column, cell=cell)
        back = relations.get((column, row), cell)
        if back != cell:
            raise ParseError(f"row {column}, column {row} says {back!r}", row=row, column=column, cell=cell)
        if len(kinds) > 1 and _relation_kind(cell) == "status":
            raise ParseError("a P2P status among link classes", row=row, column=column, cell=cell)


def inventory_from_topology(
    topology: Topology,
    *,
    name: str | None,
    memory_total_bytes: int | None,
    source: Literal["smi", "recorded"],
) -> Inventory:
    """Make an inventory of what `topo -m` told.

    Args:
        topology: of `topo -m`; of `topo -p2p` it would know no link.
        name: model of the GPUs as nvidia-smi writes it; it decides the nominal bandwidth.
        memory_total_bytes: of each GPU.
        source: smi for this machine's output, recorded for another's.
    """
    gpus = tuple(
        Gpu(
            index=int(gpu.removeprefix("GPU")),
            name=name,
            memory_total_bytes=memory_total_bytes,
            numa_node=int(numa) if numa is not None and numa.isdecimal() else None,
            numa_nodes=None if numa is None or numa.isdecimal() else numa,
            cpu_affinity=cpu,
        )
        for gpu, numa, cpu in zip(topology.gpus, topology.numa_affinity, topology.cpu_affinity, strict=True)
    )
    pairs = tuple(
        _pair(a, b, topology.relation(f"GPU{a.index}", f"GPU{b.index}"))
        for at, a in enumerate(gpus)
        for b in gpus[at + 1 :]
    )
    return Inventory(None, None, None, gpus, (), pairs, source)


def _pair(a: Gpu, b: Gpu, relation: str) -> Pair:
    bonded = _NVLINK.fullmatch(relation)
    if not bonded:
        return Pair(a.index, b.index, pcie=relation, nvlinks=0)
    nvlinks = int(bonded[1])
    bandwidth = nominal_gb_s(a.name, nvlinks)
    return Pair(
        a.index,
        b.index,
        nvlinks=nvlinks,
        bandwidth_gb_s=bandwidth,
        bandwidth_source="nominal" if bandwidth else None,
    )
