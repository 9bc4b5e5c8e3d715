"""GPUs and their links as a picture and as a table; both say the same."""

from __future__ import annotations

import base64
import io
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path
from matplotlib.text import Text

from opskit.gpu.model import Gpu, Inventory, Pair
from opskit.plain import escape

if TYPE_CHECKING:
    import pandas as pd

# Okabe and Ito's colours: told apart with any colour vision, and in grey by their dashes.
_NVLINK, _NONE, _PCIE, _NUMA, _BOX, _INK = "#0072B2", "#D55E00", "#767676", "#F2F2F2", "#E3F0F8", "#1A1A1A"
# Inches, which are the units of the axes too: 8 are 800 px, the width of a notebook.
_WIDTH, _SIDE, _LINE = 8.0, 0.2, 0.2
_NUMA_HEIGHT, _STUB = 0.5, 0.5
_FEW, _UPRIGHT = 4, 8
"""Up to so many GPUs each arc has its label; above so many a GPU's text is turned."""
_SOURCES = {"nvml": "read from NVML", "smi": "read from nvidia-smi", "recorded": "recorded elsewhere"}

_Node = tuple[int | str | None, str | None]


class Picture(Figure):
    """A figure that a notebook shows by itself; pyplot, which would hold every figure for ever, is not needed."""

    def _repr_html_(self) -> str:
        """The picture, and its words for those who do not see it."""
        out = io.BytesIO()
        self.savefig(out, format="png")
        words = "; ".join(text for drawn in self.findobj(Text) if (text := drawn.get_text().strip()))
        data = base64.b64encode(out.getvalue()).decode("ascii")
        return f'<img alt="{escape(words)}" style="max-width:100%" src="data:image/png;base64,{data}">'


@dataclass(frozen=True, slots=True)
class _Plan:
    """What goes where: arcs with their heights, lines of text below, and the height of the GPU boxes in inches."""

    groups: Mapping[_Node, Sequence[Gpu]]
    arcs: Sequence[tuple[Pair, float]]
    notes: Sequence[tuple[str, str]]
    switched: bool
    count: int

    @property
    def gpu_height(self) -> float:
        return 1.4 if self.turned else 0.8

    @property
    def turned(self) -> bool:
        return self.count > _UPRIGHT

    @property
    def top(self) -> float:
        """Where the GPUs end and the links begin."""
        return 0.15 + _LINE * len(self.notes) + _NUMA_HEIGHT + _STUB + self.gpu_height

    @property
    def rise(self) -> float:
        return 0.75 if self.switched else max((height + 0.4 for _, height in self.arcs), default=0.1)


def draw_topology(inventory: Inventory, *, rehearsal: bool) -> Picture:
    """Draw up to 16 GPUs: NUMA nodes below, PCIe stubs up to the GPUs, NVLink above.

    Args:
        inventory: what to draw; its bandwidths are of one direction.
        rehearsal: stamps the picture, since its GPUs are not this machine's.
    """
    plan = _plan(inventory)
    height = plan.top + plan.rise + 0.5
    figure = Picture(figsize=(_WIDTH, height), dpi=100)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, _WIDTH), ylim=(0, height))
    axes.set_axis_off()
    _draw_title(axes, inventory, height, rehearsal=rehearsal)
    centres = _draw_boxes(axes, plan)
    if plan.switched:
        _draw_switch(axes, inventory.pairs[0], list(centres.values()), plan.top)
    for pair, rise in sorted(plan.arcs, key=lambda arc: -arc[1]):
        _draw_arc(axes, pair, (centres[pair.a], centres[pair.b]), (plan.top, rise), plan.count)
    for line, (text, colour) in enumerate(reversed(plan.notes)):
        axes.text(_SIDE, 0.12 + _LINE * line, text, fontsize=8.5, color=colour, va="bottom")
    return figure


