"""Where a run's files go while the archive takes none: a full or read-only disk ends no launch.

They are filed by the end of the run where the disk has room again, else by the next run.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from opskit.files import make_folder
from opskit.paths import STATE

JOURNAL = "events.jsonl"
_FOLDER = "folder"
"""In a run's spool, the path of the folder that it is for."""

_told: set[Path] = set()


def _spools() -> tuple[Path, ...]:
    """Where runs are spooled, the better place first."""
    return (STATE / "spool", Path(tempfile.gettempdir()) / f"opskit-{os.getuid()}" / "spool")


def spooled(folder: Path) -> Iterator[Path]:
    """The folders in which something of a run waits to be filed."""
    return (spool / folder.name for spool in _spools() if (spool / folder.name).is_dir())


def write_file(folder: Path, name: str, write: Callable[[Path], object]) -> None:
    """Write a file of a run into its folder, else into a spool; where nothing takes it, that is told and no error.

    Args:
        folder: of the run.
        name: of the file.
        write: writes it at the path that it is given, or raises OSError. The journal is appended to, all else replaced.
    """
    begun = tuple(spooled(folder))
    order = (*begun, folder) if name == JOURNAL else (folder,)
    for place in dict.fromkeys((*order, *(spool / folder.name for spool in _spools()))):
        try:
            if place != folder:
                make_folder(place, 0o700)
                (place / _FOLDER).write_text(str(folder.absolute()), encoding="utf-8")
            write(place / name)
        except OSError as error:
            _tell(folder, f"{place / name}: {error.strerror or error}")
            continue
        for older in begun if place == folder else ():
            (older / name).unlink(missing_ok=True)
        return


def file_spooled(root: Path) -> tuple[Path, ...]:
    """Put what waits for an archive into its folders, and return them; what cannot be filed yet goes on waiting."""
    filed = []
    for spool in _spools():
        for waiting in sorted(spool.glob("*")) if spool.is_dir() else ():
            with contextlib.suppress(OSError):
                folder = Path((waiting / _FOLDER).read_text(encoding="utf-8"))
                if folder.is_relative_to(root):  # the system's folder holds what waits for other checkouts too
                    _file(waiting, folder)
                    filed.append(folder)
    return tuple(filed)


def _file(waiting: Path, folder: Path) -> None:
    make_folder(folder, 0o750)
    for path in waiting.iterdir():
        if path.name == JOURNAL:
            with (folder / JOURNAL).open("ab+") as sink:
                sink.seek(0, os.SEEK_END)
                if sink.tell() and not _ends_a_line(folder / JOURNAL):
                    sink.write(b"\n")
                sink.write(path.read_bytes())
        elif path.name != _FOLDER:
            shutil.copy(path, folder / path.name)
    shutil.rmtree(waiting)


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as source:
        source.seek(-1, os.SEEK_END)
        return source.read() == b"\n"


def _tell(folder: Path, fault: str) -> None:
    if folder not in _told:
        _told.add(folder)
        print(  # noqa: T201  it must be seen wherever the run is
            f"WARNING: {fault}. The run goes on. Its record waits elsewhere: {folder} gets it once there is room.",
            file=sys.stderr,
            flush=True,
        )
