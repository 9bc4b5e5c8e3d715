"""A choice of GPU mode that the shell keeps, for every environment; no Engine answers here."""

from __future__ import annotations

from pathlib import Path

import pytest

from opskit.errors import UsageError
from opskit.runbook.preflight import Preflight


@pytest.fixture(autouse=True)
def _without_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")


@pytest.mark.parametrize("choice", ["cpu", "auto"])
def test_an_environment_without_gpus_is_looked_at_whatever_mode_was_chosen(
    choice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSKIT_GPU", choice)
    assert Preflight(env="testing").facts["testing"].placement.mode == "none"
    assert choice == "auto" or Preflight(env="staging").facts["staging"].placement.mode == "cpu"


def test_a_mode_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSKIT_GPU", "tripple")
    with pytest.raises(UsageError, match="OPSKIT_GPU: found 'tripple'"):
        _ = Preflight(env="staging").facts
