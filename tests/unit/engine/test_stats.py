"""What a container takes, by answers of the Engine's stats as cgroup v1 and v2 give them."""

from __future__ import annotations

from typing import Any

import pytest

from opskit.engine.stats import Load, parse_load


def _stats(*, used: int = 0, passed: int = 0, cpus: int = 2, **memory: int) -> dict[str, Any]:
    return {
        "cpu_stats": {"cpu_usage": {"total_usage": 100 + used}, "system_cpu_usage": 1000 + passed, "online_cpus": cpus},
        "precpu_stats": {"cpu_usage": {"total_usage": 100}, "system_cpu_usage": 1000},
        "memory_stats": {"usage": 1000, "stats": memory},
    }


@pytest.mark.parametrize(
    ("stats", "load"),
    [
        (_stats(used=50, passed=100), Load(100.0, 1000)),
        (_stats(used=100, passed=100), Load(200.0, 1000)),
        (_stats(inactive_file=400), Load(0.0, 600)),
        (_stats(total_inactive_file=300), Load(0.0, 700)),
        (_stats(inactive_file=4000), Load(0.0, 0)),
        ({"memory_stats": {}, "cpu_stats": {}, "precpu_stats": {}}, None),
        ({}, None),
    ],
)
def test_the_load_is_what_docker_stats_says(stats: dict[str, Any], load: Load | None) -> None:
    assert parse_load(stats) == load
