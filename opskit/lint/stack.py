"""Rules about what services share: the host's ports and files, networks, and each other's start; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from posixpath import normpath
from typing import Any

from opskit.compose.model import Port, Service, Stack
from opskit.lint.service import OPEN
from opskit.lint.subject import Flaw, Subject, is_one_shot

_ENDED = "service_completed_successfully"


def check_port_published_twice(subject: Subject) -> Iterator[Flaw]:
    """No two services publish one port: whichever starts second fails."""
    taken = [
        (f"services/{service.name}/ports/{index}", port)
        for service in subject.stack.services
        for index, port in enumerate(service.ports)
        if port.published is not None
    ]
    for (other, one), (place, two) in combinations(taken, 2):
        if _clash(one, two):
            found = f"{two.published}/{two.protocol} on {two.host_ip}, which {other} publishes too"
            owners = (two.service, one.service)
            yield Flaw(place, found, "a port of its own", "publish one of them elsewhere", owners)


def _clash(one: Port, two: Port) -> bool:
    same = (one.published, one.protocol) == (two.published, two.protocol)
    return same and (one.host_ip == two.host_ip or not OPEN.isdisjoint((one.host_ip, two.host_ip)))


def check_host_path_outside(subject: Subject) -> Iterator[Flaw]:
    """What is mounted from the host lies in the project's folder, so that a checkout is all it takes."""
    root = normpath(subject.root)
    for place, source, owners in _binds(subject.stack):
        if not f"{normpath(source)}/".startswith(f"{root}/"):
            remedy = "move it into the project, or accept it with the reason it cannot be there"
            yield Flaw(place, source, f"a path in {root}", remedy, owners)


def check_host_path_missing(subject: Subject) -> Iterator[Flaw]:
    """What is mounted from the host is there: for a missing file Docker makes a folder of that name."""
    for place, source, owners in _binds(subject.stack):
        if not subject.present.get(source, True):
            yield Flaw(place, f"no {source}", "the file or folder", "add it, or remove the mount", owners)


def _binds(stack: Stack) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    for service in stack.services:
        for index, mount in enumerate(service.mounts):
            if mount.kind == "bind":
                yield f"services/{service.name}/volumes/{index}", mount.source, (service.name,)
    for section in ("configs", "secrets"):
        for name, entry in _entries(stack, section):
            if "file" in entry:
                yield f"{section}/{name}", entry["file"], _users(stack, section, name)


def check_external_resource(subject: Subject) -> Iterator[Flaw]:
    """Every network and volume is the project's own: nobody creates an external one, and the start fails."""
    for section in ("networks", "volumes"):
        for name, entry in _entries(subject.stack, section):
            if entry.get("external"):
                remedy = "remove `external`; Compose creates it in the project"
                users = _users(subject.stack, section, name)
                yield Flaw(f"{section}/{name}", f"external {entry.get('name', name)}", "one of its own", remedy, users)


def check_subnet_fixed(subject: Subject) -> Iterator[Flaw]:
    """No network has a fixed subnet: where it overlaps another stack's, that one goes down."""
    for name, entry in _entries(subject.stack, "networks"):
        for pool in (entry.get("ipam") or {}).get("config") or ():
            if "subnet" in pool:
                remedy = "remove ipam.config; the Engine picks a free subnet"
                users = _users(subject.stack, "networks", name)
                yield Flaw(f"networks/{name}/ipam", f"subnet {pool['subnet']}", "one the Engine picks", remedy, users)


def check_dependency_unready(subject: Subject) -> Iterator[Flaw]:
    """Who needs a service that has a health check waits for it: started is not ready."""
    for place, other, condition, owners in _dependencies(subject.stack):
        if condition == "service_started" and other.healthcheck and not is_one_shot(other, subject.stack):
            remedy = f"write depends_on: {{{other.name}: {{condition: service_healthy}}}}"
            yield Flaw(place, condition, "service_healthy", remedy, owners)


def check_one_shot_unfinished(subject: Subject) -> Iterator[Flaw]:
    """Who needs a one-shot waits for its end: neither its start nor its health says that the work is done."""
    for place, other, condition, owners in _dependencies(subject.stack):
        if condition != _ENDED and is_one_shot(other, subject.stack):
            remedy = f"write depends_on: {{{other.name}: {{condition: {_ENDED}}}}}"
            yield Flaw(place, condition, _ENDED, remedy, owners)


def _dependencies(stack: Stack) -> Iterator[tuple[str, Service, str, tuple[str, ...]]]:
    by_name = {service.name: service for service in stack.services}
    for service in stack.services:
        for name, condition in service.depends_on.items():
            if name in by_name:
                yield f"services/{service.name}/depends_on/{name}", by_name[name], condition, (service.name,)


def _entries(stack: Stack, section: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, entry in (stack.raw.get(section) or {}).items():
        yield name, entry or {}


def _users(stack: Stack, section: str, name: str) -> tuple[str, ...]:
    return tuple(service.name for service in stack.services if name in _used(service.raw.get(section) or ()))


def _used(entries: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> frozenset[str]:
    return frozenset(entries if isinstance(entries, Mapping) else (str(entry.get("source")) for entry in entries))
