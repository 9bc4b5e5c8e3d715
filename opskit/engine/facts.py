"""What the Engine says of itself and of what runs on it; read once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opskit.engine.model import ONE_OFF_LABEL, PROJECT_LABEL, SERVICE_LABEL
from opskit.unknown import Unknown, or_else

if TYPE_CHECKING:
    from docker import DockerClient


HASH_LABEL = "com.docker.compose.config-hash"
VOLUME_LABEL = "com.docker.compose.volume"
_UNREAD = Unknown("what is on the Engine was not read", "look with `docker info`", required=True)


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
    published: tuple[PublishedPort, ...]


@dataclass(frozen=True, slots=True)
class NetworkFact:
    """A network on the Engine; `project` is None where Compose did not make it."""

    id: str
    name: str
    project: str | None
    subnets: tuple[str, ...]
    link: str = ""
    """The host's interface for it, where the Engine says."""


@dataclass(frozen=True, slots=True)
class VolumeFact:
    """A volume; `project` and `key` (its name in the Compose file) are None where Compose did not make it."""

    name: str
    project: str | None
    key: str | None
    folder: str


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """The Engine: versions, drivers, and everything on it. None is what it does not say.

    Attributes:
        images: references by tag and by digest.
        time: the Engine's clock, ISO 8601.
        asked_s: what the clock here said when that came, in seconds since the epoch.
        security: its words, such as `name=apparmor`.
        bridge_filtered: whether bridged packets pass iptables, which keeps networks apart.
        firewall: how it writes its rules, such as `iptables`; empty where it does not say, as before Engine 28.
        default_runtime: what a container gets that asks for none.
    """

    host: str
    version: str
    api_version: str
    storage_driver: str
    root: str
    memory_bytes: int
    cpus: int
    id: str = ""
    firewall: str = ""
    cgroup_driver: str = ""
    cgroup_version: str = ""
    runtimes: frozenset[str] = frozenset()
    security: tuple[str, ...] = ()
    time: str | None = None
    asked_s: float | None = None
    bridge_filtered: bool | None = None
    cdi_devices: tuple[str, ...] | None = None
    containers: tuple[ContainerFact, ...] | Unknown = _UNREAD
    images: frozenset[str] | Unknown = _UNREAD
    networks: tuple[NetworkFact, ...] | Unknown = _UNREAD
    volumes: tuple[VolumeFact, ...] | Unknown = _UNREAD

    @property
    def rootless(self) -> bool:
        """Whether it runs as a user, in a network namespace of its own."""
        return any("rootless" in word for word in self.security)

    def runs(self, project: str) -> bool:
        """Whether something of that Compose project runs."""
        return any(c.project == project and c.state == "running" for c in or_else(self.containers, ()))

    @property
    def local(self) -> bool:
        """Whether it is on this machine, so that what is read here is about it."""
        return self.host.startswith("unix://")


def read_engine_facts(client: DockerClient, host: str) -> EngineFacts:
    """Ask the Engine for itself; what is on it is read by the functions below.

    Raises:
        requests.exceptions.RequestException: it does not answer.
    """
    info: dict[str, Any] = client.api.info()
    devices = info.get("DiscoveredDevices")  # API 1.50; absent means that it cannot say
    return EngineFacts(
        host=host,
        version=info["ServerVersion"],
        api_version=client.api.api_version,
        storage_driver=info["Driver"],
        root=info["DockerRootDir"],
        memory_bytes=info["MemTotal"],
        cpus=info["NCPU"],
        id=info.get("ID") or "",
        firewall=(info.get("FirewallBackend") or {}).get("Driver") or "",
        cgroup_driver=info.get("CgroupDriver") or "",
        cgroup_version=info.get("CgroupVersion") or "",
        runtimes=frozenset(info.get("Runtimes") or ()),
        security=tuple(info.get("SecurityOptions") or ()),
        time=info.get("SystemTime"),
        bridge_filtered=info.get("BridgeNfIptables"),
        cdi_devices=None if devices is None else tuple(device["ID"] for device in devices),
    )


def read_image_names(client: DockerClient) -> frozenset[str]:
    """References of the images there are, by tag and by digest."""
    images = client.api.images()
    names = (name for image in images for key in ("RepoTags", "RepoDigests") for name in image.get(key) or ())
    return frozenset(name for name in names if "<none>" not in name)


def read_network_facts(client: DockerClient) -> tuple[NetworkFact, ...]:
    """Every network there is."""
    return tuple(map(_network, client.api.networks()))


def read_volume_facts(client: DockerClient, project: str | None = None) -> tuple[VolumeFact, ...]:
    """Every volume there is; of one project where it is named."""
    filters = {"label": f"{PROJECT_LABEL}={project}"} if project else {}
    return tuple(map(_volume, client.api.volumes(filters=filters)["Volumes"] or []))


def read_container_facts(client: DockerClient, project: str | None = None) -> tuple[ContainerFact, ...]:
    """Every container there is, running or not, one-off ones left out; of one project where it is named."""
    filters = {"label": [f"{PROJECT_LABEL}={project}"]} if project else {}
    return tuple(
        _container(entry)
        for entry in client.api.containers(all=True, filters=filters)
        if (entry.get("Labels") or {}).get(ONE_OFF_LABEL) != "True"
    )


def _volume(entry: dict[str, Any]) -> VolumeFact:
    labels: dict[str, str] = entry.get("Labels") or {}
    return VolumeFact(entry["Name"], labels.get(PROJECT_LABEL), labels.get(VOLUME_LABEL), entry["Mountpoint"])


def _network(entry: dict[str, Any]) -> NetworkFact:
    configs = (entry.get("IPAM") or {}).get("Config") or ()
    subnets = tuple(config["Subnet"] for config in configs if config.get("Subnet"))
    link = (entry.get("Options") or {}).get("com.docker.network.bridge.name", "")
    return NetworkFact(entry["Id"], entry["Name"], (entry.get("Labels") or {}).get(PROJECT_LABEL), subnets, link)


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
        published=tuple(PublishedPort(p.get("IP", ""), p["PublicPort"], p["Type"]) for p in ports if "PublicPort" in p),
    )
