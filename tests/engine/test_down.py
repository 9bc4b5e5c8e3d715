"""Taking a project down where its Engine will not remove a network."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from opskit.compose.client import Project, find_compose
from opskit.compose.faults import Failure, failure_of
from opskit.compose.progress import ComposeEvent
from opskit.health.down import Down, take_down
from opskit.launch import launch_project
from tests.checkout import remove_project

if TYPE_CHECKING:
    from docker import DockerClient

pytestmark = pytest.mark.engine


@dataclass(frozen=True)
class Miscounted(Project):
    """Its Engine says for `times` tries what moby/moby#42119 shows of one that counts a container that is gone."""

    times: int = 0

    def take_down(self, *, timeout_s: float, sink: Callable[[ComposeEvent], None] = lambda _: None) -> Failure | None:
        if self.times:
            object.__setattr__(self, "times", self.times - 1)
            said = f"error while removing network: network {self.name}_default id {'4' * 64} has active endpoints"
            return failure_of(f"Error response from daemon: {said}", project=self.name)
        return super().take_down(timeout_s=timeout_s, sink=sink)


@pytest.fixture
def made(tmp_path: Path, engine: DockerClient, engine_host: str, busybox: str) -> Iterator[Miscounted]:
    name, file = f"opskit-test-{uuid.uuid4().hex[:8]}", tmp_path / "compose.yml"
    command = "command: [sleep, '600'], stop_grace_period: 0s"
    file.write_text(f"services: {{a: {{image: {busybox}, {command}}}, b: {{image: {busybox}, {command}}}}}")
    assert launch_project(file, name, deadline_s=40, engine_host=engine_host).ok
    yield Miscounted(find_compose(), name, (file,), engine_host=engine_host)
    remove_project(engine, name)


def test_who_is_on_a_network_is_named_and_nothing_of_theirs_is_touched(
    made: Miscounted, engine: DockerClient, busybox: str
) -> None:
    network = f"{made.name}_default"
    other = engine.containers.run(busybox, ["sleep", "600"], network=network, detach=True)
    try:
        assert take_down(made, engine, timeout_s=60) == Down(None, {network: (str(other.name),)})
        other.reload()
        assert network in other.attrs["NetworkSettings"]["Networks"]
    finally:
        other.remove(force=True)
    assert take_down(made, engine, timeout_s=60) == Down()


def test_what_an_engine_counts_for_nobody_is_no_failure(made: Miscounted, engine: DockerClient) -> None:
    assert made.take_down(timeout_s=60) is None
    labels = {"com.docker.compose.project": made.name, "com.docker.compose.network": "default"}
    network = engine.networks.create(f"{made.name}_default", labels=labels)
    stuck = Miscounted(made.compose, made.name, made.files, engine_host=made.engine_host, times=2)
    assert take_down(stuck, engine, timeout_s=60) == Down(None, {str(network.name): ()})
    once = Miscounted(made.compose, made.name, made.files, engine_host=made.engine_host, times=1)
    assert take_down(once, engine, timeout_s=60) == Down()
    assert engine.networks.list(names=[str(network.name)]) == []
