"""The matrix says what the models say; drift is found where there is some, and only there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from opskit.compose.model import parse_stack
from opskit.environments import Environment
from opskit.lint.matrix import Column, tabulate_difference, tabulate_drift, tabulate_matrix

MIB = 1024**2


def column(name: str, services: dict[str, dict[str, Any]], used: str = "", **settings: str) -> Column:
    environment = Environment(name=name, purpose="x", compose=("docker-compose.yml",), memory_gib=1, settings=settings)
    stack = parse_stack({"name": name, "services": services})
    return Column(environment, stack, (Path("docker-compose.yml"),), frozenset(used.split()))


def redis(memory: int = 512, **more: Any) -> dict[str, dict[str, Any]]:
    return {"redis": {"image": "redis:8", "deploy": {"resources": {"limits": {"memory": memory * MIB}}}, **more}}


def drift(given: str = "", **columns: Column) -> list[tuple[str, str, str]]:
    return [tuple(row) for row in tabulate_drift(columns, frozenset(given.split())).itertuples(index=False)]


@pytest.mark.parametrize(("production", "found"), [(512, []), (513, []), (511, ["512M to 511M"])])
def test_a_limit_that_shrinks_towards_production_is_drift(production: int, found: list[str]) -> None:
    rows = drift(development=column("development", redis()), production=column("production", redis(production)))
    assert [row[2] for row in rows if row[0] == "limit shrinks towards production"] == found


def test_a_setting_that_no_file_uses_is_drift() -> None:
    one = column("development", redis(), used="A", A="1", B="2")
    assert drift(given="A C", development=one) == [
        ("set and never used", "B", "development"),
        ("defined and never used", "C", "no environment"),
    ]


def test_an_image_and_a_probe_that_differ_are_drift() -> None:
    one = column("development", redis())
    other = column("staging", redis(image="redis:7", healthcheck={"test": ["CMD", "true"]}))
    rows = drift(development=one, staging=other)
    assert [row[:2] for row in rows] == [("image", "redis"), ("health check", "redis")]
    assert rows[0][2] == "redis:8 (development); redis:7 (staging)"


def test_a_command_of_its_own_outweighs_a_limit_of_its_own() -> None:
    columns = {
        "development": column("development", redis()),
        "staging": column("staging", redis(1024)),
        "optimized": column("optimized", redis(1024, command=["redis-server", "--io-threads", "4"])),
    }
    assert list(tabulate_matrix(columns).loc["Redis"]) == ["Standard config", "1G memory limit", "Optimized config"]


@pytest.mark.parametrize(
    ("ids", "visible", "told"),
    [
        (["0", "1"], "0,1", "2 replicas (dual GPU)"),
        (["0", "1"], "", "2 replicas (on the CPU)"),
        ([], "", "2 replicas (on the CPU)"),
    ],
)
def test_replicas_that_are_given_no_gpus_or_do_not_see_them_are_on_the_cpu(
    ids: list[str], visible: str, told: str
) -> None:
    devices = [{"driver": "nvidia", "device_ids": ids, "capabilities": ["gpu"]}] if ids else []
    deploy = {"replicas": 2, "resources": {"reservations": {"devices": devices}}}
    environment = {"CUDA_VISIBLE_DEVICES": visible}
    worker = {
        "multimodal-worker": {"environment": environment, "deploy": deploy, "labels": {"opskit.gpu.gib": "2.5"}},
    }
    assert list(tabulate_matrix({"development": column("development", worker)}).loc["Multimodal Worker"]) == [told]


def test_a_service_only_one_of_two_has_is_one_row_of_the_difference() -> None:
    one, two = column("development", {**redis(), "n8n": {"image": "n8n:1"}}), column("staging", redis(1024))
    found = [tuple(row) for row in tabulate_difference(one, two).itertuples(index=False)]
    assert found[0] == ("n8n", "(the service)", "is there", "")
    assert [row[:2] for row in found[1:]] == [("redis", "deploy.resources")]
