"""Checks of the published ports; pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import combinations
from typing import TYPE_CHECKING

from opskit.compose.model import Port, Stack
from opskit.preflight.finding import Finding, Verdict
from opskit.unknown import Unknown

if TYPE_CHECKING:
    from opskit.engine.facts import ContainerFact
    from opskit.host.model import ListeningSocket

_NUMBER, _HIGHEST = re.compile(r"[1-9]\d*"), 65535
_ANOTHER = "containers of another Engine on this host"
_ENGINE_PROXIES = frozenset({"docker-proxy", "rootlesskit", "rootlessport", "com.docker.backend"})


def check_port_number(given: Mapping[str, str]) -> tuple[Finding, ...]:
    """What was given for a published port is one number that a port can have.

    Args:
        given: the text by the variable that publishes the port.
    """
    wanted = "one number from 1 to 65535, and nothing else"
    wrong = {name: text for name, text in given.items() if not (_NUMBER.fullmatch(text) and int(text) <= _HIGHEST)}
    remedy = "correct {name} in the env file or in the shell, or take it away for the port that the files give"
    if wrong:
        return tuple(
            Finding("port-number", Verdict.FAIL, name, repr(text), wanted, remedy.format(name=name))
            for name, text in wrong.items()
        )
    found = f"{len(given)} given, all numbers" if given else "none given"
    return (Finding("port-number", Verdict.PASS, "variables of published ports", found, wanted),)


def check_port_unique(stack: Stack) -> tuple[Finding, ...]:
    """No two services of the stack publish one port, nor two replicas of one service."""
    wanted = "one service a port"
    twice = [
        Finding("port-unique", Verdict.FAIL, _where(b), f"{a.service} publishes it too", wanted, _move(b))
        for a, b in combinations(stack.ports, 2)
        if (a.published, a.protocol) == (b.published, b.protocol) and _exclude(a.host_ip, b.host_ip)
    ]
    many = [
        Finding(
            "port-unique",
            Verdict.FAIL,
            _where(port),
            f"{stack.service(port.service).replicas} replicas publish it",
            wanted,
            "give the service one replica, or no published port and a proxy before it",
        )
        for port in stack.ports
        if stack.service(port.service).replicas > 1
    ]
    if twice or many:
        return (*twice, *many)
    count = f"{len(stack.ports)} published ports, all different"
    return (Finding("port-unique", Verdict.PASS, "published ports", count, wanted),)


def check_port_free(
    stack: Stack, sockets: Iterable[ListeningSocket] | Unknown, publishers: Iterable[ContainerFact], prefix: str = ""
) -> tuple[Finding, ...]:
    """Every published port is free, or held by this very service already; one owner of several is one finding.

    Args:
        stack: its published ports are looked at, the published side of each.
        sockets: listening sockets of the host.
        publishers: containers on the Engine; a port they publish may hold no socket (userland-proxy off).
        prefix: what the names of the environments' projects begin with.
    """
    unread = (_unread("port-free", "ports", sockets, "the owner of each"),) if isinstance(sockets, Unknown) else ()
    held = () if isinstance(sockets, Unknown) else tuple(sockets)
    there = tuple(publishers)
    claims = [_claim(port, stack, held, there) for port in stack.ports]
    owned: dict[str, list[Finding]] = {}
    for number, claim in enumerate(claims):
        owned.setdefault(claim.owner or str(number), []).append(claim.finding)
    ends = {claim.owner: _end_all(claim, prefix) for claim in claims}
    joined = (_join(owner, ends[owner], many) if len(many) > 1 else many[0] for owner, many in owned.items())
    return (*joined, *unread)


@dataclass(frozen=True, slots=True)
class _Claim:
    """What is said of one port.

    Attributes:
        owner: a stranger that may hold several of the ports; empty: none.
        project: of the owner, where containers are.
        end: what ends a process that is the owner.
    """

    finding: Finding
    owner: str = ""
    project: str = ""
    end: str = ""


def _end_all(claim: _Claim, prefix: str) -> str:
    if not claim.project:
        return claim.end
    name = claim.project.removeprefix(f"{prefix}-")
    if not prefix or name == claim.project:
        return f"`docker compose -p {claim.project} stop`"
    rehearsal = " --rehearse" if name.endswith("-rehearsal") else ""
    return f"`opskit stop {name.removesuffix('-rehearsal')}{rehearsal}` (its data is kept)"


def _join(owner: str, end: str, findings: list[Finding]) -> Finding:
    """The findings of one owner as one: its cause is one, and so is its remedy."""
    lines = tuple(f"{finding.subject}: {finding.found}" for finding in findings)
    ports = ", ".join(finding.subject.split()[-1].rpartition(":")[2].partition("/")[0] for finding in findings)
    remedy = f"{end}, or ports=auto"
    subject = f"{len(findings)} ports"
    return Finding("port-free", Verdict.FAIL, subject, f"{ports}: held by {owner}", "free", remedy, evidence=lines)


def check_port_reserved(
    stack: Stack,
    sockets: Iterable[ListeningSocket] | Unknown,
    publishers: Iterable[ContainerFact],
    prefix: str,
    reserved: Collection[int],
) -> tuple[Finding, ...]:
    """No stranger holds a port that another environment would publish.

    Args:
        stack: the ports it publishes are left to port-free.
        sockets: listening sockets of the host.
        publishers: containers on the Engine; those of the environments' projects are no strangers.
        prefix: what the names of these projects begin with.
        reserved: what all environments' files publish, unless a variable says otherwise.
    """
    wanted = "free, for the stack's other environments"
    if isinstance(sockets, Unknown):
        return (_unread("port-reserved", "ports of the stack", sockets, wanted),)
    ours = {held.port for c in publishers if (c.project or "").startswith(f"{prefix}-") for held in c.published}
    ours |= {port.published for port in stack.ports if port.published}
    strange = (held for held in sockets if held.port not in ours and held.protocol == "tcp")
    owners: dict[str, set[int]] = {}
    for held in strange:
        if held.port in reserved:
            owners.setdefault(_ANOTHER if held.name in _ENGINE_PROXIES else _owner(held), set()).add(held.port)
    if not owners:
        return (Finding("port-reserved", Verdict.PASS, "ports of the stack", "free or ours", wanted),)
    remedy = "nothing now; an environment that publishes it will want it moved by its *_PORT variable, or ports=auto"
    named = {owner: ", ".join(map(str, sorted(ports))) for owner, ports in owners.items()}
    return tuple(
        Finding("port-reserved", Verdict.WARN, f"port {named[owner]}", f"held by {owner}", wanted, remedy)
        for owner in sorted(owners, key=lambda owner: min(owners[owner]))
    )


def _unread(check: str, subject: str, why: Unknown, wanted: str) -> Finding:
    return Finding(check, Verdict.SKIP, subject, why.reason, wanted, why.remedy, required=False)


def _owner(holder: ListeningSocket) -> str:
    return f"{holder.name or 'a process'} (pid {holder.pid})" if holder.pid else "a process that this user may not see"


def busy_ports(
    stack: Stack, holders: Iterable[ListeningSocket], containers: Iterable[ContainerFact]
) -> tuple[Port, ...]:
    """The published ports that `check_port_free` fails."""
    sockets, there = tuple(holders), tuple(containers)
    return tuple(p for p in stack.ports if _claim(p, stack, sockets, there).finding.verdict is Verdict.FAIL)


def _claim(
    port: Port, stack: Stack, holders: tuple[ListeningSocket, ...], containers: tuple[ContainerFact, ...]
) -> _Claim:
    for container in containers:
        for held in container.published:
            if (held.port, held.protocol) == (port.published, port.protocol) and _exclude(held.ip, port.host_ip):
                return _held_by_container(port, stack, container)
    for holder in holders:
        if (holder.port, holder.protocol) == (port.published, port.protocol) and _blocks(holder.ip, port.host_ip):
            if holder.name in _ENGINE_PROXIES and _comes_and_goes(port, stack, containers):
                return _Claim(_free(port, "already ours, between two restarts"))
            return _held_by_process(port, holder)
    return _Claim(_free(port, "free"))


def _free(port: Port, found: str) -> Finding:
    return Finding("port-free", Verdict.PASS, _where(port), found, "free")


def _comes_and_goes(port: Port, stack: Stack, containers: tuple[ContainerFact, ...]) -> bool:
    """Whether the service's own container restarts just now: the Engine lists its ports only while it runs."""
    return any(
        container.project == stack.project and container.service == port.service and container.state == "restarting"
        for container in containers
    )


