"""What each container takes just now: CPU and memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docker import DockerClient

_AT_ONCE = 16
_CACHE = ("inactive_file", "total_inactive_file")
"""What of the page cache the kernel takes back first, by the names of cgroup v2 and v1."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a container takes.

    Attributes:
        cpu_percent: of one core; two busy cores are 200.
        memory_bytes: without the page cache that the kernel takes back first.
    """

    cpu_percent: float
    memory_bytes: int


def read_loads(client: DockerClient, containers: Iterable[str]) -> Mapping[str, Load]:
    """The load of each running container by its id; the Engine takes a second or two for it.

    Raises:
        requests.exceptions.RequestException, docker.errors.DockerException: the Engine does not answer.
    """
    ids = list(containers)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        stats = pool.map(lambda one: client.api.stats(one, stream=False), ids)
        return {one: load for one, found in zip(ids, stats, strict=True) if (load := parse_load(found))}


def parse_load(stats: Mapping[str, Any]) -> Load | None:
    """The load of an answer of `GET /containers/{id}/stats`; None for a container that does not run.

    Source: github.com/docker/cli, cli/command/container/stats_helpers.go.
    """
    memory, cpu, before = (stats.get(name) or {} for name in ("memory_stats", "cpu_stats", "precpu_stats"))
    if "usage" not in memory:
        return None
    used = cpu["cpu_usage"]["total_usage"] - before.get("cpu_usage", {}).get("total_usage", 0)
    passed = cpu.get("system_cpu_usage", 0) - before.get("system_cpu_usage", 0)
    cache = next((memory["stats"][name] for name in _CACHE if name in memory.get("stats", {})), 0)
    percent = 100 * used / passed * cpu.get("online_cpus", 1) if passed > 0 and used > 0 else 0.0
    return Load(round(percent, 1), max(0, memory["usage"] - cache))
