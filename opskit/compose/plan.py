"""The Stack and what is deployed to what `up` would do about it, nothing done; pure.

Source: github.com/docker/compose v5, pkg/compose/reconcile.go and hash.go; tests/engine/test_plan.py compares the two.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from opskit.compose.model import Ending, Service, Stack

_NAMESPACES = ("network_mode", "ipc", "pid")
Act = Literal["create", "recreate", "restart", "start", "rerun", "keep", "remove", "orphan", "pull", "build", "differs"]
SETTLED: frozenset[Act] = frozenset({"keep", "rerun", "orphan", "differs"})
"""Acts that change nothing: one-shots run at each launch, and what Compose leaves alone stays."""


@dataclass(frozen=True, slots=True)
class Container:
    """A container of the project.

    Attributes:
        number: of the service's replica.
        exit_code: of its last run; None while it has none.
        config_hash: of the configuration it was made with.
        image_id: of the image it was made with.
        networks: ids of those it is on.
        volumes: names of those it mounts.
    """

    id: str
    service: str
    number: int
    state: str
    config_hash: str = ""
    image_id: str = ""
    exit_code: int | None = None
    networks: frozenset[str] = frozenset()
    volumes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Resource:
    """A network or volume of the project; `config_hash` is empty where Compose did not make it.

    Attributes:
        key: its key in the files; after a rename there are several of one key.
        users: running containers of others that are on a network, by name.
    """

    key: str
    id: str
    name: str
    config_hash: str = ""
    users: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Deployed:
    """What is there of a project.

    Attributes:
        images: id by reference, of those images that the files name and the Engine has.
    """

    containers: tuple[Container, ...] = ()
    networks: tuple[Resource, ...] = ()
    volumes: tuple[Resource, ...] = ()
    images: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """What `up` will do about one container, network, volume or image, and why.

    Attributes:
        name: the service, or the resource's name.
        container: the id of the container there is; empty for one that is to be made.
    """

    kind: Literal["container", "network", "volume", "image"]
    name: str
    act: Act
    reason: str
    container: str = ""


def plan_launch(stack: Stack, deployed: Deployed, hashes: Mapping[str, str]) -> tuple[Step, ...]:
    """What `up` will do: images, networks and volumes first, then containers in the order of the model.

    Args:
        stack: the resolved model.
        deployed: what is there of it.
        hashes: of `config --hash "*"`, with `shared_modes`; a service without one is taken as unchanged.
    """
    return tuple(_Planner(stack, deployed, hashes).plan())


def changes(steps: Iterable[Step]) -> bool:
    """Whether a launch would change anything."""
    return any(step.act not in SETTLED for step in steps)


@dataclass(slots=True)
class _Planner:
    stack: Stack
    deployed: Deployed
    hashes: Mapping[str, str]
    recreated: set[str] = field(default_factory=set)
    restarted: dict[str, str] = field(default_factory=dict)
    """Why the containers of a service are stopped and started again."""

    def plan(self) -> list[Step]:
        resources = [*self._images(), *self._networks(), *self._volumes()]
        steps = {name: self._service(self.stack.service(name)) for name in _in_order(self.stack)}
        orphans = [c for c in self.deployed.containers if self.stack.find(c.service) is None]
        reason = "runs in this project but is not in its files; left alone"
        return [
            *resources,
            *(self._after(step) for service in self.stack.services for step in steps[service.name]),
            *(Step("container", c.service, "orphan", reason, c.id) for c in orphans),
        ]

    def _images(self) -> Iterable[Step]:
        wanted = {s.image: s for s in self.stack.services if s.image and (s.pulled or s.built) and s.replicas}
        missing = {ref: service for ref, service in wanted.items() if ref not in self.deployed.images}
        return [Step("image", ref, "build" if s.built else "pull", "not on this machine") for ref, s in missing.items()]

    def _networks(self) -> Iterable[Step]:
        for key, raw in _own(self.stack, "networks"):
            there = _select(self.deployed.networks, key, raw["name"])
            if there is None:
                yield Step("network", raw["name"], "create", "not there yet")
            elif there.config_hash not in {"", _hash(raw)}:
                why = self._hindrance(key, there)
                yield Step("network", there.name, "recreate", f"its options changed{why}")
                for service in self.stack.services:
                    if key in (service.raw.get("networks") or {}):
                        self.restarted.setdefault(service.name, f"its network {key} is made again")

    def _hindrance(self, key: str, network: Resource) -> str:
        """Who keeps Compose from making a network again: it takes only those off whose service uses it by the files.

        A service that leaves it is replaced at the same time, and Compose orders neither before the other.
        """
        on = [c.service for c in self.deployed.containers if network.id in c.networks and c.state == "running"]
        services = {name: self.stack.find(name) for name in on}
        if staying := (*network.users, *(name for name in on if services[name] is None)):
            return f"; but {', '.join(staying)} is on it, which makes Compose fail"
        leaving = [name for name, s in services.items() if s and key not in (s.raw.get("networks") or {})]
        return f"; {', '.join(leaving)} leaves it meanwhile, which may make Compose fail" if leaving else ""

    def _volumes(self) -> Iterable[Step]:
        for key, raw in _own(self.stack, "volumes"):
            there = _select(self.deployed.volumes, key, raw["name"])
            if there is None or there.name != raw["name"]:
                yield Step("volume", raw["name"], "create", "not there yet")
            elif there.config_hash not in {"", _hash({"name": raw["name"], "driver": "local", **raw})}:
                yield Step("volume", there.name, "differs", "the files give other options; Compose keeps it as it is")

    def _service(self, service: Service) -> list[Step]:
        if service.provided:
            return []
        there = [c for c in self.deployed.containers if c.service == service.name]
        why = {container.id: self._changed(service, container) for container in there}
        there.sort(key=lambda container: (bool(why[container.id]), container.number))
        steps = []
        for position, container in enumerate(there):
            act, reason = self._act(service, container, why[container.id], keep=position < service.replicas)
            steps.append(Step("container", service.name, act, reason, container.id))
        have = f"{len(there)} of {service.replicas} replicas are there" if there else "not there yet"
        steps += [Step("container", service.name, "create", have)] * max(0, service.replicas - len(there))
        if any(step.act == "recreate" for step in steps):
            self.recreated.add(service.name)
            for other in self.stack.services:
                if ((other.raw.get("depends_on") or {}).get(service.name) or {}).get("restart"):
                    self.restarted.setdefault(other.name, f"{service.name}, which it depends on, is recreated")
        return steps

    def _act(self, service: Service, container: Container, changed: str, *, keep: bool) -> tuple[Act, str]:
        if not keep:
            return "remove", f"{service.replicas} replicas are wanted"
        if changed:
            return "recreate", changed
        if container.state == "running":
            return "keep", "runs as configured"
        if container.state == "restarting":
            return "keep", "it is restarting"
        if container.exit_code == 0 and self.stack.ending(service) is not Ending.NEVER:
            return "rerun", "it ended with 0; it runs at each launch"
        return "start", f"it is {container.state}"

    def _changed(self, service: Service, container: Container) -> str:
        """Why Compose replaces the container; empty where it does not."""
        shared = [name for name in _shares(service.raw) if name in self.recreated]
        if shared:
            return f"{shared[0]}, whose namespace or volumes it shares, is recreated"
        wanted = self.hashes.get(service.name, container.config_hash)
        if wanted != container.config_hash and not service.raw.get("volumes_from"):  # hashed by id, and a list
            return "its configuration changed"
        image = self.deployed.images.get(service.image or "", "")
        if container.image_id and image != container.image_id:
            if not image:
                return "its image is not on this machine"
            was, now = (ref.removeprefix("sha256:")[:12] for ref in (container.image_id, image))
            return f"its image changed, from {was} to {now}"
        if container.state == "running" and self._misses_network(service, container):
            return "it is not on its network"
        return "it does not mount its volume" if self._misses_volume(service, container) else ""

    def _misses_network(self, service: Service, container: Container) -> bool:
        names = {key: raw["name"] for key, raw in _own(self.stack, "networks")}
        keys = [key for key in service.raw.get("networks") or {} if key in names]
        there = [_select(self.deployed.networks, key, names[key]) for key in keys]
        return any(network is not None and network.id not in container.networks for network in there)

    def _misses_volume(self, service: Service, container: Container) -> bool:
        known = {volume.key for volume in self.deployed.volumes}
        names = {key: raw["name"] for key, raw in _own(self.stack, "volumes") if key in known}
        wanted = [names.get(mount.source) for mount in service.mounts if mount.kind == "volume"]
        return any(name is not None and name not in container.volumes for name in wanted)

    def _after(self, step: Step) -> Step:
        """The step, where what it is on or depends on changes too."""
        reason = self.restarted.get(step.name)
        if reason is None or step.act != "keep":
            return step
        return Step(step.kind, step.name, "restart", reason, step.container)


def _select(resources: Iterable[Resource], key: str, name: str) -> Resource | None:
    """The one that Compose takes for a key: of that name, else the first by name."""
    there = sorted((resource for resource in resources if resource.key == key), key=lambda resource: resource.name)
    return next((resource for resource in there if resource.name == name), there[0] if there else None)


def shared_modes(stack: Stack, deployed: Deployed) -> dict[str, dict[str, str]]:
    """The namespaces each service shares with another, as Compose names them where it hashes: by a container."""
    modes: dict[str, dict[str, str]] = {}
    for service in stack.services:
        for key in _NAMESPACES:
            other = str(service.raw.get(key) or "").partition("service:")[2]
            there = [container for container in deployed.containers if container.service == other]
            if there:
                first = min(there, key=lambda container: container.number)
                modes.setdefault(service.name, {})[key] = f"container:{first.id}"
    return modes


def _own(stack: Stack, section: Literal["networks", "volumes"]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """Networks or volumes that are the project's own and that a service uses: Compose makes no others."""
    if section == "networks":
        used = {key for service in stack.services for key in service.raw.get("networks") or ()}
    else:
        used = {m.source for service in stack.services for m in service.mounts if m.kind == "volume"}
    entries: Mapping[str, Any] = stack.raw.get(section) or {}
    return [(key, raw) for key, raw in entries.items() if key in used and not raw.get("external")]


def _shares(raw: Mapping[str, Any]) -> list[str]:
    """The services whose namespaces or volumes a service uses."""
    modes = [str(raw.get(key) or "") for key in _NAMESPACES]
    shared = [mode.removeprefix("service:") for mode in modes if mode.startswith("service:")]
    return shared + [str(v).split(":")[0] for v in raw.get("volumes_from") or () if not str(v).startswith("container:")]


def _in_order(stack: Stack) -> list[str]:
    """Services, each after those that it depends on; Compose refuses a cycle."""
    order: dict[str, None] = {}

    def visit(name: str) -> None:
        service = stack.find(name)
        if service is None or name in order:
            return
        for other in (*service.depends_on, *_shares(service.raw)):
            visit(other)
        order[name] = None

    for service in stack.services:
        visit(service.name)
    return list(order)


def _hash(raw: Mapping[str, Any]) -> str:
    """The hash Compose labels a network or volume with: of Go's JSON, whose order `config` keeps."""
    text = json.dumps(raw, separators=(",", ":"), ensure_ascii=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return hashlib.sha256(text.encode()).hexdigest()
