"""The secrets that a launch makes: those that were planned, unless another process was quicker."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from opskit.compose.client import Project
from opskit.compose.model import Compose, Stack
from opskit.secrets.policy import BY_NAME
from opskit.secrets.store import ensure_secrets, read_secrets
from opskit.secrets.value import Secret
from opskit.target import target as module
from opskit.target.target import Target
from tests.facts import ENVIRONMENT, facts, stack

NAME = "REDIS_PASSWORD"
AGAIN = stack(command=["resolved", "again"])


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Target:
    file = tmp_path / "c.yml"
    file.write_text(f"services: {{redis: {{image: 'redis:8', environment: {{P: '${{{NAME}:?}}'}}}}}}\n")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "resolve", lambda *_: AGAIN)
    planned = {NAME: Secret(NAME, "the-planned-value")}
    project = Project(Compose((), (5, 0, 0)), "p", (file,), environ={NAME: "the-planned-value", "OTHER": "kept"})
    known = facts(stack=stack(), unmade=(NAME,), environment=ENVIRONMENT.model_copy(update={"secrets": True}))
    return Target(known, project, None, {}, planned)


def test_the_planned_secrets_are_written_and_the_model_stays(target: Target, tmp_path: Path) -> None:
    made, names = target.with_secrets()
    path = tmp_path / target.facts.environment.env_file
    assert names == (NAME,)
    assert read_secrets(path)[NAME].reveal() == "the-planned-value"
    assert made.facts.stack == target.facts.stack
    assert (made.facts.unmade, dict(made.planned), made.project.environ) == ((), {}, {"OTHER": "kept"})


def test_secrets_that_another_process_made_meanwhile_win_and_the_model_is_resolved_with_them(
    target: Target, tmp_path: Path
) -> None:
    path = tmp_path / target.facts.environment.env_file
    ensure_secrets(path, [BY_NAME[NAME]])
    before = path.read_text()
    made, names = target.with_secrets()
    assert names == ()
    assert path.read_text() == before
    assert isinstance(made.facts.stack, Stack)
    assert made.facts.stack == AGAIN


def test_one_that_was_taken_out_meanwhile_is_made_and_the_model_is_resolved_again(target: Target) -> None:
    made, names = replace(target, planned={}).with_secrets()
    assert names == (NAME,)
    assert made.facts.stack == AGAIN


def test_a_planned_value_is_never_shown(target: Target) -> None:
    assert target.redact()("it is the-planned-value") == f"it is [{NAME}]"
