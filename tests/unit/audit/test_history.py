from __future__ import annotations

import json
from pathlib import Path

from opskit.audit.history import expected_seconds, launched_services, launched_volumes


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


def test_the_volumes_are_those_of_the_last_launch_on_this_engine_and_none_after_a_wipe(tmp_path: Path) -> None:
    def left(day: int, *names: str, project: str = "p", engine: str = "E", act: str = "start") -> None:
        folder = tmp_path / "2026/11" / f"202611{day:02}T000000Z-dev-{act}"
        folder.mkdir(parents=True)
        said = {"engine_id": engine, "volumes": {"project": project, "names": names}}
        (folder / "record.json").write_text(json.dumps(said))

    def expected(engine: str = "E") -> tuple[str, ...]:
        return tuple(launched_volumes(tmp_path, "dev", project="p", engine=engine).get("names", ()))

    assert expected() == ()
    left(1, "p_old")
    left(2, "p_data")
    left(3, "other_data", project="other")
    left(4, "p_far", engine="F")
    record(tmp_path, "20261105T000000Z-dev-start", ok=False)
    assert (expected(), expected("F"), expected("G")) == (("p_data",), ("p_far",), ())
    left(6, act="first_run")
    assert expected() == ()


def test_the_expected_duration_is_the_median_of_launches_that_created_something(tmp_path: Path) -> None:
    assert expected_seconds(tmp_path, "p") is None
    for day, seconds in enumerate((100.0, 30.0, 10.0, 20.0, 40.0, 50.0), start=1):
        record(tmp_path, f"2026110{day}T000000Z-dev-start", seconds=seconds)
    record(tmp_path, "20261109T000000Z-dev-start", seconds=0.5, created=0)
    assert expected_seconds(tmp_path, "p") == 30.0
