"""A run's folder and its journal: one JSON line per event, written as it happens, read by those who watch."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from opskit.audit.spool import JOURNAL, spooled, write_file
from opskit.errors import ConfigError
from opskit.files import make_folder, share, write_atomically

RUN_FOLDER = "OPSKIT_RUN_FOLDER"
"""The variable by which the kernel of a recorded run learns its folder."""


def open_run_folder(root: Path, *, environment: str, act: str) -> Path:
    """Make `<root>/<yyyy>/<mm>/<utc time>-<environment>-<act>/`; a second one in the same second gets a number.

    Raises:
        ConfigError: it cannot be made, and not for want of room; without a record nothing is done.
    """
    now = time.gmtime()
    word = re.sub(r"[^A-Za-z0-9_-]+", "-", environment) or "none"
    stem = f"{time.strftime('%Y%m%dT%H%M%SZ', now)}-{word}-{act}"
    month = root / time.strftime("%Y", now) / time.strftime("%m", now)
    number, folder = 1, month / stem
    try:
        make_folder(month)
        while True:
            folder = month / (stem if number == 1 else f"{stem}-{number}")
            try:
                folder.mkdir(mode=0o750)
            except FileExistsError:
                number += 1
                continue
            share(folder)
            return folder
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EROFS}:
            return folder  # each file goes to the spool
        raise ConfigError(
            f"making a run's folder in {root}: {error.strerror or error}; wanted one that this user may write to. "
            f"Remedy: look at `ls -ld {root.parent} {root}` and `findmnt -T {root.parent}`; nothing was started."
        ) from None


class Journal:
    """Appends events to a run's journal; without a folder (a notebook tried out by hand) it keeps nothing."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    @classmethod
    def of_this_run(cls) -> Journal:
        """The journal of the recorded run this process is the kernel of, if it is one."""
        folder = os.environ.get(RUN_FOLDER)
        return cls(Path(folder) if folder else None)

    @property
    def run(self) -> str:
        """The run's name; empty where nothing is kept."""
        return self.folder.name if self.folder else ""

    def write(self, kind: str, **data: object) -> None:
        """Append one event of that kind; `at` is Unix time in seconds."""
        if self.folder is None:
            return
        line = json.dumps({"at": round(time.time(), 3), "kind": kind, **{k: plain(v) for k, v in data.items()}})

        def append(path: Path) -> None:
            with path.open("ab", buffering=0) as sink:
                size, data = sink.seek(0, os.SEEK_END), line.encode() + b"\n"
                if sink.write(data) < len(data):  # a disk that fills up takes a part
                    os.ftruncate(sink.fileno(), size)
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        write_file(self.folder, JOURNAL, append)

    def volumes_written(self) -> bool:
        """Whether this run has said already which volumes it left: it is past its wipe."""
        return self.folder is not None and any(event["kind"] == "volumes" for event in read_journal(self.folder))

    def keep(self, name: str, text: str) -> None:
        """Write a file beside the journal."""
        if self.folder is not None:
            write_file(self.folder, name, lambda path: write_atomically(path, text))


@contextlib.contextmanager
def phase(journal: Journal, name: str) -> Iterator[None]:
    """Tell the journal that a phase began, and how many seconds it took."""
    journal.write("phase_started", phase=name)
    began = time.monotonic()
    try:
        yield
    finally:
        journal.write("phase", phase=name, seconds=round(time.monotonic() - began, 3))


def note(journal: Journal, text: str) -> None:
    """Tell a step that takes time while it is taken: in the journal, and on the terminal or under the cell."""
    journal.write("note", text=text)
    print(text, flush=True)  # noqa: T201  that is what it is for


def plain(value: object) -> Any:  # noqa: ANN401  JSON is any
    """Dataclasses, enums, paths and tuples as JSON has them; a value it does not know becomes its text."""
    if is_dataclass(value) and not isinstance(value, type):
        return {key: plain(item) for key, item in asdict(value).items()}
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value if not isinstance(value, float) or math.isfinite(value) else None  # JSON has no NaN
    return str(value)


def read_journal(folder: Path, *, skip: int = 0) -> tuple[dict[str, Any], ...]:
    """The events after the first `skip`; a last line still being written is left for the next look.

    A line that is no event (a full disk leaves half of one, and the next is written behind it) is one of kind
    `unreadable`, so that one bad line hides neither the others nor itself.
    """
    places = (folder, *spooled(folder))
    return tuple(event for place in places for event in _events(place / JOURNAL))[skip:]


def _events(path: Path) -> Iterator[dict[str, Any]]:
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True):
        if line.endswith("\n"):
            yield _event(line)


def _event(line: str) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except json.JSONDecodeError:
        event = None
    if isinstance(event, dict) and isinstance(event.get("kind"), str) and isinstance(event.get("at"), int | float):
        return event
    return {"kind": "unreadable", "line": line}
