"""A mark that stands while an environment is upgraded: what a run that was killed leaves of the way back."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from opskit.files import make_folder, write_atomically
from opskit.paths import STATE


@dataclass(frozen=True, slots=True)
class Mark:
    """Where an upgrade goes back to.

    Attributes:
        release: the id of the one that ran.
        snapshot: the set of the data it ran on; empty where there was no data.
        run: the name of the run that upgrades.
    """

    release: str
    snapshot: str
    run: str = ""


def set_mark(project: str, mark: Mark) -> None:
    """Say that an upgrade of the project has begun."""
    make_folder(STATE)
    write_atomically(_place(project), json.dumps(asdict(mark)))


def read_mark(project: str) -> Mark | None:
    """The upgrade of the project that was begun and has not ended; None where there is none."""
    place = _place(project)
    return Mark(**json.loads(place.read_text(encoding="utf-8"))) if place.is_file() else None


def remove_mark(project: str) -> None:
    """Say that it has ended, one way or the other."""
    _place(project).unlink(missing_ok=True)


def _place(project: str) -> Path:
    return STATE / f"{project}.unfinished-upgrade"
