"""What the GPUs do now: HTML rows for the live panel, a table for the record; pure."""

from __future__ import annotations

import html
from collections.abc import Sequence

from opskit.gpu.model import GpuUnavailable
from opskit.gpu.sample import Gauge, Live, Row, spread
from opskit.show.tables import Table

_DASH = "\u2013"
_LEAST = 0.001
_FILL = "#2f86c6"
"""Three to one and more against white and against JupyterLab's dark; the number above the bar says the same."""

_BOX = "font-family:var(--jp-ui-font-family,sans-serif);color:var(--jp-ui-font-color1,inherit);line-height:1.5"
_CELL = "padding:3px 12px 3px 0;text-align:left;vertical-align:top;white-space:nowrap;font-variant-numeric:tabular-nums"
_BAR = "width:96px;height:7px;border:1px solid currentColor;border-radius:3px;overflow:hidden;margin-top:2px"
_GONE = "no longer answers; sudo dmesg says why, look for Xid"


def format_figure(value: float | None) -> str:
    """Three digits or three decimals, whichever is shorter; a little is not nothing, and a dash is not known."""
    if value is None:
        return _DASH
    if 0 < value < _LEAST:
        return f"<{_LEAST:g}"
    return f"{value:.0f}" if value >= 100 else f"{round(value, 3):.3g}"  # noqa: PLR2004  three digits


def draw_live(live: Live) -> str:
    """A row for each GPU: its name, and each figure as a number over a bar; what is not known is a dash."""
    labels = next(([gauge.label for gauge in row.gauges] for row in live.rows if row.gauges), [])
    head = "".join(f'<th style="{_CELL}">{html.escape(label)}</th>' for label in ["GPU", *labels])
    rows = "".join(_draw_row(row, len(labels)) for row in live.rows)
    notes = "".join(f"<div>{html.escape(note)}</div>" for note in live.notes)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>" if live.rows else "No GPU answers."
    return f'<div style="{_BOX}">{table}{notes}</div>'


def draw_unavailable(found: GpuUnavailable) -> str:
    """Why there is nothing to show, and what to do."""
    return (
        f'<div style="{_BOX}"><b>No GPU</b>: {html.escape(found.reason)}<br>remedy: {html.escape(found.remedy)}</div>'
    )


def _draw_row(row: Row, columns: int) -> str:
    title = f'<td style="{_CELL};white-space:normal;min-width:16ch">{html.escape(row.title)}</td>'
    if row.sample is None:
        return f'<tr>{title}<td style="{_CELL}" colspan="{columns or 1}"><b>{html.escape(_GONE)}</b></td></tr>'
    return f"<tr>{title}{''.join(map(_draw_gauge, row.gauges))}</tr>"


def _draw_gauge(gauge: Gauge) -> str:
    if gauge.value is None:
        return f'<td style="{_CELL}" title="not known">{_DASH}</td>'
    of = f" of {format_figure(gauge.full)}" if gauge.full and gauge.unit != "%" else ""
    words = html.escape(f"{format_figure(gauge.value)}{of} {gauge.unit}")
    if not gauge.full:
        return f'<td style="{_CELL}">{words}</td>'
    percent = min(100.0, 100 * gauge.value / gauge.full)
    fill = f'<div style="width:{percent:.1f}%;height:100%;background:{_FILL}"></div>'
    return f'<td style="{_CELL}">{words}<div aria-hidden="true" style="{_BAR}">{fill}</div></td>'


def tabulate_live(lives: Sequence[Live], interval_s: float, *, ended: GpuUnavailable | None = None) -> Table:
    """The least, the median and the most of each figure; a rate needs two samples, so it is known once less.

    Args:
        lives: as they were sampled.
        interval_s: between two of them.
        ended: why there are no more of them.
    """
    rows = [
        (s.title, f"{s.label}, {s.unit}", *map(format_figure, (s.low, s.median, s.high)), f"{s.known} of {len(lives)}")
        for s in spread(lives)
    ]
    gone = {row.title: _GONE for live in lives for row in live.rows if row.sample is None}
    notes = dict.fromkeys(note for live in lives for note in live.notes)
    said = [
        *([("all", f"{ended.reason}; {ended.remedy}", *[""] * 4)] if ended else []),
        *((title, word, *[""] * 4) for title, word in gone.items()),
        *(("note", note, *[""] * 4) for note in notes),
    ]
    title = f"{len(lives)} samples, {interval_s:g} s apart"
    return Table(title, ("GPU", "figure", "min", "median", "max", "known"), [*rows, *said])
