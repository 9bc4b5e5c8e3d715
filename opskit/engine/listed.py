"""How the containers of a project stand by the Engine's list, each looked at only where the list leaves a question."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from opskit.engine.events import list_containers, read_container
from opskit.engine.model import NUMBER_LABEL, SERVICE_LABEL, ContainerState

if TYPE_CHECKING:
    from docker import DockerClient

_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800, "month": 2592000, "year": 31536000}
_UP = re.compile(rf"Up (?:(\d+) |About an? )({'|'.join(_SECONDS)})s?(?: \((healthy)\))?")
"""Source: github.com/moby/moby, container/state.go, and github.com/docker/go-units, duration.go."""
_SETTLED = 0.4
"""Up for this share of its age, it cannot loop: three earlier lives, each over half as long, would make it older."""


def read_states(client: DockerClient, project: str, *, now_s: float) -> tuple[ContainerState, ...]:
    """Every container of the project; one that has long been well is taken from the list.

    Args:
        client: of the Engine.
        project: the Compose project.
        now_s: the Engine's clock, in seconds since the epoch.

    Raises:
        requests.exceptions.RequestException, docker.errors.DockerException: the Engine does not answer.
    """
    states = (
        parse_listed(entry, now_s=now_s) or read_container(client, entry["Id"])
        for entry in list_containers(client, project)
    )
    return tuple(state for state in states if state is not None)


def parse_listed(entry: dict[str, Any], *, now_s: float) -> ContainerState | None:
    """A container that runs and is well beyond doubt; None where only a look at it can tell."""
    found = _UP.fullmatch(entry["Status"])
    if entry["State"] != "running" or found is None:
        return None
    count, unit, health = found.groups()
    up_s = (float(count or 1) - (unit == "hour" and count is not None) / 2) * _SECONDS[unit]  # hours are rounded
    if up_s < _SETTLED * (now_s - entry["Created"]):
        return None
    return ContainerState(
        id=entry["Id"],
        service=entry["Labels"].get(SERVICE_LABEL, entry["Names"][0].lstrip("/")),
        status="running",
        health=health,
        number=entry["Labels"].get(NUMBER_LABEL, "1"),
        created_s=float(entry["Created"]),
        up=f"{count or 1} {unit}{'s' if count else ''}",
    )
