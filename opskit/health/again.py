"""Whether another `up` gets further where Compose failed over something of its own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import requests

from opskit.compose.faults import Failure
from opskit.compose.model import Stack
from opskit.engine.deployed import read_deployed

if TYPE_CHECKING:
    from docker import DockerClient

_TRIES = 5
_NOT_CONNECTED = re.compile(r"container [0-9a-f]{64} is not connected to the network (\S+)")


def may_go_on(client: DockerClient, stack: Stack, failure: Failure, tried: int) -> bool:
    """Whether to run `up` again; what it needs for that is done.

    Compose gives a dependency up at its first restart; the Engine has not. Its own steps run side by side, and one may
    meet a container that another is removing. And it takes every container of a network that changes off it, also one
    that is not on it: a service that joined just now, or that an `up` which failed half way took off.

    Args:
        client: of the Engine.
        stack: the project.
        failure: Compose's own.
        tried: how often `up` was run again already.
    """
    if failure.kind == "dependency_failed":
        return True
    if tried >= _TRIES:
        return False
    found = _NOT_CONNECTED.search(failure.message)
    return _connect(client, stack, found[1]) if found else failure.kind == "compose_race"


def _connect(client: DockerClient, stack: Stack, network: str) -> bool:
    """Put the containers of the services that use a network on it, so that Compose can take them off."""
    from docker.errors import APIError  # noqa: PLC0415  docker is imported where it is used

    using = stack.on_network(network)
    try:
        deployed = read_deployed(client, stack.project)
        there = {resource.id for resource in deployed.networks if resource.name == network}
        for container in deployed.containers:
            if container.service in using and not there & container.networks:
                client.api.connect_container_to_network(container.id, network)
    except (APIError, requests.exceptions.RequestException):
        return False
    return True
