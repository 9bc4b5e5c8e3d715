"""Checks of networks and of names that containers share on an Engine; pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from opskit.compose.model import Stack
from opskit.preflight.finding import Finding, Verdict

if TYPE_CHECKING:
    from opskit.engine.facts import ContainerFact, EngineFacts, NetworkFact, VolumeFact
    from opskit.host.model import Kernel

_HALF = frozenset({"created", "dead", "removing"})
_RENAMED = re.compile(r"[0-9a-f]{12}_")
"""Compose's name for a container whose replacement it was making."""


def check_network_subnet(stack: Stack, networks: Iterable[NetworkFact], kernel: Kernel) -> tuple[Finding, ...]:
    """A subnet the stack fixes overlaps no other network of the Engine and nothing the host routes to.

    Args:
        stack: its `networks.*.ipam.config` are looked at; a network without one takes a free subnet.
        networks: those on the Engine; the stack's own are left out.
        kernel: the subnets the host routes to.
    """
    own = {subnet for n in networks if n.project == stack.project for subnet in n.subnets}
    taken = {subnet: f"network {n.name}" for n in networks if n.project != stack.project for subnet in n.subnets}
    taken |= {route: "a route of the host" for route in kernel.routes or () if route not in taken and route not in own}
    rows = []
    for key, network in _networks(stack):
        for config in (network.get("ipam") or {}).get("config") or ():
            if not config.get("subnet"):  # a gateway or a range alone
                continue
            wanted = ip_network(config["subnet"], strict=False)
            clash = [f"{who} ({subnet})" for subnet, who in taken.items() if _overlap(wanted, subnet)]
            verdict = Verdict.FAIL if clash else Verdict.PASS
            leave = f"leave `ipam` of networks/{key} out of the Compose file, so that the Engine takes a free subnet"
            remedy = f"{leave}; or give it a subnet that nobody has" if clash else ""
            said = "; ".join(clash) or "free"
            rows.append(Finding("network-subnet", verdict, f"{key} {wanted}", said, "a subnet of its own", remedy))
    return tuple(rows)


def check_network_unique(stack: Stack, networks: Iterable[NetworkFact]) -> tuple[Finding, ...]:
    """No network of the project is there twice: Compose then refuses it as ambiguous."""
    mine = [n for n in networks if n.project == stack.project]
    count = Counter(n.name for n in mine)
    wanted = "one network of a name"
    twice = [name for name, times in count.items() if times > 1]
    if not twice:
        return (Finding("network-unique", Verdict.PASS, "networks", f"{len(mine)} of this project", wanted),)
    return tuple(
        Finding(
            "network-unique",
            Verdict.FAIL,
            name,
            f"{count[name]} of that name",
            wanted,
            f"stop the environment, then `docker network rm {' '.join(n.id[:12] for n in mine if n.name == name)}`",
        )
        for name in twice
    )


def check_network_foreign(stack: Stack, networks: Iterable[NetworkFact]) -> tuple[Finding, ...]:
    """A network the launch will make does not bear the name of one that was made elsewhere."""
    others = {n.name: n.project for n in networks if n.project != stack.project}
    rows = []
    for key, network in _networks(stack):
        name = network.get("name") or f"{stack.project}_{key}"
        if not network.get("external") and name in others:
            owner = f"project {others[name]}" if others[name] else "by hand"
            found = f"there already, made {'by ' if others[name] else ''}{owner}"
            remedy = (
                f"`docker network rm {name}` where nothing uses it, or another name in the file: Compose would join "
                "it, and never take it away again"
            )
            rows.append(Finding("network-foreign", Verdict.FAIL, name, found, "this project's own", remedy))
    return tuple(rows)


def check_external_present(
    stack: Stack, networks: Iterable[NetworkFact], volumes: Iterable[VolumeFact]
) -> tuple[Finding, ...]:
    """What the files call external is there: Compose makes no such thing."""
    there = {"network": {n.name for n in networks}, "volume": {v.name for v in volumes}}
    rows = []
    for kind, section in (("network", "networks"), ("volume", "volumes")):
        for key, entry in (stack.raw.get(section) or {}).items():
            if (entry or {}).get("external"):
                name = entry.get("name") or key
                good = name in there[kind]
                remedy = "" if good else f"`docker {kind} create {name}`"
                verdict = Verdict.PASS if good else Verdict.FAIL
                found = "there" if good else "not there"
                rows.append(Finding("external-present", verdict, f"{kind} {name}", found, "there", remedy))
    return tuple(rows)


