"""The resolved Compose model as frozen values; `docker compose config --format json` is its only source."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from opskit.compose.labels import Labels, parse_labels

MODEL_SERVER = "vllm"
UNNAMED_IMAGE = "opskit-not-named-yet"
"""What stands for an image whose variable is not set, so that the rest of the model can be looked at all the same."""
_POSTGRES = re.compile(r"(?:^|/)(?:postgres:|pgvector:(?:[\d.]+-)?pg)(\d+)")
_PROBED = re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\]):(\d{1,5})\b")


class Ending(StrEnum):
    """Whether a service is to end."""

    MUST = "must"
    """It is ready when it ended with 0: its label says so, or another service waits for its end."""
    MAY = "may"
    """It is ready while it runs, and also once it ended with 0, since nothing restarts it then."""
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Port:
    """One published or exposed container port. `published` None means the Engine picks one."""

    service: str
    target: int
    published: int | None
    host_ip: str
    protocol: str


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount of a service. `source` is a host path for binds, a volume key for volumes."""

    service: str
    kind: str
    source: str
    target: str
    read_only: bool


@dataclass(frozen=True, slots=True)
class DeviceRequest:
    """One `deploy.resources.reservations.devices` entry. `count` -1 means all; `device_ids` exclude count."""

    driver: str
    count: int | None
    device_ids: tuple[str, ...]
    capabilities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Service:
    """One service as Compose resolved it; values of secrets stay in `raw` and are never shown."""

    name: str
    image: str | None
    ports: tuple[Port, ...]
    mounts: tuple[Mount, ...]
    depends_on: Mapping[str, str]
    healthcheck: bool
    restart: str
    replicas: int
    memory_limit_bytes: int | None
    devices: tuple[DeviceRequest, ...]
    labels: Labels
    raw: Mapping[str, Any] = field(repr=False)

    @property
    def uses_gpus(self) -> bool:
        """Whether it takes room on GPUs: it is given some, and CUDA_VISIBLE_DEVICES does not hide them from CUDA."""
        environment: Mapping[str, str | None] = self.raw.get("environment") or {}
        return bool(self.devices) and environment.get("CUDA_VISIBLE_DEVICES") not in {"", "-1"}

    @property
    def pulled(self) -> bool:
        """Whether its image comes from a registry: nothing builds it, and it may be pulled."""
        return bool(self.image) and not self.built and self.raw.get("pull_policy") not in {"never", "build"}

    @property
    def built(self) -> bool:
        """Whether Compose builds its image."""
        return "build" in self.raw

    @property
    def base_image(self) -> str | None:
        """What its image is built on, where the files say so: the build argument BASE_IMAGE."""
        build = self.raw.get("build")
        args = build.get("args") if isinstance(build, dict) else None
        return args.get("BASE_IMAGE") if isinstance(args, dict) else None

    @property
    def provided(self) -> bool:
        """Whether a program of its own brings it (`provider`), not a container."""
        return "provider" in self.raw

    @property
    def probed_port(self) -> int | None:
        """The port of its own that its health check asks; None where that names none."""
        test = (self.raw.get("healthcheck") or {}).get("test") or ""
        asked = _PROBED.search(test if isinstance(test, str) else " ".join(test))
        return int(asked[1]) if asked else None

    @property
    def postgres_major(self) -> str:
        """The major that the name of its image tells, where that is PostgreSQL's; else empty."""
        found = _POSTGRES.search(self.image or "")
        return found[1] if found else ""

    @property
    def options(self) -> Mapping[str, str]:
        """The command's long options, `--a b` and `--a=b`, by name without dashes; one that ends it is empty."""
        words = [str(word) for word in self.raw.get("command") or ()]
        found: dict[str, str] = {}
        for word, following in zip(words, [*words, ""][1:], strict=True):
            name, equals, value = word.partition("=")
            if name.startswith("--"):
                found[name.removeprefix("--").replace("_", "-")] = value if equals else following
        return found


