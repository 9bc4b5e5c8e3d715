"""A line of a program's log or probe to the cause it is known for; pure but for reading the table beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_LAST = 20


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a program does not come up.

    Attributes:
        pattern: regular expression for its line.
        line: a recorded one.
        source: what prints it.
        general: whether programs that are well print it too, such as while they wait for another; then only the last
            lines tell.
        contract: whether it is a word of what the stack's own two images must do (docs/images.md).
    """

    cause: str
    pattern: str
    remedy: str
    line: str
    source: str
    general: bool = False
    contract: bool = False


@lru_cache(maxsize=1)
def read_causes() -> tuple[Cause, ...]:
    """The table, the special causes before the general ones."""
    import yaml  # noqa: PLC0415  `import opskit` is light, and a launch that goes well asks for no cause

    text = Path(__file__).with_name("causes.yaml").read_text(encoding="utf-8")
    return tuple(Cause(**entry) for entry in yaml.safe_load(text))


def find_cause(lines: Iterable[str], *, contract: bool = False) -> tuple[Cause, str] | None:
    """The first cause of the table that one of the lines tells, and the last such line; None where none is known.

    Args:
        lines: of a log, the oldest first.
        contract: look only for what an own image does against docs/images.md.
    """
    newest = tuple(lines)[::-1]
    for cause in (cause for cause in read_causes() if cause.contract or not contract):
        read = newest[:_LAST] if cause.general else newest
        line = next((line for line in read if re.search(cause.pattern, line)), None)
        if line is not None:
            return cause, line
    return None
