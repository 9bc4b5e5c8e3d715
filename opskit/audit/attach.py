"""Runs of other processes that have not ended: found by their records, followed and ended from any panel."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opskit.audit.history import read_runs_of
from opskit.audit.store import STILL_RUNNING, is_dead


@dataclass(frozen=True, slots=True)
class Attached:
    """A recorded run of another process of this machine; what a panel needs of one.

    Attributes:
        record: its record.json, as it was begun.
    """

    folder: Path
    record: Mapping[str, Any]

    @property
    def act(self) -> str:
        """The notebook's name."""
        return str(self.record["act"])

    @property
    def began(self) -> float:
        """Unix seconds."""
        return float(self.record["started"])

    @property
    def rehearsal(self) -> bool:
        """Whether it is one."""
        return bool(self.record["rehearsal"])

    def poll(self) -> int | None:
        """None while it runs; its exit status is its own parent's, and its journal says how it ended."""
        return 0 if is_dead(self.record) else None

    def interrupt(self) -> None:
        """Ask it to end, as Ctrl-C does; one that has ended by then is left alone."""
        if not is_dead(self.record):
            with suppress(ProcessLookupError):
                os.kill(int(self.record["pid"]), signal.SIGINT)

    def tail(self, lines: int) -> tuple[str, ...]:
        """The last lines it said, where a panel started it."""
        try:
            text = (self.folder / "log").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ()
        return tuple(text.splitlines()[-lines:])


def find_running(root: Path, environment: str) -> Attached | None:
    """The newest start, stop or restart of an environment that runs on this machine; None where none does.

    Args:
        root: the folder of the records.
        environment: its name.
    """
    for folder, record in read_runs_of(root, environment):
        ours = record.get("act") in {"start", "stop", "restart"}
        here = record.get("host") == socket.gethostname() and "pid" in record
        if ours and here and record.get("ended_by") == STILL_RUNNING and not is_dead(record):
            return Attached(folder, record)
    return None
