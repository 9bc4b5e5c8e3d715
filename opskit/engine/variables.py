"""The variables that the containers of a project were made with; secrets are among them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from opskit.engine.events import list_containers
from opskit.engine.model import SERVICE_LABEL

if TYPE_CHECKING:
    from docker import DockerClient


def read_variables(client: DockerClient, project: str) -> tuple[tuple[str, Mapping[str, str]], ...]:
    """Service and variables of every container of the project, running or not."""
    found = []
    for entry in list_containers(client, project):
        said = client.api.inspect_container(entry["Id"])["Config"]["Env"] or ()
        found.append((entry["Labels"].get(SERVICE_LABEL, ""), dict(line.split("=", 1) for line in said if "=" in line)))
    return tuple(found)
