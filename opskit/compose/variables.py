"""The texts of Compose files and the variables they demand, since Compose stops at the first one missing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

_DEMANDED = re.compile(r"(?<!\$)\$\{([A-Za-z_][A-Za-z0-9_]*):?\?")
_USED = re.compile(r"(?<!\$)\$\{?([A-Za-z_][A-Za-z0-9_]*)")
_EXTENDED = re.compile(r"\bfile:\s*[\"']?([\w./-]+\.ya?ml)")
_COMMENT = re.compile(r"^\s*#.*$", re.MULTILINE)


def read_texts(files: Iterable[Path]) -> Mapping[Path, str]:
    """The texts of the files and of those they extend; a file that is not there is left to Compose."""
    texts: dict[Path, str] = {}
    todo = [file.resolve() for file in files]
    while todo:
        file = todo.pop()
        if file not in texts and file.is_file():
            texts[file] = file.read_text(encoding="utf-8")
            todo += [(file.parent / other).resolve() for other in _EXTENDED.findall(_COMMENT.sub("", texts[file]))]
    return texts


def read_demanded(files: Iterable[Path]) -> frozenset[str]:
    """Names in `${NAME:?…}` of the files and of those they extend."""
    return frozenset(name for text in read_texts(files).values() for name in _DEMANDED.findall(_COMMENT.sub("", text)))


def read_used(files: Iterable[Path]) -> frozenset[str]:
    """Every name the files, and those they extend, are interpolated with."""
    return frozenset(name for text in read_texts(files).values() for name in _USED.findall(_COMMENT.sub("", text)))
