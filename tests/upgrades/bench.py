"""An Engine of its own on a disk of its own, so that both can be interfered with, and nothing else on the machine is."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from opskit.rehearsal.daemon import Place, start_daemon, stop_daemon

_DISK_BYTES = 16 * 1024**3


@dataclass(frozen=True)
class Bench:
    """An Engine, and the disk that its data is on.

    Attributes:
        place: where it lives.
        disk: a mounted disk of 16 GiB, sparse.
    """

    place: Place
    disk: Path

    def restart(self) -> None:
        """Kill the Engine with all that is under it, and start it again: what a reboot does."""
        stop_daemon(self.place, grace_s=0)
        start_daemon(self.place, print)


@contextmanager
def fill(folder: Path) -> Iterator[None]:
    """Take all the room there is on a folder's disk, until the end of the block."""
    ballast = folder / "ballast"
    with ballast.open("ab", buffering=0) as sink:
        os.posix_fallocate(sink.fileno(), 0, max(shutil.disk_usage(folder).free - 4 * 1024**2, 1))  # at once
        for size in (1024**2, 512):
            with suppress(OSError):
                while sink.write(bytes(size)):
                    pass
    try:
        yield
    finally:
        ballast.unlink()


@contextmanager
def bench(folder: Path) -> Iterator[Bench]:
    """Start the Engine below a folder; it and its disk go with the block."""
    image, root = folder / "disk", folder / "engine"
    disk = root / "data"
    disk.mkdir(parents=True)
    with image.open("wb") as sink:
        sink.truncate(_DISK_BYTES)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, disk], check=True)
    place = Place(root)
    try:
        start_daemon(place, print)
        yield Bench(place, disk)
    finally:
        stop_daemon(place, grace_s=30)
        subprocess.run(["umount", disk], check=True)
