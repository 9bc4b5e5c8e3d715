"""What is reached from where, and with which key; pure."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from itertools import groupby

from opskit.compose.model import Port, Stack
from opskit.preflight.finding import Finding, Verdict

_WANTED = "beyond this machine only what asks for a key, encrypted on the way"
_CLEAR = frozenset({"http", "redis", "beats", "grpc"})
"""Schemes that encrypt nothing; PostgreSQL's clients and servers agree on that themselves."""


def check_exposure(stack: Stack) -> tuple[Finding, ...]:
    """Who may reach a published port from beyond this machine needs a key, and sends it encrypted."""
    far = [port for port in stack.ports if not _local(port)]
    return (
        *(_judge(stack, service, tuple(ports)) for service, ports in groupby(far, lambda port: port.service)),
        _near(stack, [port for port in stack.ports if _local(port)]),
    )


def _judge(stack: Stack, name: str, ports: tuple[Port, ...]) -> Finding:
    labels = stack.service(name).labels
    schemes = {labels.ports[port.target].scheme for port in ports if port.target in labels.ports}
    found = "; ".join(f"{_place(port)} asks for: {labels.keys.get(port.target, 'nothing')}" for port in ports)
    if any(port.target not in labels.keys for port in ports):
        remedy = f"publish {name} on 127.0.0.1, or name what it asks for in the label opskit.key.<container port>"
        return Finding("exposure", Verdict.WARN, f"{name} on the network", found, _WANTED, remedy)
    if "https" not in schemes and schemes & _CLEAR:
        remedy = (
            "merge docker-compose.tls.yml with your certificate in TLS_DIR (`-p overlays docker-compose.tls.yml`), or "
            "set NGINX_BIND_ADDRESS=127.0.0.1 and put a terminator before it"
            if name == "nginx"
            else f"publish {name} on 127.0.0.1, and reach it through nginx or an SSH tunnel"
        )
        found = f"{found}; keys and answers cross the network in clear"
        return Finding("exposure", Verdict.WARN, f"{name} on the network", found, _WANTED, remedy)
    return Finding("exposure", Verdict.PASS, f"{name} on the network", found, _WANTED)


def _near(stack: Stack, ports: Iterable[Port]) -> Finding:
    """Who has an account of this machine reaches these."""
    rows = [
        f"{port.service} {port.published} ({stack.service(port.service).labels.keys.get(port.target, 'no key')})"
        for port in ports
    ]
    return Finding("exposure", Verdict.PASS, "from this machine alone", ", ".join(rows) or "nothing", _WANTED)


def _place(port: Port) -> str:
    return f"{port.host_ip or 'every address'}:{port.published or 'a free port'}"


def _local(port: Port) -> bool:
    try:
        return ip_address(port.host_ip.strip("[]")).is_loopback
    except ValueError:  # none is every address
        return False