def tabulate_topology(inventory: Inventory) -> pd.DataFrame:
    """The same data as a table: a row for each GPU, its properties and then its link to each GPU."""
    import pandas as pd  # noqa: PLC0415  half a second, and only where the table is wanted

    rows = [
        {
            "name": gpu.name,
            "memory_gib": None if gpu.memory_total_bytes is None else gpu.memory_total_bytes / 1024**3,
            "numa_node": gpu.numa_nodes or gpu.numa_node,
            "cpus": gpu.cpu_affinity,
            "pcie": _pcie(gpu) or None,
            **{f"GPU{peer.index}": _cell(inventory, gpu, peer) for peer in inventory.gpus},
        }
        for gpu in inventory.gpus
    ]
    return pd.DataFrame(rows, index=[f"GPU{gpu.index}" for gpu in inventory.gpus], dtype=object)


def _cell(inventory: Inventory, gpu: Gpu, peer: Gpu) -> str:
    if gpu.index == peer.index:
        return "X"
    pair = inventory.pair(gpu.index, peer.index)
    return _nvlink(pair) if pair.nvlinks else pair.pcie or "unknown"


def _nvlink(pair: Pair) -> str:
    speed = "" if pair.bandwidth_gb_s is None else f"  {round(pair.bandwidth_gb_s, 2):g} GB/s"
    return f"NV{pair.nvlinks}{speed}"


def _absence(pair: Pair) -> tuple[str, str]:
    p2p = f", P2P {pair.p2p_read}" if pair.p2p_read else ""
    return "NVLink unknown" if pair.nvlinks is None else "no NVLink", f"{pair.pcie or 'PCIe unknown'}{p2p}"


def _pcie(gpu: Gpu) -> str:
    """`Gen4 x16`, with what it runs at now where that is less; empty where nothing is known."""
    most = (gpu.pcie_generation_max or gpu.pcie_generation, gpu.pcie_width_max or gpu.pcie_width)
    now = [
        sign + str(current)
        for sign, current, limit in (("Gen", gpu.pcie_generation, most[0]), ("x", gpu.pcie_width, most[1]))
        if current is not None and current != limit
    ]
    words = [sign + str(value) for sign, value in zip(("Gen", "x"), most, strict=True) if value is not None]
    return " ".join([*words, *([f"(now {' '.join(now)})"] if now else [])])


def _plan(inventory: Inventory) -> _Plan:
    groups: dict[_Node, list[Gpu]] = {}
    for gpu in inventory.gpus:
        groups.setdefault((gpu.numa_nodes or gpu.numa_node, gpu.cpu_affinity), []).append(gpu)
    place = {gpu.index: at for at, gpu in enumerate(gpu for gpus in groups.values() for gpu in gpus)}
    links = {pair.nvlinks for pair in inventory.pairs}
    # As only an NVSwitch gives them: one bar instead of n(n-1)/2 arcs.
    switched = len(place) > _FEW and len(links) == 1 and all(links)
    drawn = inventory.pairs if len(place) < _FEW else [pair for pair in inventory.pairs if pair.nvlinks]
    step = min(0.6, 2.6 / max(len(place) - 1, 1))
    arcs = () if switched else [(pair, step * abs(place[pair.a] - place[pair.b])) for pair in drawn]
    return _Plan(groups, arcs, _notes(inventory, switched=switched), switched, len(place))


