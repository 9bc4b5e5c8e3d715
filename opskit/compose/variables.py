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


def parse_demanded(texts: Iterable[str]) -> frozenset[str]:
    """Names in `${NAME:?…}`."""
    return _names(_DEMANDED, texts)


def parse_used(texts: Iterable[str]) -> frozenset[str]:
    """Every name that these are interpolated with."""
    return _names(_USED, texts)


def read_demanded(files: Iterable[Path]) -> frozenset[str]:
    """Names in `${NAME:?…}` of the files and of those they extend."""
    return parse_demanded(read_texts(files).values())


def read_used(files: Iterable[Path]) -> frozenset[str]:
    """Every name the files, and those they extend, are interpolated with."""
    return parse_used(read_texts(files).values())


def _names(pattern: re.Pattern[str], texts: Iterable[str]) -> frozenset[str]:
    return frozenset(name for text in texts for name in pattern.findall(_COMMENT.sub("", text)))
