"""How every GPU reaches every other, as a matrix in colour; the word in each cell says it without the colour."""

from __future__ import annotations

from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import Rectangle

from opskit.gpu.model import Inventory, Pair
from opskit.show.topology import Picture, tabulate_topology

_NEAR = ("NVLink", "PIX", "PXB", "PHB", "NODE", "SYS")
# From near to far: a scale that grows lighter, told apart in grey too; unknown is white.
_COLOURS = dict(zip(_NEAR, ("#08306B", "#2171B5", "#6BAED6", "#9ECAE1", "#C6DBEF", "#EFF3FF"), strict=True))
_DARK = frozenset(("NVLink", "PIX"))
_WIDTH, _LEFT, _TOP, _LARGEST, _FOOT = 8.0, 0.9, 0.7, 1.1, 0.55
_FEW = 4
"""Up to so many GPUs a cell has room for the bandwidth."""


def draw_heatmap(inventory: Inventory, *, rehearsal: bool) -> Picture:
    """The links as a square: rows and columns are GPUs in the order of their indexes.

    Args:
        inventory: 1 to 16 GPUs; with none the square is empty.
        rehearsal: whether to stamp it.
    """
    cells = tabulate_topology(inventory)
    names = list(cells.index)
    size = min(_LARGEST, (_WIDTH - _LEFT - 0.2) / max(len(names), 1))
    height = _TOP + size * len(names) + _FOOT
    picture = Picture(figsize=(_WIDTH, height))
    FigureCanvasAgg(picture)
    axes = picture.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, _WIDTH), ylim=(height, 0))
    axes.axis("off")
    title = "GPU links, REHEARSAL" if rehearsal else "GPU links"
    axes.text(0.2, 0.2, title, fontsize=12, weight="bold", va="center")
    font = 10 if len(names) <= _FEW else max(6.0, 10 - len(names) / 4)
    for at, name in enumerate(names):
        middle = (at + 0.5) * size
        axes.text(_LEFT + middle, _TOP - 0.12, name, ha="center", va="center", fontsize=font)
        axes.text(_LEFT - 0.1, _TOP + middle, name, ha="right", va="center", fontsize=font)
        for other, peer in enumerate(names):
            pair = None if at == other else inventory.pair(inventory.gpus[at].index, inventory.gpus[other].index)
            kind = _kind(pair)
            corner = (_LEFT + other * size, _TOP + at * size)
            axes.add_patch(Rectangle(corner, size, size, facecolor=_COLOURS.get(kind, "white"), edgecolor="#767676"))
            word = str(cells.loc[name, peer])
            said = word.replace("  ", "\n") if len(names) <= _FEW else word.split(maxsplit=1)[0]
            ink = "white" if kind in _DARK else "#1A1A1A"
            style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": font, "color": ink}
            axes.text(corner[0] + size / 2, corner[1] + size / 2, said, **style)
    foot = "near to far: " + ", ".join(_NEAR) + "; GB/s per direction"
    axes.text(0.2, height - 0.22, foot, fontsize=8.5, va="center", color="#5A5A5A")
    return picture


def _kind(pair: Pair | None) -> str:
    if pair is None:
        return ""
    return "NVLink" if pair.nvlinks else pair.pcie or ""
