"""Verbs refuse bad parameters before anything is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from opskit.errors import UsageError
from opskit.runbook.first_run import FirstRun
from opskit.runbook.preflight import Preflight
from opskit.runbook.start import Start


def test_an_overlay_that_is_not_there_is_refused_and_the_nearest_named() -> None:
    with pytest.raises(
        UsageError,
        match=r"found no compose/docker-compose\.prometeus-grafana\.yml\. Did you mean docker-compose\.prometheus",
    ):
        Start(env="dev", overlays="docker-compose.prometeus-grafana.yml")


def test_an_overlay_outside_the_folder_is_refused() -> None:
    with pytest.raises(UsageError, match="overlays"):
        Start(env="dev", overlays="../compose/docker-compose.prometheus-grafana.yml")


def test_a_mode_that_is_none_is_refused_by_first_run_too() -> None:
    with pytest.raises(UsageError, match="gpu: found 'tripple'"):
        FirstRun(gpu="tripple")


@pytest.mark.parametrize(("env", "names"), [("first-run", ["development"]), ("prod", ["production"])])
def test_a_look_at_an_act_is_one_at_the_environment_it_acts_on(env: str, names: list[str]) -> None:
    assert [environment.name for environment in Preflight(env=env).environments] == names


def test_a_record_that_is_no_text_is_refused_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "facts-one.json").write_bytes(b"\xff")
    with pytest.raises(UsageError, match=r"record: .*facts-one\.json cannot be read"):
        _ = Preflight(record=str(tmp_path)).facts
