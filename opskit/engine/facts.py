"""What the Engine says of itself and of what runs on it; read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opskit.engine.model import ONE_OFF_LABEL, PROJECT_LABEL, SERVICE_LABEL

if TYPE_CHECKING:
    from docker import DockerClient

HASH_LABEL = "com.docker.compose.config-hash"
VOLUME_LABEL = "com.docker.compose.volume"


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """A port of the host that a container publishes."""

    ip: str
    port: int
    protocol: str


@dataclass(frozen=True, slots=True)
class ContainerFact:
    """A container on the Engine; `project` and `service` are None where Compose did not make it."""

    id: str
    name: str
    project: str | None
    service: str | None
    status: str
    state: str
    image: str
    config_hash: str
    published: tuple[PublishedPort, ...]


@dataclass(frozen=True, slots=True)
class NetworkFact:
    """A network on the Engine; `project` is None where Compose did not make it."""

    id: str
    name: str
    project: str | None
    subnets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """The Engine: versions, drivers, and everything on it. Bytes in names; None means that it did not say."""

    host: str
    version: str
    api_version: str
    storage_driver: str
    root: str
    memory_bytes: int
    cpus: int
    containers: tuple[ContainerFact, ...]
    images: frozenset[str]
    """References by tag and by digest."""
    volumes: tuple[str, ...]
    """Names of the volumes that carry the asked project's label."""
    networks: tuple[NetworkFact, ...] = ()
    all_volumes: frozenset[str] = frozenset()
    folders: Mapping[str, str] = field(default_factory=dict)
    """Where the data of the asked project's volumes is on the Engine's machine, by the volume's key in the files."""
    cgroup_driver: str = ""
    runtimes: frozenset[str] = frozenset()
    security: tuple[str, ...] = ()
    time: str | None = None
    """The Engine's clock, ISO 8601."""


def read_engine_facts(client: DockerClient, host: str, project: str) -> EngineFacts:
    """Ask the Engine; `volumes` are those of this project.

    Raises:
        requests.exceptions.RequestException, docker.errors.DockerException: it does not answer.
    """
    info: dict[str, Any] = client.api.info()
    images = client.api.images()
    volumes = client.api.volumes()["Volumes"] or []
    mine = [volume for volume in volumes if (volume.get("Labels") or {}).get(PROJECT_LABEL) == project]
    names = (name for image in images for key in ("RepoTags", "RepoDigests") for name in image.get(key) or ())
    return EngineFacts(
        host=host,
        version=info["ServerVersion"],
        api_version=client.api.api_version,
        storage_driver=info["Driver"],
        root=info["DockerRootDir"],
        memory_bytes=info["MemTotal"],
        cpus=info["NCPU"],
        containers=read_container_facts(client),
        images=frozenset(name for name in names if "<none>" not in name),
        volumes=tuple(sorted(volume["Name"] for volume in mine)),
        networks=tuple(map(_network, client.api.networks())),
        all_volumes=frozenset(volume["Name"] for volume in volumes),
        folders={v["Labels"][VOLUME_LABEL]: v["Mountpoint"] for v in mine if VOLUME_LABEL in v["Labels"]},
        cgroup_driver=info.get("CgroupDriver") or "",
        runtimes=frozenset(info.get("Runtimes") or ()),
        security=tuple(info.get("SecurityOptions") or ()),
        time=info.get("SystemTime"),
    )


def read_volumes(client: DockerClient, project: str) -> tuple[str, ...]:
    """Names of the project's volumes, by its label."""
    found = client.api.volumes(filters={"label": [f"{PROJECT_LABEL}={project}"]})["Volumes"] or []
    return tuple(sorted(volume["Name"] for volume in found))


def read_container_facts(client: DockerClient, project: str | None = None) -> tuple[ContainerFact, ...]:
    """Every container there is, running or not, one-off ones left out; of one project where it is named."""
    filters = {"label": [f"{PROJECT_LABEL}={project}"]} if project else {}
    return tuple(
        _container(entry)
        for entry in client.api.containers(all=True, filters=filters)
        if (entry.get("Labels") or {}).get(ONE_OFF_LABEL) != "True"
    )


def _network(entry: dict[str, Any]) -> NetworkFact:
    configs = (entry.get("IPAM") or {}).get("Config") or ()
    subnets = tuple(config["Subnet"] for config in configs if config.get("Subnet"))
    return NetworkFact(entry["Id"], entry["Name"], (entry.get("Labels") or {}).get(PROJECT_LABEL), subnets)


def _container(entry: dict[str, Any]) -> ContainerFact:
    labels: dict[str, str] = entry.get("Labels") or {}
    ports = entry.get("Ports") or []
    return ContainerFact(
        id=entry["Id"],
        name=(entry.get("Names") or ["?"])[0].lstrip("/"),
        project=labels.get(PROJECT_LABEL),
        service=labels.get(SERVICE_LABEL),
        status=entry["Status"],
        state=entry["State"],
        image=entry["Image"],
        config_hash=labels.get(HASH_LABEL, ""),
        published=tuple(PublishedPort(p.get("IP", ""), p["PublicPort"], p["Type"]) for p in ports if "PublicPort" in p),
    )