def check_network_filter(engine: EngineFacts) -> tuple[Finding, ...]:
    """Packets over bridges pass the packet filter, which is what keeps one network from another."""
    if engine.bridge_filtered is None:  # gone from Engine 28.2 on
        return ()
    verdict = Verdict.PASS if engine.bridge_filtered else Verdict.WARN
    found = f"bridge-nf-call-iptables is {'on' if engine.bridge_filtered else 'off'}"
    remedy = "" if engine.bridge_filtered else "`sudo modprobe br_netfilter`, and restart Docker"
    return (Finding("network-filter", verdict, "bridges", found, "on", remedy),)


def check_network_bridge(engine: EngineFacts, networks: Iterable[NetworkFact], kernel: Kernel) -> tuple[Finding, ...]:
    """The Engine's own bridge is still there: where another daemon took it away, no container gets a network."""
    link = next((n.link or "docker0" for n in networks if n.name == "bridge"), None)
    wanted = f"{link}, as the Engine's network `bridge` says"
    if not engine.local or engine.rootless or kernel.links is None or link is None:
        return ()
    if link in kernel.links:
        return (Finding("network-bridge", Verdict.PASS, link, "there", wanted),)
    return (Finding("network-bridge", Verdict.WARN, link, "not there", wanted, "`sudo systemctl restart docker`"),)


def check_network_chain(engine: EngineFacts, *, there: bool | None) -> tuple[Finding, ...]:
    """The Engine's chain is in the packet filter: a reload of firewalld or ufw takes it away, and no port opens then.

    Args:
        engine: whose chain.
        there: None where that may not be asked.
    """
    if not engine.local or engine.rootless or engine.firewall.startswith("nft") or there is None:
        return ()
    wanted = "chain DOCKER in the table nat, unless the Engine runs with iptables off"
    if there:
        return (Finding("network-chain", Verdict.PASS, "packet filter", "there", wanted),)
    remedy = "`sudo systemctl restart docker`, and again after each reload of the firewall"
    return (Finding("network-chain", Verdict.WARN, "packet filter", "not there", wanted, remedy),)


def check_container_left(stack: Stack, containers: Iterable[ContainerFact]) -> tuple[Finding, ...]:
    """No container of the project was left half made by a launch that was killed."""
    mine = [c for c in containers if c.project == stack.project]
    half = [c for c in mine if c.state in _HALF or _RENAMED.match(c.name)]
    wanted = "whole containers, or none"
    if not half:
        return (Finding("container-left", Verdict.PASS, "containers", f"{len(mine)} of this project", wanted),)
    return tuple(
        Finding("container-left", Verdict.WARN, c.name, f"{c.state}, left by a launch that was ended", wanted,
                f"`docker rm -f {c.name}`; the launch makes it again")
        for c in half
    )  # fmt: skip


def check_container_name(stack: Stack, containers: Iterable[ContainerFact]) -> tuple[Finding, ...]:
    """A container name fixed in the files is not another project's."""
    others = [c for c in containers if c.project != stack.project]
    owners = {c.name: f"project {c.project}" if c.project else "a container of no project" for c in others}
    rows = []
    for service in stack.services:
        name = service.raw.get("container_name")
        if name is not None:
            owner = owners.get(name)
            found = f"held by {owner}" if owner else "free"
            remedy = f"`docker rm -f {name}` where it may go, or leave container_name out of the file" if owner else ""
            verdict = Verdict.FAIL if owner else Verdict.PASS
            rows.append(Finding("container-name", verdict, f"{service.name} {name}", found, "free", remedy))
    return tuple(rows)


def _networks(stack: Stack) -> Iterable[tuple[str, Mapping[str, Any]]]:
    return ((key, entry or {}) for key, entry in (stack.raw.get("networks") or {}).items())


def _overlap(wanted: Any, other: str) -> bool:  # noqa: ANN401  an address of either version
    try:
        network = ip_network(other, strict=False)
    except ValueError:
        return False
    return bool(network.version == wanted.version and network.overlaps(wanted))
