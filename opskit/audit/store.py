"""A run's `record.json`: begun before anything else, replaced whole at the end."""

from __future__ import annotations

import json
import platform
import socket
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from opskit.audit.journal import Journal, read_journal
from opskit.audit.record import compose_record
from opskit.audit.spool import write_file
from opskit.files import write_atomically
from opskit.paths import login

STILL_RUNNING = "still running"
"""What a record says ended a run that has not told of its end."""

_NAME = "record.json"


def begin_record(act: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Who runs what, where, when and with which versions."""
    packages = ("opskit", "papermill", "docker", "jupyterlab", "nvidia-ml-py")
    now = time.time()
    return {
        "act": act,
        "environment": parameters.get("env"),
        "who": login(),
        "host": socket.gethostname(),
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
        "started": round(now, 3),
        "parameters": dict(parameters),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
    }


def write_record(folder: Path, start: Mapping[str, Any], *, ended_by: str | None) -> None:
    """Write the record of a run that began so; what the journal says by now is in it."""
    record = compose_record(start, read_journal(folder), ended_by=ended_by, ended=time.time())
    text = json.dumps(record, indent=2) + "\n"
    write_file(folder, _NAME, lambda path: write_atomically(path, text))


def tell_interrupt(journal: Journal) -> None:
    """The outcome of a run that was interrupted before its first cell."""
    said = "interrupted before the notebook began; nothing was changed"
    failure = {"kind": "cancelled", "service": None, "message": said, "evidence": (), "remedy": "run it again"}
    journal.write("outcome", failures=[failure])
    journal.write("failure", message=said)
