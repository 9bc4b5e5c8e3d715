"""Tables for the notebook (HTML) and the terminal (text): the same rows, the same words."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from opskit.plain import escape, plain_text
from opskit.preflight.finding import Finding, Verdict
from opskit.preflight.report import Report

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table as RichTable

_WIDTH = 120
"""Columns of text where nobody says how wide the terminal is."""

# A badge brings its own ground, so that it reads on a light and on a dark theme; the word is always there.
_BADGES = {
    "FAIL": ("#b3261e", "#ffffff"),
    "WARN": ("#ffb300", "#000000"),
    "SKIP": ("#616161", "#ffffff"),
    "PASS": ("#1b7f4b", "#ffffff"),
    "REHEARSAL": ("#ffb300", "#000000"),
}
_STYLES = {Verdict.FAIL: "bold red", Verdict.WARN: "yellow", Verdict.SKIP: "cyan", Verdict.PASS: "green"}
_CELL = "text-align:left;vertical-align:top;padding:2px 12px 2px 0"
_EVIDENCE_LINES = 5
_WORD, _SHORT = 12, 26
"""Letters up to which a cell never breaks, and up to which it does not where the page is wide; a path may anywhere."""

_TAG = re.compile(r"<[^>]+>")
_CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, slots=True, repr=False)
class Table:
    """A titled table of text; a rehearsal's says so."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    rehearsal: bool = False

    def plain(self) -> dict[str, object]:
        """The table as JSON has it: a row is an object by its columns."""
        rows = [dict(zip(self.columns, row, strict=True)) for row in self.rows]
        return {"title": self.title, "rehearsal": self.rehearsal, "rows": rows}

    def _repr_html_(self) -> str:
        body = (
            _html_table(self.columns, (map(_html_text, row) for row in self.rows)) if self.rows else "<div>none</div>"
        )
        return f"<div>{_html_title(self.title, self.rehearsal)}{body}</div>"

    def __rich__(self) -> RenderableType:
        from rich.console import Group  # noqa: PLC0415  only where a terminal shows it
        from rich.text import Text  # noqa: PLC0415

        table = _rich_table(self.columns)
        for row in self.rows:
            table.add_row(*(Text(plain_text(cell)) for cell in row))
        return Group(_rich_title(self.title, self.rehearsal), table if self.rows else Text("none"))

    def __str__(self) -> str:
        return _plain(self)

    __repr__ = __str__


@dataclass(frozen=True, slots=True, repr=False)
class FindingsTable:
    """A report: one line that sums it up, then every finding, worst first; in HTML the passes are folded.

    Attributes:
        title: of one that blocks no launch; empty for a preflight.
    """

    report: Report
    rehearsal: bool = False
    title: str = ""

    @property
    def summary(self) -> str:
        """How many of each verdict, the worst first, and whether a start may go on."""
        said = [f.verdict for f in self.report.findings]
        counts = ", ".join(f"{said.count(v)} {v.name}" for v in sorted(set(said), reverse=True)) or "nothing to check"
        if self.title:
            return f"{self.title}: {counts}"
        stopping = len(self.report.stopping)
        verb = "block" if stopping > 1 else "blocks"
        return f"Preflight: {counts}; {stopping or 'nothing'} {verb} the launch"

    def plain(self) -> dict[str, object]:
        """The findings as JSON has them, worst first."""
        rows = [{**asdict(finding), "verdict": finding.verdict.name} for finding in self.report.findings]
        return {"title": self.summary, "rehearsal": self.rehearsal, "rows": rows}

    def _repr_html_(self) -> str:
        loud = [f for f in self.report.findings if f.verdict is not Verdict.PASS]
        quiet = [f for f in self.report.findings if f.verdict is Verdict.PASS]
        parts = [_html_title(self.summary, self.rehearsal)]
        if loud:
            parts.append(_html_findings(loud))
        if quiet:
            parts.append(f"<details><summary>{len(quiet)} passed</summary>{_html_findings(quiet)}</details>")
        return f"<div>{''.join(parts)}</div>"

    def __rich__(self) -> RenderableType:
        from rich.console import Group  # noqa: PLC0415  only where a terminal shows it
        from rich.text import Text  # noqa: PLC0415

        table = _rich_table(("verdict", "check", "subject", "found, wanted, remedy"))
        for finding in self.report.findings:
            verdict = Text(finding.verdict.name, style=_STYLES[finding.verdict])
            cells = (finding.check, finding.subject, "\n".join(_said(finding)))
            table.add_row(verdict, *(Text(plain_text(cell)) for cell in cells))
        return Group(_rich_title(self.summary, self.rehearsal), table if self.report.findings else Text("none"))

    def __str__(self) -> str:
        return _plain(self)

    __repr__ = __str__