def _notes(inventory: Inventory, *, switched: bool) -> Sequence[tuple[str, str]]:
    """Lines below the picture, each with its colour: links without a label of their own, and what a number means."""
    lines: list[tuple[str, str]] = []
    linked = [pair for pair in inventory.pairs if pair.nvlinks]
    if len(inventory.gpus) == 1:
        lines.append(("One GPU: no other to be linked to.", _INK))
    if len(inventory.gpus) > _FEW and linked and not switched:
        kinds = Counter(_nvlink(pair) for pair in linked)
        lines.append(("Arcs: " + ", ".join(f"{kind} ({_pairs(n)})" for kind, n in sorted(kinds.items())), _NVLINK))
    if len(inventory.gpus) >= _FEW:
        absent = Counter(_absence(pair) for pair in inventory.pairs if not pair.nvlinks)
        for what in sorted({what for what, _ in absent}):
            where = ", ".join(f"{pcie} ({_pairs(n)})" for (said, pcie), n in sorted(absent.items()) if said == what)
            lines.append((f"{what}: {where}", _NONE))
    if any(pair.bandwidth_gb_s for pair in linked):
        nominal = any(pair.bandwidth_source == "nominal" for pair in linked)
        lines.append((f"GB/s of one direction{', nominal for this GPU, not measured' if nominal else ''}.", _INK))
    return [(part, colour) for text, colour in lines for part in textwrap.wrap(text, 110)]


def _pairs(count: int) -> str:
    return f"{count} pair{'' if count == 1 else 's'}"


def _draw_title(axes: Axes, inventory: Inventory, height: float, *, rehearsal: bool) -> None:
    names = Counter(_model(gpu) for gpu in inventory.gpus)
    what = ", ".join(f"{count} x {name}" for name, count in names.items()) or "no GPU"
    driver = f", driver {inventory.driver}" if inventory.driver else ""
    title = textwrap.shorten(what, 55, placeholder=" …")
    axes.text(_SIDE, height - 0.12, title, fontsize=12, weight="bold", va="top", color=_INK)
    axes.text(_SIDE, height - 0.33, _SOURCES[inventory.source] + driver, fontsize=8.5, va="top", color=_PCIE)
    if rehearsal:
        box = {"boxstyle": "square,pad=0.35", "facecolor": "white", "edgecolor": _NONE, "linewidth": 2}
        style: dict[str, Any] = {"fontsize": 12, "weight": "bold", "color": _NONE, "bbox": box}
        axes.text(_WIDTH - _SIDE - 0.08, height - 0.14, "REHEARSAL", ha="right", va="top", **style)


def _model(gpu: Gpu) -> str:
    return (gpu.name or "unknown GPU").removeprefix("NVIDIA ")


def _draw_boxes(axes: Axes, plan: _Plan) -> Mapping[int, float]:
    """NUMA nodes with their GPUs above; returns the middle of each GPU in inches, by index."""
    slot = min((_WIDTH - 2 * _SIDE) / max(plan.count, 1), 3.0)
    left = (_WIDTH - slot * plan.count) / 2
    gap = 0.06 if plan.turned else 0.1
    foot = plan.top - plan.gpu_height - _STUB
    centres: dict[int, float] = {}
    for (node, cpus), gpus in plan.groups.items():
        wide = slot * len(gpus)
        _draw_box(axes, (left + gap / 2, foot - _NUMA_HEIGHT), (wide - gap, _NUMA_HEIGHT), _NUMA)
        text = f"NUMA {'unknown' if node is None else node}"
        if cpus:
            text += f"\nCPU {textwrap.shorten(cpus.replace(',', ', '), max(5, int(wide * 14) - 4), placeholder='…')}"
        axes.text(left + wide / 2, foot - _NUMA_HEIGHT / 2, text, fontsize=8, ha="center", va="center", color=_INK)
        for at, gpu in enumerate(gpus):
            centres[gpu.index] = left + slot * (at + 0.5)
            _draw_gpu(axes, gpu, (centres[gpu.index], foot), (slot - 2 * gap, plan.gpu_height), turned=plan.turned)
        left += wide
    return centres


