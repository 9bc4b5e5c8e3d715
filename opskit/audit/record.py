"""The record of a run: what its journal says, told once and in order; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

SCHEMA = 1

_NOT_OURS = frozenset(
    {"kernel", "rehearsal engine", "images", "compose config", "compose", "containers", "disk use", "cleanup", "smoke"}
)
"""Not opskit's own work: papermill's kernel, the Engine, the images, Compose, the containers and their answers."""


def compose_record(
    start: Mapping[str, Any], events: Iterable[Mapping[str, Any]], *, ended_by: str | None, ended: float
) -> dict[str, Any]:
    """Put a run's record together.

    Args:
        start: who, host, when, act, environment, parameters, versions, `started` (Unix seconds).
        events: the journal, oldest first.
        ended_by: what ended the run early, such as `KeyboardInterrupt` or `DeadKernelError`; None for its own end.
        ended: Unix seconds.

    Returns:
        The record as JSON has it. `ok` is the recorder's: every cell ran to its end, and nothing ended the run early.
    """
    record: dict[str, Any] = {
        "schema": SCHEMA,
        **start,
        "rehearsal": start.get("rehearsal", False),
        "findings": [],
        "outcome": None,
        "ok": False,
    }
    seconds: dict[str, float] = {}
    for event in events:
        kind = event["kind"]
        if kind == "phase":
            seconds[event["phase"]] = round(seconds.get(event["phase"], 0.0) + event["seconds"], 3)
        elif kind in {"findings", "gpus"}:
            record[kind] = event["findings"]
        elif kind in {"outcome", "failure", "smoke", "volumes", "snapshot", "drill", "release", "upgrade", "lock"}:
            record[kind] = {key: value for key, value in event.items() if key not in {"kind", "at"}}
        elif kind == "preflight":
            record[kind] = event["environments"]
        elif kind == "verdict":
            record["exit_status"] = event["exit_status"]
        elif kind == "containers":
            record["containers"] = event["rows"]
        elif kind == "ended":
            record["ok"] = event["ok"] and ended_by is None
        elif kind == "facts":
            record["versions"] = {**record.get("versions", {}), **event["versions"]}
            record["rehearsal"] = event["rehearsal"]
            record["engine_id"] = event.get("engine_id")
    total = round(ended - start["started"], 3)
    known = sum(value for phase, value in seconds.items() if phase in _NOT_OURS)
    record["seconds"] = {**seconds, "total": total, "opskit": round(max(0.0, total - known), 3)}
    record["ended_by"] = ended_by
    return record
