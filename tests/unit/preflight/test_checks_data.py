from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from opskit.compose.model import parse_stack
from opskit.host.read import read_postgres_majors
from opskit.preflight.checks.files import check_data_version
from opskit.preflight.finding import Verdict


@pytest.mark.parametrize(
    ("image", "verdict"),
    [
        ("postgres:18.6-trixie", Verdict.PASS),
        ("postgres:17-alpine", Verdict.FAIL),
        ("pgvector/pgvector:0.8.6-pg18-trixie", Verdict.PASS),
        ("pgvector/pgvector:0.8.6-pg17", Verdict.FAIL),
        ("opskit-rehearsal/postgres:18.1", Verdict.PASS),
        ("postgres:19", Verdict.FAIL),
    ],
)
def test_data_of_another_major_is_refused_with_the_way_out(image: str, verdict: Verdict) -> None:
    mount = {"type": "volume", "source": "postgres_data", "target": "/var/lib/postgresql"}
    stack = parse_stack({"name": "p", "services": {"postgres": {"image": image, "volumes": [mount]}}})
    (finding,) = check_data_version(stack, {"postgres_data": "18"})
    assert finding.verdict is verdict
    assert verdict is Verdict.PASS or "back to those of PostgreSQL 18" in finding.remedy
    assert ("with 19, `opskit restore`" in finding.remedy) == (image == "postgres:19"), "none reads a newer dump"
    assert check_data_version(stack, {}) == ()


@pytest.mark.parametrize("place", [".", "18/docker"])
def test_the_major_is_read_where_the_images_keep_it(place: str, tmp_path: Path) -> None:
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    (tmp_path / place / "PG_VERSION").write_text("18\n")
    folders = {"postgres_data": str(tmp_path), "redis_data": str(tmp_path / "x")}
    assert read_postgres_majors(folders) == {"postgres_data": "18"}


def test_data_that_nobody_may_look_into_is_told_and_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    majors = read_postgres_majors({"postgres_data": str(tmp_path)})
    assert majors == {"postgres_data": ""}
    mount = {"type": "volume", "source": "postgres_data", "target": "/var/lib/postgresql"}
    stack = parse_stack({"name": "p", "services": {"postgres": {"image": "postgres:18", "volumes": [mount]}}})
    (finding,) = check_data_version(stack, majors)
    assert (finding.verdict, finding.required) == (Verdict.SKIP, False)
