from __future__ import annotations

import json
from pathlib import Path

from opskit.audit.history import expected_seconds, launched_services


def record(
    root: Path, name: str, *, ok: bool = True, project: str = "p", seconds: float = 1.0, created: int = 2
) -> None:
    folder = root / "2026/11" / name
    folder.mkdir(parents=True)
    outcome = {"project": project, "seconds": seconds, "created": created, "services": [{"service": name[-1]}]}
    (folder / "record.json").write_text(json.dumps({"ok": ok, "outcome": outcome}))


def test_the_services_are_those_of_the_last_launch_that_came_to_ready(tmp_path: Path) -> None:
    record(tmp_path, "20261101T000000Z-dev-start-a")
    record(tmp_path, "20261102T000000Z-dev-start-b")
    record(tmp_path, "20261103T000000Z-dev-start-c", ok=False)
    record(tmp_path, "20261104T000000Z-dev-start-d", project="other")
    (tmp_path / "2026/11/20261105T000000Z-dev-start").mkdir()
    assert launched_services(tmp_path, "p") == {"b"}
    assert launched_services(tmp_path, "none") == frozenset()


def test_the_expected_duration_is_the_median_of_launches_that_created_something(tmp_path: Path) -> None:
    assert expected_seconds(tmp_path, "p") is None
    for day, seconds in enumerate((100.0, 30.0, 10.0, 20.0, 40.0, 50.0), start=1):
        record(tmp_path, f"2026110{day}T000000Z-dev-start", seconds=seconds)
    record(tmp_path, "20261109T000000Z-dev-start", seconds=0.5, created=0)
    assert expected_seconds(tmp_path, "p") == 30.0
