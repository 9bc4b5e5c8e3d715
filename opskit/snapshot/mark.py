"""A mark that stands while a set is put back: where the restore was killed, a start is refused until one ends well."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from opskit.files import make_folder, write_atomically
from opskit.paths import STATE


@contextmanager
def unfinished(project: str, name: str) -> Iterator[None]:
    """Mark the project's data as not whole until the block ends well. `name`: the set that is put back."""
    make_folder(STATE)
    write_atomically(_place(project), name)
    yield
    _place(project).unlink()


def read_unfinished(project: str) -> str:
    """The set that was not put back whole; empty where there is none."""
    place = _place(project)
    return place.read_text(encoding="utf-8").strip() if place.is_file() else ""


def _place(project: str) -> Path:
    return STATE / f"{project}.unfinished-restore"