@dataclass(frozen=True, slots=True)
class Stack:
    """A whole resolved project."""

    project: str
    services: tuple[Service, ...]
    raw: Mapping[str, Any] = field(repr=False)

    def service(self, name: str) -> Service:
        """The service of that name; KeyError where there is none."""
        found = self.find(name)
        if found is None:
            raise KeyError(name)
        return found

    def find(self, name: str) -> Service | None:
        """The service of that name; None where there is none."""
        return next((service for service in self.services if service.name == name), None)

    @property
    def images(self) -> tuple[str, ...]:
        """The images its services name."""
        return tuple(dict.fromkeys(service.image for service in self.services if service.image))

    def on_network(self, name: str) -> tuple[str, ...]:
        """The services that are on the network of that name (not its key in the files)."""
        keys = {key for key, raw in (self.raw.get("networks") or {}).items() if (raw or {}).get("name") == name}
        return tuple(s.name for s in self.services if keys & set(s.raw.get("networks") or ()))

    @property
    def server(self) -> Service | None:
        """The model server; None where there is none."""
        return self.find(MODEL_SERVER)

    @property
    def served_model(self) -> str:
        """What the model server's command names: a folder in its container, or a model on a hub; else empty."""
        return self.server.options.get("model", "") if self.server else ""

    @property
    def ports(self) -> tuple[Port, ...]:
        """Every published port, in service order."""
        return tuple(port for service in self.services for port in service.ports if port.published is not None)

    def ending(self, service: Service) -> Ending:
        """Whether a service is to end: the one definition of a one-shot."""
        if service.labels.oneshot or service.name in self._awaited:
            return Ending.MUST
        return Ending.MAY if service.restart.startswith(("no", "on-failure")) else Ending.NEVER

    @property
    def _awaited(self) -> frozenset[str]:
        """Services that another one waits for with `service_completed_successfully`."""
        return frozenset(
            name
            for service in self.services
            for name, condition in service.depends_on.items()
            if condition == "service_completed_successfully"
        )

    @property
    def bind_sources(self) -> tuple[tuple[str, str], ...]:
        """(owner, host path) of every bind mount, config file and secret file."""
        binds = [(s.name, m.source) for s in self.services for m in s.mounts if m.kind == "bind"]
        for section in ("configs", "secrets"):
            entries: Mapping[str, Any] = self.raw.get(section) or {}
            binds += [(f"{section}/{name}", entry["file"]) for name, entry in entries.items() if "file" in entry]
        return tuple(binds)

    @property
    def variables(self) -> Mapping[str, Mapping[str, str]]:
        """The variables of each service's containers; one that the Engine's host would give is left out."""
        given = {service.name: service.raw.get("environment") or {} for service in self.services}
        return {
            name: {k: str(v).replace("$$", "$") for k, v in variables.items() if v is not None}
            for name, variables in given.items()
        }


def parse_stack(data: Mapping[str, Any]) -> Stack:
    """Read the object that `config --format json` prints.

    Source: Compose v2.20 to v5.6 `config --format json`; optional keys are absent, never null by contract.
    """
    services = tuple(_service(name, raw) for name, raw in (data.get("services") or {}).items())
    return Stack(project=data["name"], services=services, raw=data)


def _service(name: str, raw: Mapping[str, Any]) -> Service:
    deploy: Mapping[str, Any] = raw.get("deploy") or {}
    resources: Mapping[str, Any] = deploy.get("resources") or {}
    limit = (resources.get("limits") or {}).get("memory") or raw.get("mem_limit")
    check: Mapping[str, Any] = raw.get("healthcheck") or {}
    return Service(
        name=name,
        image=raw.get("image"),
        ports=tuple(_port(name, port) for port in raw.get("ports") or ()),
        mounts=tuple(_mount(name, mount) for mount in raw.get("volumes") or ()),
        depends_on={other: spec["condition"] for other, spec in (raw.get("depends_on") or {}).items()},
        healthcheck=bool(check.get("test")) and not check.get("disable") and check["test"] != ["NONE"],
        restart=raw.get("restart") or "no",
        replicas=_replicas(raw, deploy),
        memory_limit_bytes=int(limit) if limit is not None else None,
        devices=tuple(_device(entry) for entry in (resources.get("reservations") or {}).get("devices") or ()),
        labels=parse_labels(raw.get("labels") or {}),
        raw=raw,
    )


def _replicas(raw: Mapping[str, Any], deploy: Mapping[str, Any]) -> int:
    for wanted in (deploy.get("replicas"), raw.get("scale")):
        if wanted is not None:
            return int(wanted)
    return 1


def _port(service: str, raw: Mapping[str, Any]) -> Port:
    published: str | int | None = raw.get("published")
    return Port(
        service=service,
        target=int(raw["target"]),
        published=int(published) if published not in (None, "") and str(published).isdigit() else None,
        host_ip=raw.get("host_ip") or "0.0.0.0",  # noqa: S104  what an absent host_ip means to the Engine
        protocol=raw.get("protocol") or "tcp",
    )


def _mount(service: str, raw: Mapping[str, Any]) -> Mount:
    return Mount(
        service=service,
        kind=raw["type"],
        source=raw.get("source") or "",
        target=raw["target"],
        read_only=bool(raw.get("read_only")),
    )


def _device(raw: Mapping[str, Any]) -> DeviceRequest:
    count = raw.get("count")
    ids: Sequence[str] = raw.get("device_ids") or ()
    return DeviceRequest(
        driver=raw.get("driver") or "",
        count=(-1 if count == "all" else int(count)) if count is not None else None,
        device_ids=tuple(ids),
        capabilities=tuple(raw.get("capabilities") or ()),
    )


MINIMUM: tuple[int, int, int] = (2, 20, 0)
"""The oldest Compose whose model and options this package relies on (`include`, `depends_on.required`)."""


@dataclass(frozen=True, slots=True)
class Compose:
    """A Compose that was found: the words that start it, and its version."""

    words: tuple[str, ...]
    version: tuple[int, int, int]

    def __str__(self) -> str:
        return f"{' '.join(self.words)} {'.'.join(map(str, self.version))}"