def _draw_gpu(axes: Axes, gpu: Gpu, foot: tuple[float, float], size: tuple[float, float], *, turned: bool) -> None:
    (centre, low), (wide, high) = foot, size
    axes.plot([centre, centre], [low, low + _STUB], color=_PCIE, linewidth=2, zorder=1)
    _draw_box(axes, (centre - wide / 2, low + _STUB), size, _BOX)
    memory = "" if gpu.memory_total_bytes is None else f"{gpu.memory_total_bytes / 1024**3:.0f} GiB"
    style: dict[str, Any] = {"ha": "center", "va": "center", "color": _INK}
    middle = low + _STUB + high / 2
    if turned:
        name = textwrap.shorten(_model(gpu), 22, placeholder="…")
        axes.text(centre, middle, f"GPU {gpu.index}  {memory}\n{name}", fontsize=7, rotation=90, **style)
        return
    size_pt, per_inch = (8.5, 13) if wide > 1 else (7, 15)
    # A space behind each hyphen, so that a name is broken there and nowhere within a word.
    name = textwrap.fill(_model(gpu).replace("-", "- "), int(wide * per_inch), break_long_words=False)
    text = "\n".join(filter(None, (f"GPU {gpu.index}", name.replace("- ", "-"), memory)))
    axes.text(centre, middle, text, fontsize=size_pt, **style)
    pcie = textwrap.fill(_pcie(gpu) or "PCIe", max(9, int(wide * 8)))
    axes.text(centre + 0.06, low + _STUB / 2, pcie, fontsize=7.5 if wide > 1 else 6.5, va="center", color=_INK)


def _draw_box(axes: Axes, corner: tuple[float, float], size: tuple[float, float], colour: str) -> None:
    style = "round,pad=0,rounding_size=0.05"
    axes.add_patch(FancyBboxPatch(corner, *size, boxstyle=style, facecolor=colour, edgecolor=_PCIE, linewidth=1))


def _draw_switch(axes: Axes, pair: Pair, centres: Sequence[float], top: float) -> None:
    for centre in centres:
        width = _thickness(pair)
        axes.plot([centre, centre], [top, top + 0.35], color=_NVLINK, linewidth=width, solid_capstyle="butt", zorder=1)
    low, high = min(centres), max(centres)
    _draw_box(axes, (low - 0.2, top + 0.3), (high - low + 0.4, 0.34), _NVLINK)
    text = f"NVSwitch, each to each: {_nvlink(pair)}{' per direction' if pair.bandwidth_gb_s else ''}"
    style: dict[str, Any] = {"fontsize": 9, "weight": "bold", "color": "white", "ha": "center", "va": "center"}
    axes.text((low + high) / 2, top + 0.47, text, **style)


def _draw_arc(axes: Axes, pair: Pair, ends: tuple[float, float], span: tuple[float, float], count: int) -> None:
    """One pair's arc from `span[0]` up by `span[1]` inches, with a label above it where there is room for one."""
    (a, b), (top, rise) = ends, span
    path = Path(
        [(a, top), (a, top + rise * 4 / 3), (b, top + rise * 4 / 3), (b, top)], [Path.MOVETO, *[Path.CURVE4] * 3]
    )
    colour, dashes = (_NVLINK, "-") if pair.nvlinks else (_NONE, "--")
    style: dict[str, Any] = {
        "edgecolor": colour,
        "linestyle": dashes,
        "linewidth": _thickness(pair),
        "capstyle": "butt",
    }
    axes.add_patch(PathPatch(path, fill=False, zorder=1 if pair.nvlinks else 0.5, **style))
    if count > _FEW:
        return
    text = ": ".join(_absence(pair))
    if pair.nvlinks:
        text = _nvlink(pair) + (" per direction" if pair.bandwidth_gb_s and count < _FEW else "")
    lift = 0.06 + _thickness(pair) / 144  # half a line's width; a point is 1/72 inch
    box = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"}
    words: dict[str, Any] = {"fontsize": 9, "weight": "bold", "color": colour, "bbox": box, "zorder": 5}
    axes.text((a + b) / 2, top + rise + lift, text, ha="center", va="bottom", **words)


def _thickness(pair: Pair) -> float:
    """Points, in proportion to the bandwidth up to 150 GB/s, and by the number of links where that is unknown."""
    if not pair.nvlinks:
        return 1.5
    return 1 + min(pair.bandwidth_gb_s or 14 * pair.nvlinks, 150) / 15
