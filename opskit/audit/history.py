"""What the records of earlier runs tell of a project: its services, and how long a launch of it takes."""

from __future__ import annotations

import contextlib
import json
import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_LAUNCHES = 5
"""Earlier launches that an expected duration is the median of."""


def read_records(root: Path, act: str = "", *, most: int = 200) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Folder and record of earlier runs, the newest first; a record that cannot be read is none.

    Args:
        root: the folder of the records.
        act: what the folders' names end in, but for a number; empty takes all runs.
        most: folders that are looked at, at most.
    """
    folders = sorted(root.glob(f"*/*/*{act}*"), key=lambda folder: folder.name, reverse=True)
    for folder in folders[:most]:
        with contextlib.suppress(OSError, ValueError):
            record = json.loads((folder / "record.json").read_text(encoding="utf-8"))
            if isinstance(record, dict):
                yield folder, record


def read_runs_of(root: Path, environment: str, *, most: int = 20) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Folder and record of one environment's runs, the newest first. `most`: folders that are looked at, at most."""
    for folder, record in read_records(root, f"-{environment}-", most=most):
        if record.get("environment") == environment:
            yield folder, record


def read_launches(root: Path, project: str, *, most: int = 200) -> Iterator[Mapping[str, Any]]:
    """The outcomes of a project's launches that came to ready, the newest first; a record that cannot be read is none.

    Args:
        root: the folder of the records.
        project: the Compose project.
        most: records that are read at most.
    """
    for _, record in read_records(root, "-start", most=most):
        outcome = record.get("outcome") or {}
        if record.get("ok") and outcome.get("project") == project:
            yield outcome


def launched_services(root: Path, project: str) -> frozenset[str]:
    """The services of its last launch that came to ready; none where no record tells."""
    outcome = next(read_launches(root, project), {})
    return frozenset(entry["service"] for entry in outcome.get("services") or ())


def launched_volumes(root: Path, environment: str, *, project: str, engine: str) -> Mapping[str, Any]:
    """The project's volumes after its last launch that came to ready on an Engine; none after a wipe.

    Returns:
        `names` of the volumes, and `fingerprints` of the secrets of their data; empty where no record tells.

    Args:
        root: the folder of the records.
        environment: whose records are read.
        project: the Compose project.
        engine: the Engine's id; another has other volumes.
    """
    for _, record in read_records(root, f"-{environment}-"):
        volumes = record.get("volumes") or {}
        if record.get("engine_id") == engine and volumes.get("project") == project:
            return dict(volumes)
    return {}


def expected_seconds(root: Path, project: str) -> float | None:
    """The median of its last launches that created something; None where there was none."""
    seconds = [float(o["seconds"]) for o, _ in zip(_creating(root, project), range(_LAUNCHES), strict=False)]
    return statistics.median(seconds) if seconds else None


def _creating(root: Path, project: str) -> Iterator[Mapping[str, Any]]:
    return (outcome for outcome in read_launches(root, project) if outcome.get("created"))
