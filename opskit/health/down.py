"""Take a project down, whatever its Engine still counts on the networks of containers that are gone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from docker.errors import APIError

from opskit.compose.faults import Failure
from opskit.compose.progress import ComposeEvent
from opskit.engine.deployed import read_users
from opskit.engine.facts import read_container_facts
from opskit.engine.model import PROJECT_LABEL

if TYPE_CHECKING:
    from docker import DockerClient

    from opskit.compose.client import Project

_IN_USE = "network_in_use"


@dataclass(frozen=True, slots=True)
class Down:
    """What became of it.

    Attributes:
        failure: why it is not down.
        networks: those that are still there, and the running containers of others on each. On none where the Engine
            counts one that is gone; the next launch uses it.
    """

    failure: Failure | None = None
    networks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def take_down(
    project: Project, client: DockerClient, *, timeout_s: float, sink: Callable[[ComposeEvent], None] = lambda _: None
) -> Down:
    """Run `down`; volumes stay.

    An Engine may keep, or only count, an endpoint of a container that is gone, and refuses then to remove its network
    until it is started again (moby/moby#42119). What can be taken off is, and the rest is no failure.

    Args:
        project: what to run Compose on.
        client: of its Engine.
        timeout_s: seconds after which Compose is ended.
        sink: called with every event.
    """
    before = [fact.name for fact in read_container_facts(client, project.name)]
    failure = project.take_down(timeout_s=timeout_s, sink=sink)
    if failure and failure.kind == _IN_USE and not read_container_facts(client, project.name):
        for network in _networks(client, project.name):
            _take_off(client, network, before)
        failure = project.take_down(timeout_s=timeout_s, sink=sink)
        failure = None if failure and failure.kind == _IN_USE else failure
    return Down(failure, {name: read_users(client, key) for key, name in _networks(client, project.name).items()})


def _networks(client: DockerClient, project: str) -> Mapping[str, str]:
    found = client.api.networks(filters={"label": f"{PROJECT_LABEL}={project}"})
    return {one["Id"]: one["Name"] for one in found}


def _take_off(client: DockerClient, network: str, gone: Iterable[str]) -> None:
    for name in gone:
        try:
            client.api.disconnect_container_from_network(name, network, force=True)
        except APIError as error:
            if "not found" not in str(error):
                raise
