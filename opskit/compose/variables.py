"""The variables that Compose files demand: read from their text, since Compose stops at the first one missing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

_DEMANDED = re.compile(r"(?<!\$)\$\{([A-Za-z_][A-Za-z0-9_]*):?\?")
_EXTENDED = re.compile(r"\bfile:\s*[\"']?([\w./-]+\.ya?ml)")


def read_demanded(files: Iterable[Path]) -> frozenset[str]:
    """Names in `${NAME:?…}` of the files and of those they extend; a file that is not there is left to Compose."""
    names: set[str] = set()
    seen: set[Path] = set()
    todo = [file.resolve() for file in files]
    while todo:
        file = todo.pop()
        if file in seen or not file.is_file():
            continue
        seen.add(file)
        text = re.sub(r"^\s*#.*$", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
        names.update(_DEMANDED.findall(text))
        todo += [(file.parent / other).resolve() for other in _EXTENDED.findall(text)]
    return frozenset(names)
