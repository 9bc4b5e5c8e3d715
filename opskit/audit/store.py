"""A run's `record.json`: begun before anything else, replaced whole at the end."""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
from filelock import Timeout

from opskit.audit.history import read_records
from opskit.audit.journal import Journal, read_journal
from opskit.audit.ledger import add_line
from opskit.audit.origin import BEGUN, read_boot_id
from opskit.audit.record import compose_record
from opskit.audit.spool import file_spooled
from opskit.paths import AUDIT

STILL_RUNNING = "still running"
"""What a record says ended a run that has not told of its end."""

_NAME = "record.json"
KILLED = "killed, or the machine lost power; closed by a later run"
_DAY_S = 86_400.0


def write_record(folder: Path, start: Mapping[str, Any], *, ended_by: str | None) -> None:
    """Write the record of a run that began so; what the journal says by now is in it."""
    record = compose_record(start, read_journal(folder), ended_by=ended_by, ended=time.time())
    Journal(folder).keep(_NAME, json.dumps(record, indent=2) + "\n")


def tell_interrupt(journal: Journal) -> None:
    """The outcome of a run that was interrupted before its first cell."""
    said = "interrupted before the notebook began; nothing was changed"
    failure = {"kind": "cancelled", "service": None, "message": said, "evidence": (), "remedy": "run it again"}
    journal.write("outcome", failures=[failure])
    journal.write("failure", message=said)


def close_dead(root: Path) -> None:
    """Close the records of runs that ended without a word: killed, or power was lost. What waits is filed first."""
    seal(None, "")
    for folder, record in read_records(root):
        if record.get("ended_by") == STILL_RUNNING and is_dead(record):
            start = {key: value for key, value in record.items() if key in BEGUN}
            write_record(folder, start, ended_by=KILLED)
            seal(folder, "end")


def is_dead(record: Mapping[str, Any]) -> bool:
    """Whether the process of a run is known to have ended; of another machine's nothing is known."""
    if record.get("host") != socket.gethostname():
        return False
    if "pid" not in record:  # of an older opskit
        return time.time() - float(record["started"]) > _DAY_S
    if record["boot_id"] != read_boot_id():
        return True
    try:
        process = psutil.Process(record["pid"])
        return process.create_time() > float(record["started"]) + 1 or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def seal(folder: Path | None, event: str) -> None:
    """File what waits, and tell the ledger of a run's begin or end; where it cannot be written, that is told."""
    try:
        for filed in file_spooled(AUDIT):
            if filed != folder:
                add_line(AUDIT, filed, "filed")
        if folder is not None and folder.is_relative_to(AUDIT):
            add_line(AUDIT, folder, event)
    except (OSError, Timeout) as error:
        print(f"WARNING: the ledger of {AUDIT} is not complete: {error}", file=sys.stderr)  # noqa: T201