def to_html(table: Table | FindingsTable) -> str:
    """The table as JupyterLab shows it."""
    return table._repr_html_()


def _said(finding: Finding) -> Iterable[str]:
    """What a terminal shows of a finding, line by line: of a pass only what was found."""
    yield finding.found
    if finding.evidence:
        more = len(finding.evidence) - _EVIDENCE_LINES
        yield from (f"  {line}" for line in finding.evidence[:_EVIDENCE_LINES])
        if more > 0:
            yield f"  … {more} more lines are in the record"
    if finding.verdict is not Verdict.PASS:
        yield f"wanted: {finding.wanted}"
        yield f"remedy: {_remedy(finding)}"


def _remedy(finding: Finding) -> str:
    return f"accepted by {finding.accepted_by}; {finding.remedy}" if finding.accepted_by is not None else finding.remedy


def _html_findings(findings: Iterable[Finding]) -> str:
    rows = (
        (
            _badge(f.verdict.name),
            f"<div>{_html_text(f.check)}</div><div>{_html_text(f.subject)}</div>",
            _html_found(f),
        )
        for f in findings
    )
    return _html_table(("verdict", "check, subject", "found, wanted, remedy"), rows)


def _html_found(finding: Finding) -> str:
    """One under another: a column of its own would push the remedy out of a narrow window."""
    found = f"<div>{_html_text(finding.found)}</div><div>wanted: {_html_text(finding.wanted)}</div>"
    if remedy := _remedy(finding):
        found += f"<div>remedy: {_html_text(remedy)}</div>"
    if not finding.evidence:
        return found
    lines = escape("\n".join(finding.evidence))
    folded = f'<pre style="white-space:pre-wrap;overflow-wrap:anywhere;margin:0">{lines}</pre>'
    return f"{found}<details><summary>{len(finding.evidence)} lines of evidence</summary>{folded}</details>"


def _html_table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f'<th style="{_CELL}">{escape(column)}</th>' for column in columns)
    lines = ("".join(map(_html_cell, row)) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return scroll(
        '<table style="border-collapse:collapse;margin:4px 0">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def scroll(shown: str) -> str:
    """What may be wider than the page moves under it, by the keyboard too."""
    return f'<div style="overflow-x:auto" tabindex="0">{shown}</div>'


def _html_cell(cell: str) -> str:
    text = max(html.unescape(_TAG.sub("\n", cell)).split("\n"), key=len)
    wrap = "white-space:nowrap"
    if len(text) > _WORD:
        wide = len(text) + sum(map(str.isupper, text)) // 4 if len(text) <= _SHORT else _SHORT // 2
        wrap = f"white-space:normal;overflow-wrap:anywhere;min-width:min({wide}ch,20vw)"
    return f'<td style="{_CELL};{wrap}">{cell}</td>'


def _html_title(title: str, rehearsal: bool) -> str:
    return f"<div>{_badge('REHEARSAL') + ' ' if rehearsal else ''}<b>{escape(title)}</b></div>"


def _html_text(text: str) -> str:
    """Text as HTML: an address is a link, what stands in backticks is code."""
    shown = escape(text)
    if text.startswith(("http://", "https://")):
        return f'<a href="{shown}" target="_blank" rel="noopener">{shown}</a>'
    return _CODE.sub(r"<code>\1</code>", shown)


def _badge(word: str) -> str:
    ground, letters = _BADGES[word]
    style = f"background-color:{ground};color:{letters};font-weight:bold;padding:1px 6px;border-radius:3px"
    return f'<span style="{style}">{word}</span>'


def _rich_table(columns: Iterable[str]) -> RichTable:
    from rich import box  # noqa: PLC0415  as above
    from rich.table import Table as RichTable  # noqa: PLC0415

    table = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(plain_text(column), overflow="fold")  # a command that is cut is no remedy
    return table


def _rich_title(title: str, rehearsal: bool) -> RenderableType:
    from rich.text import Text  # noqa: PLC0415  as above

    title = plain_text(title)
    return Text.assemble(("REHEARSAL", "black on yellow"), "  ", title) if rehearsal else Text(title)


def _plain(shown: RenderableType) -> str:
    from rich.console import Console  # noqa: PLC0415  as above

    sink = io.StringIO()
    Console(file=sink, force_jupyter=False, width=_WIDTH, color_system=None).print(shown)
    return "\n".join(line.rstrip() for line in sink.getvalue().splitlines())