def _held_by_container(port: Port, stack: Stack, container: ContainerFact) -> _Claim:
    where, wanted = _where(port), f"free, or held by {port.service}"
    if container.project == stack.project and container.service == port.service:
        return _Claim(Finding("port-free", Verdict.PASS, where, "already ours", wanted))
    if container.project == stack.project:
        found = f"held by {container.service} of this same environment"
        remedy = f"`docker rm -f {container.name}`; the launch makes it again where it still belongs to the stack"
        moves = any(service.name == container.service for service in stack.services)
        return _Claim(Finding("port-free", Verdict.WARN if moves else Verdict.FAIL, where, found, wanted, remedy))
    owner = f"held by container {container.name}" + (f" of project {container.project}" if container.project else "")
    remedy = f"`docker stop {container.name}`, or {_move(port)} or ports=auto"
    project = container.project or ""
    return _Claim(
        Finding("port-free", Verdict.FAIL, where, owner, wanted, remedy), project and f"project {project}", project
    )


def _held_by_process(port: Port, holder: ListeningSocket) -> _Claim:
    owner = shared = _owner(holder)
    if holder.pid is None:
        shared = ""  # nobody knows whether it is one process
        end = end_all = f"`sudo ss -lnp 'sport = :{port.published}'` names it; end it"
    elif holder.name in _ENGINE_PROXIES:
        owner = f"{holder.name} (pid {holder.pid}), for a container of another Engine on this host"
        by = "with its own Engine (`docker context ls`)"
        end, end_all = f"stop that container {by}", f"stop them {by}"
        shared = _ANOTHER
    else:
        end = end_all = f"end it (`kill {holder.pid}`)"
    remedy = f"{end}, or {_move(port)} or ports=auto"
    finding = Finding("port-free", Verdict.FAIL, _where(port), f"held by {owner}", "free", remedy)
    return _Claim(finding, shared, end=end_all)


def _where(port: Port) -> str:
    host = f"[{port.host_ip}]" if ":" in port.host_ip else port.host_ip
    return f"{port.service} {host}:{port.published}/{port.protocol}"


def _move(port: Port) -> str:
    return f"publish {port.service} on another port with its *_PORT variable"


def _exclude(a: str, b: str) -> bool:
    """Whether two addresses published by an Engine exclude each other; its `::` is IPv6 alone."""
    first, second = _address(a), _address(b)
    if first.version != second.version:
        return False
    return first == second or first.is_unspecified or second.is_unspecified


def _blocks(held: str, wanted: str) -> bool:
    """Whether a process's socket keeps the Engine from an address; a `::` of a process mostly takes IPv4 too."""
    address = _address(held)
    return _exclude(held, wanted) or (address.version == 6 and address.is_unspecified)  # noqa: PLR2004  IPv6


def _address(text: str) -> IPv4Address | IPv6Address:
    address = ip_address(text.partition("%")[0] or "0.0.0.0")  # noqa: S104  an absent one means any
    return getattr(address, "ipv4_mapped", None) or address
