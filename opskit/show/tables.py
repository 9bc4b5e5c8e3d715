"""Tables for the notebook (HTML) and the terminal (text): the same rows, the same words."""

from __future__ import annotations

import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opskit.preflight.finding import Report, Verdict

if TYPE_CHECKING:
    import pandas as pd

_WIDTH = 140

# Colours that stay apart for colour-blind readers and on both themes; the word is always there too.
_COLOURS = {Verdict.PASS: "#009e73", Verdict.SKIP: "#999999", Verdict.WARN: "#e69f00", Verdict.FAIL: "#d55e00"}
_TERMINAL = {Verdict.PASS: "green", Verdict.SKIP: "bright_black", Verdict.WARN: "yellow", Verdict.FAIL: "bold red"}
_CELL = "text-align:left;vertical-align:top;padding:2px 10px 2px 0;white-space:normal;overflow-wrap:anywhere"
_BADGE = (
    '<span style="background:#e69f00;color:#000;font-weight:bold;padding:1px 6px;border-radius:3px">REHEARSAL</span> '
)


@dataclass(frozen=True, slots=True)
class Table:
    """A titled table of text; a rehearsal's says so."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    rehearsal: bool = False

    def to_frame(self) -> pd.DataFrame:
        """The rows as a pandas DataFrame, one string column each."""
        import pandas as pd  # noqa: PLC0415  a second of import that only this needs

        return pd.DataFrame(list(self.rows), columns=list(self.columns))

    def _repr_html_(self) -> str:
        head = "".join(f'<th style="{_CELL}">{html.escape(column)}</th>' for column in self.columns)
        body = "".join("<tr>" + "".join(map(_html_cell, row)) + "</tr>" for row in self.rows)
        badge = _BADGE if self.rehearsal else ""
        return (
            f"<div>{badge}<b>{html.escape(self.title)}</b></div>"
            f'<table style="border-collapse:collapse"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        )

    def __str__(self) -> str:
        from rich.table import Table as RichTable  # noqa: PLC0415  only where a terminal shows it

        table = RichTable(*self.columns, title=_title(self.title, self.rehearsal), title_justify="left")
        for row in self.rows:
            table.add_row(*(_plain(cell) for cell in row))
        return _render(table)

    __repr__ = __str__


@dataclass(frozen=True, slots=True)
class FindingsTable:
    """A preflight report: one line that sums it up, then every finding, worst first, passes folded."""

    report: Report
    rehearsal: bool = False

    @property
    def summary(self) -> str:
        """How many of each verdict, the worst first."""
        counts = {verdict: sum(f.verdict is verdict for f in self.report.findings) for verdict in reversed(Verdict)}
        said = ", ".join(f"{count} {verdict.name}" for verdict, count in counts.items() if count)
        gate = f"the gate is closed by {len(self.report.stopping)}" if self.report.stopping else "the gate is open"
        return f"Preflight: {said}; {gate}"

    def to_frame(self) -> pd.DataFrame:
        """The findings as a pandas DataFrame, one row a finding, worst first."""
        return Table("", _COLUMNS, [_row(f) for f in self.report.findings]).to_frame()

    def _repr_html_(self) -> str:
        loud = [f for f in self.report.findings if f.verdict is not Verdict.PASS]
        quiet = [f for f in self.report.findings if f.verdict is Verdict.PASS]
        badge = _BADGE if self.rehearsal else ""
        parts = [f"<div>{badge}<b>{html.escape(self.summary)}</b></div>"]
        if loud:
            parts.append(_html_findings(loud))
        if quiet:
            parts.append(f"<details><summary>{len(quiet)} passed</summary>{_html_findings(quiet)}</details>")
        return "".join(parts)

    def __str__(self) -> str:
        from rich.table import Table as RichTable  # noqa: PLC0415  only where a terminal shows it

        table = RichTable(*_COLUMNS, title=_title(self.summary, self.rehearsal), title_justify="left")
        for finding in self.report.findings:
            first, *rest = _row(finding)
            table.add_row(f"[{_TERMINAL[finding.verdict]}]{first}[/]", *(_plain(cell) for cell in rest))
        return _render(table)

    __repr__ = __str__


_COLUMNS = ("verdict", "check", "subject", "found", "wanted", "remedy")


def _row(finding: object) -> tuple[str, ...]:
    return tuple(
        value.name if isinstance(value, Verdict) else str(value)
        for value in (getattr(finding, column) for column in _COLUMNS)
    )


def _html_findings(findings: Sequence[object]) -> str:
    head = "".join(f'<th style="{_CELL}">{column}</th>' for column in _COLUMNS)
    lines = []
    for finding in findings:
        verdict, *rest = _row(finding)
        colour = _COLOURS[Verdict[verdict]]
        word = f'<td style="{_CELL};color:{colour};font-weight:bold">{verdict}</td>'
        lines.append(f"<tr>{word}{''.join(map(_html_cell, rest))}</tr>")
    return (
        f'<table style="border-collapse:collapse"><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table>'
    )


def _html_cell(text: str) -> str:
    shown = html.escape(text)
    if text.startswith(("http://", "https://")):
        shown = f'<a href="{shown}" target="_blank" rel="noopener">{shown}</a>'
    return f'<td style="{_CELL}">{shown}</td>'


def _title(title: str, rehearsal: bool) -> str:
    return f"{'REHEARSAL  ' if rehearsal else ''}{_plain(title)}"


def _plain(text: str) -> str:
    from rich.markup import escape  # noqa: PLC0415  as above

    return escape(text)


def _render(table: object) -> str:
    from rich.console import Console  # noqa: PLC0415  as above

    sink = io.StringIO()
    Console(file=sink, width=_WIDTH, force_terminal=False).print(table)
    return sink.getvalue()
