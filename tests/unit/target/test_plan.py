"""When a launch has nothing for Compose to do; tests/engine/test_plan.py holds it against what Compose then does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opskit.compose.model import parse_stack
from opskit.compose.plan import Container, Deployed, plan_launch
from opskit.target.plan import is_converged

A = Container("a1", "a", 1, "running", "h", "sha256:x")
HASHES = {"a": "h"}


def converged(container: Container = A, hashes: dict[str, str] = HASHES, more: Any = None, **service: Any) -> bool:
    model = {"name": "p", "services": {"a": {"image": "x:1", **service}}, **(more or {})}
    stack, deployed = parse_stack(model), Deployed((container,), images={"x:1": "sha256:x"})
    return is_converged(stack, deployed, plan_launch(stack, deployed, hashes), hashes)


def test_what_runs_as_configured_is_left_to_run() -> None:
    assert converged()
    assert converged(pull_policy="missing")


@pytest.mark.parametrize(
    "service",
    [
        {"pull_policy": "always"},
        {"pull_policy": "daily"},
        {"pull_policy": "build", "build": {"context": "."}},
        {"scale": 2},
        {"scale": 0},
        {"more": {"models": {"llm": {"model": "ai/x"}}}},
    ],
)
def test_what_compose_does_at_each_launch_is_left_to_it(service: dict[str, Any]) -> None:
    assert not converged(**service)


@pytest.mark.parametrize(
    "container",
    [
        replace(A, state="restarting"),
        replace(A, state="paused"),
        replace(A, state="exited", exit_code=0),
        replace(A, config_hash="other"),
        replace(A, image_id="sha256:older"),
    ],
)
def test_a_container_that_does_not_run_as_configured_is_for_compose(container: Container) -> None:
    assert not converged(container)


def test_where_compose_has_not_said_its_hash_nothing_is_taken_for_granted() -> None:
    assert not converged(hashes={})
