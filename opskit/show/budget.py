"""The budget of the GPUs as a picture and as a table; both say the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import Rectangle

from opskit.gpu.model import format_cpu_list
from opskit.llm.budget import Budget, Card, Fit
from opskit.show.topology import Picture

_GIB = 1024**3
_INK, _GREY, _BEYOND = "#1A1A1A", "#767676", "#D55E00"
# Okabe and Ito's colours, some with a hatch: neighbours are told apart with any colour vision, and in grey.
_STYLES = {
    "held": ("#999999", "///", "held by others now"),
    "workers": ("#E69F00", "...", "workers at their peak"),
    "context": ("#F0E442", "", "vLLM's context"),
    "vLLM": ("#56B4E9", "xxx", "vLLM, its model unknown"),
    "weights": ("#0072B2", "", "weights"),
    "overhead": ("#CC79A7", "\\\\\\", "activations, graphs"),
    "KV cache": ("#56B4E9", "", "KV cache"),
}
_WORDS = {Fit.FITS: "#00694B", Fit.TIGHT: "#8A5A00", Fit.NO: _BEYOND}
# Inches, which are the units of the axes too: 8 are 800 px, the width of a notebook.
_WIDTH, _LEFT, _RIGHT, _SIDE = 8.0, 1.0, 0.45, 0.2
_ROW, _BAR, _LINE, _HEAD = 0.85, 0.34, 0.2, 0.5
_NUMBER = 0.34
"""Width that a number needs within a bar; the line below has them all."""
_ROWS, _KEYS = 8, 4
"""Above so many GPUs equal ones share a bar; so many keys are on a line of the legend."""


def draw_budget(budget: Budget, *, rehearsal: bool) -> Picture:
    """Draw a bar for each GPU, term by term, against what the card has; what is beyond that is framed.

    Args:
        budget: at the utilisation to show.
        rehearsal: stamps the picture, since its GPUs are not this machine's.
    """
    rows = _rows(budget)
    keys = [name for name in _STYLES if any(name in _sizes(card) for card, _ in rows)]
    notes = _notes(budget)
    foot = 0.1 + _LINE * (len(notes) + -(-len(keys) // _KEYS)) + 0.1
    height = foot + _ROW * len(rows) + _HEAD
    figure = Picture(figsize=(_WIDTH, height), dpi=100)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, _WIDTH), ylim=(0, height))
    axes.set_axis_off()
    _draw_title(axes, budget, height, rehearsal=rehearsal)
    longest = max(max(card.usable_bytes, sum(_sizes(card).values())) for card, _ in rows)
    scale = (_WIDTH - _LEFT - _RIGHT) / longest
    for at, (card, name) in enumerate(rows, start=1):
        _draw_card(axes, card, name, (foot + _ROW * (len(rows) - at) + 0.27, scale))
    for at, key in enumerate(keys):
        _draw_key(axes, key, (_SIDE + at % _KEYS * 1.95, foot - 0.1 - _LINE * (1 + at // _KEYS)))
    for line, text in enumerate(reversed(notes)):
        axes.text(_SIDE, 0.1 + _LINE * line, text, fontsize=8.5, color=_INK, va="bottom")
    return figure


def _rows(budget: Budget) -> Sequence[tuple[Card, str]]:
    if len(budget.cards) <= _ROWS:
        return [(card, f"GPU {card.index}") for card in budget.cards]
    equal: dict[Card, list[int]] = {}
    for card in budget.cards:
        equal.setdefault(replace(card, index=0), []).append(card.index)
    return [(card, f"GPU {format_cpu_list(indexes)}") for card, indexes in equal.items()]


def _sizes(card: Card) -> Mapping[str, int]:
    """The terms that have a width; a KV cache below zero has none, and weights and overhead keep theirs."""
    return {name: size for name, size in card.terms.items() if size is not None and size > 0}


def _notes(budget: Budget) -> Sequence[str]:
    best = budget.largest
    lines = [f"At {budget.utilization:.2f}: {_cache(budget)}"]
    if budget.unknown:
        lines.append(f"Not known: {', '.join(budget.unknown)}.")
    if best is None:
        lines.append("No utilisation fits beside what is on the card.")
    elif best.verdict is Fit.NO:
        lines.append(f"No utilisation fits: at {best.utilization:.2f}, the largest beside the rest, {_cache(best)}")
    elif best.utilization != budget.utilization:
        could = "fits" if best.verdict else "could fit"
        lines.append(f"At {best.utilization:.2f}, the largest that {could}: {_cache(best)}")
    return lines


def _cache(budget: Budget) -> str:
    if budget.kv_bytes is not None and budget.kv_bytes < 0:
        return f"{-budget.kv_bytes / _GIB:.1f} GiB short for weights and overhead, without any KV cache."
    if budget.tokens is None:
        return f"{budget.cards[0].requested_bytes / _GIB:.1f} GiB for vLLM on each GPU."
    requests = "" if not budget.max_model_len else f", {budget.concurrency:.1f} requests of {budget.max_model_len:,}"
    return f"the KV cache holds {budget.tokens:,} tokens{requests}; longest context {budget.longest_context:,}."


def _draw_title(axes: Axes, budget: Budget, height: float, *, rehearsal: bool) -> None:
    verdict = budget.verdict
    colour = _GREY if verdict is None else _WORDS[verdict]
    style: dict[str, Any] = {"weight": "bold", "va": "top"}
    axes.text(_SIDE, height - 0.12, str(verdict or "NOT KNOWN"), fontsize=14, color=colour, **style)
    text = f"GPU memory at utilisation {budget.utilization:.2f}"
    axes.text(_SIDE + 1.45, height - 0.14, text, fontsize=12, color=_INK, **style)
    if rehearsal:
        box = {"boxstyle": "square,pad=0.35", "facecolor": "white", "edgecolor": _BEYOND, "linewidth": 2}
        style |= {"fontsize": 12, "color": _BEYOND, "bbox": box, "ha": "right"}
        axes.text(_WIDTH - _SIDE - 0.08, height - 0.14, "REHEARSAL", **style)


def _draw_card(axes: Axes, card: Card, name: str, place: tuple[float, float]) -> None:
    low, scale = place
    middle, limit = low + _BAR / 2, _LEFT + card.usable_bytes * scale
    axes.text(_LEFT - 0.12, middle, name, fontsize=9, weight="bold", ha="right", va="center", color=_INK)
    left = _LEFT
    for term, size in _sizes(card).items():
        _draw_box(axes, term, (left, low), (size * scale, _BAR))
        if size * scale > _NUMBER and abs(left + size * scale / 2 - limit) > _NUMBER / 2:
            box = {"boxstyle": "square,pad=0.12", "facecolor": "white", "edgecolor": "none"}
            style: dict[str, Any] = {"fontsize": 8.5, "ha": "center", "va": "center", "color": _INK, "bbox": box}
            axes.text(left + size * scale / 2, middle, f"{size / _GIB:.1f}", **style)
        left += size * scale
    frame: dict[str, Any] = {"fill": False, "linewidth": 1, "edgecolor": _GREY, "zorder": 0}
    axes.add_patch(Rectangle((_LEFT, low), limit - _LEFT, _BAR, **frame))
    if left > limit:
        frame |= {"linewidth": 2.5, "edgecolor": _BEYOND, "zorder": 3}
        axes.add_patch(Rectangle((limit, low), left - limit, _BAR, **frame))
    axes.plot([limit, limit], [low - 0.05, low + _BAR + 0.05], color=_INK, linewidth=2, zorder=4)
    style = {"fontsize": 8, "color": _INK, "zorder": 5}
    axes.text(limit, low + _BAR + 0.07, f"{card.usable_bytes / _GIB:.1f} GiB usable", ha="right", va="bottom", **style)
    spare = card.usable_bytes - sum(_sizes(card).values())
    words = f"{abs(spare) / _GIB:.1f} {'to spare' if spare >= 0 else 'too much'}"
    terms = " + ".join(f"{term} {_amount(size)}" for term, size in card.terms.items())
    axes.text(_LEFT, low - 0.07, f"{terms}: {words}", va="top", **style)


def _amount(size: int | None) -> str:
    if size is None:
        return "unknown"
    return f"{size / _GIB:.1f}" if size >= 0 else f"none, {-size / _GIB:.1f} short"


def _draw_box(axes: Axes, term: str, corner: tuple[float, float], size: tuple[float, float]) -> None:
    colour, hatch, _ = _STYLES[term]
    style: dict[str, Any] = {"facecolor": colour, "hatch": hatch, "edgecolor": _INK, "linewidth": 0.6}
    axes.add_patch(Rectangle(corner, *size, zorder=1, **style))


def _draw_key(axes: Axes, term: str, corner: tuple[float, float]) -> None:
    left, low = corner
    _draw_box(axes, term, (left, low + 0.02), (0.2, 0.12))
    axes.text(left + 0.27, low + 0.08, _STYLES[term][2], fontsize=8.5, va="center", color=_INK)
