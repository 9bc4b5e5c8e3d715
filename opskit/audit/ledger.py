"""The ledger of the archive: a line when a run begins and when it ends, each with the hash of the line before it.

It tells an archive that was altered from one that was not. Who may write the ledger may write a new one as a whole: its
newest hash goes to the system's log too, where `verify` is given it.
"""

from __future__ import annotations

import hashlib
import json
import os
import syslog
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock

from opskit.files import make_folder, share

NAME = "ledger.jsonl"
_LOCK = ".ledger.lock"
_FIRST = "0" * 64
_LOCK_S = 10.0
_BLOCK = 1 << 16
_OPEN = frozenset({"log"})
"""What the terminal showed of a run of the panel: written to after the run's end."""


def add_line(root: Path, folder: Path, event: str) -> str:
    """Append what happened to a run, and at its end the hash of each of its files. Returns the newest hash.

    Args:
        root: of the archive.
        folder: of the run, in it.
        event: `begin`, `end`, or `filed` where its files came later.

    Raises:
        OSError: the ledger cannot be written.
    """
    make_folder(root)
    with FileLock(root / _LOCK, timeout=_LOCK_S, mode=0o666):
        path = root / NAME
        last = _last_line(path)
        entry = {
            "at": round(time.time(), 3),
            "run": folder.relative_to(root).as_posix(),
            "event": event,
            "files": {} if event == "begin" else hash_files(folder),
            "previous": hash_of(last) if last else _FIRST,
        }
        line = json.dumps(entry, sort_keys=True)
        with path.open("a", encoding="utf-8") as sink:
            if not last:
                share(path)
            sink.write(line + "\n")
    head = hash_of(line.encode())
    syslog.syslog(syslog.LOG_NOTICE, f"opskit ledger {root}: {entry['run']} {event} {head}")
    return head


def _last_line(path: Path) -> bytes:
    """The last line of a file that may be long; empty where there is none."""
    if not path.exists():
        return b""
    with path.open("rb") as source:
        at, data = source.seek(0, os.SEEK_END), b""
        while at and b"\n" not in data[:-1]:  # its own end, and that of the line before it
            at = max(0, at - _BLOCK)
            source.seek(at)
            data = source.read()
    return data.splitlines()[-1] if data else b""


def hash_of(data: bytes) -> str:
    """SHA-256, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def hash_files(folder: Path) -> dict[str, str]:
    """The hash of each file in a run's folder, by name."""
    paths = sorted(folder.iterdir()) if folder.is_dir() else ()
    return {path.name: hash_of(path.read_bytes()) for path in paths if path.is_file() and path.name not in _OPEN}


def verify(root: Path, *, head: str = "") -> Iterator[str]:
    """Every place where the archive is not what its ledger says, the ledger's own lines first.

    Args:
        root: of the archive.
        head: the newest hash as the system's log has it; empty leaves a ledger that lost its last lines unnoticed.
    """
    path = root / NAME
    lines = path.read_bytes().splitlines() if path.exists() else []
    previous, sealed, known = _FIRST, dict[str, dict[str, str]](), set[str]()
    for number, line in enumerate(lines, start=1):
        entry = _read(line)
        if entry is None:
            yield f"{path}:{number}: found a line that is no entry; wanted what opskit wrote"
            return
        if entry["previous"] != previous:
            yield f"{path}:{number}: does not follow the line before it: one of the two was changed, removed or moved"
            return
        previous = hash_of(line)
        known.add(entry["run"])
        if entry["event"] != "begin":
            sealed[entry["run"]] = entry["files"]
    if head and previous != head:
        yield f"{path}: its last line is not the one of {head}: lines are missing at the end, or the last was changed"
    for run, files in sealed.items():
        yield from _compare(root / run, files)
    for folder in _runs(root):
        run = folder.relative_to(root).as_posix()
        if run not in known and run >= min(known, default=""):
            yield f"{folder}: a run that the ledger does not know: it was added, or moved here"


def older_runs(root: Path) -> int:
    """How many runs are older than the ledger: it cannot tell of them."""
    with (root / NAME).open("rb") as source:
        first = _read(source.readline()) or {"run": ""}
    return sum(folder.relative_to(root).as_posix() < first["run"] for folder in _runs(root))


def _runs(root: Path) -> list[Path]:
    return sorted(folder for folder in root.glob("[0-9]*/[0-9]*/*") if folder.is_dir())


def _read(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    wanted = {"at", "run", "event", "files", "previous"}
    return entry if isinstance(entry, dict) and entry.keys() == wanted and isinstance(entry["files"], dict) else None


def _compare(folder: Path, files: dict[str, str]) -> Iterator[str]:
    there = hash_files(folder)
    for name in sorted(files.keys() | there.keys()):
        if name not in there:
            yield f"{folder / name}: was removed"
        elif name not in files:
            yield f"{folder / name}: was added"
        elif files[name] != there[name]:
            yield f"{folder / name}: was changed"
