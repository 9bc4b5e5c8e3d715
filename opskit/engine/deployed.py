"""What is deployed of one Compose project, as a plan of its next launch compares it with the files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from opskit.compose.plan import Container, Deployed, Resource
from opskit.engine.facts import HASH_LABEL, VOLUME_LABEL
from opskit.engine.model import NUMBER_LABEL, ONE_OFF_LABEL, PROJECT_LABEL, SERVICE_LABEL
from opskit.engine.pulls import read_image

if TYPE_CHECKING:
    from docker import DockerClient

_IMAGE_LABEL = "com.docker.compose.image"
_NETWORK_LABEL = "com.docker.compose.network"
_EXITED = re.compile(r"Exited \((\d+)\)")


def read_deployed(client: DockerClient, project: str, images: Iterable[str] = ()) -> Deployed:
    """Ask the Engine for a project's containers, networks and volumes, and for those images.

    Raises:
        requests.exceptions.RequestException, docker.errors.DockerException: it does not answer.
    """
    own = {"label": f"{PROJECT_LABEL}={project}"}
    everything = client.api.containers(all=True)
    containers = [entry for entry in everything if _is_of(project, entry)]
    others = [entry for entry in everything if entry["State"] == "running" and not _is_of(project, entry)]
    there = ((reference, read_image(client, reference)) for reference in dict.fromkeys(images))
    return Deployed(
        containers=tuple(map(_container, containers)),
        networks=tuple(
            Resource(
                labels[_NETWORK_LABEL],
                entry["Id"],
                entry["Name"],
                labels.get(HASH_LABEL, ""),
                _names_on(entry["Id"], others),
            )
            for entry in client.api.networks(filters=own)
            if _NETWORK_LABEL in (labels := entry.get("Labels") or {})
        ),
        volumes=tuple(
            Resource(labels[VOLUME_LABEL], entry["Name"], entry["Name"], labels.get(HASH_LABEL, ""))
            for entry in client.api.volumes(filters=own)["Volumes"] or ()
            if VOLUME_LABEL in (labels := entry.get("Labels") or {})
        ),
        images={reference: image["Id"] for reference, image in there if image},
    )


def read_users(client: DockerClient, network: str) -> tuple[str, ...]:
    """Running containers on a network, by name."""
    return _names_on(network, client.api.containers())


def _is_of(project: str, entry: dict[str, Any]) -> bool:
    labels: dict[str, str] = entry.get("Labels") or {}
    return labels.get(PROJECT_LABEL) == project and labels.get(ONE_OFF_LABEL) != "True"


def _networks(entry: dict[str, Any]) -> frozenset[str]:
    networks: dict[str, Any] = (entry.get("NetworkSettings") or {}).get("Networks") or {}
    return frozenset(network["NetworkID"] for network in networks.values())


def _names_on(network: str, containers: list[dict[str, Any]]) -> tuple[str, ...]:
    return tuple(entry["Names"][0].lstrip("/") for entry in containers if network in _networks(entry))


def _container(entry: dict[str, Any]) -> Container:
    labels: dict[str, str] = entry["Labels"]
    number, exited = labels.get(NUMBER_LABEL, ""), _EXITED.match(entry["Status"])
    return Container(
        id=entry["Id"],
        service=labels.get(SERVICE_LABEL, ""),
        number=int(number) if number.isdecimal() else 0,
        state=entry["State"],
        config_hash=labels.get(HASH_LABEL, ""),
        image_id=labels.get(_IMAGE_LABEL, ""),
        exit_code=int(exited[1]) if exited else None,
        networks=_networks(entry),
        volumes=frozenset(m["Name"] for m in entry.get("Mounts") or () if m.get("Type") == "volume" and m.get("Name")),
    )
