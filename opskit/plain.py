"""What programs write, as lines for people: no control characters, no line without an end; pure."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

LONGEST = 400
"""Characters of a line that are shown."""
_MOST = 50

# A terminal's sequences whole, then every other control character, those of C1 and those that turn the direction.
_CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-_]?"
    r"|[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


def plain_line(text: str) -> str:
    """One line without what would move a terminal, cut where it is too long; what was cut is told."""
    line = _CONTROL.sub("", text.expandtabs(4)).rstrip()
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}… ({len(line):,} characters)"


def plain_text(text: str) -> str:
    """Lines without what would move a terminal or turn the direction of what follows; none is cut."""
    return "\n".join(_CONTROL.sub("", line) for line in text.split("\n"))


def escape(text: str) -> str:
    """The same as HTML."""
    return html.escape(plain_text(text))


def plain_lines(lines: Iterable[str], *, most: int = _MOST) -> tuple[str, ...]:
    """The last lines that are not empty."""
    kept = tuple(line for text in lines if (line := plain_line(text)))
    return kept[-most:]
