"""What the kernel says: settings that containers depend on, and the networks it already routes to; read once."""

from __future__ import annotations

import sys
from ipaddress import ip_address, ip_network
from pathlib import Path

from opskit import process
from opskit.host.model import Kernel

SETTINGS = ("vm.max_map_count", "vm.overcommit_memory", "net.ipv4.ip_forward")
_MASK = 7
_ASK_S = 3.0


def read_kernel() -> Kernel:
    """Ask the kernel."""
    return Kernel(
        {name: _setting(name) for name in SETTINGS},
        _routes(),
        links=_names(Path("/sys/class/net")),
        modules=_names(Path("/sys/module")),
    )


def read_docker_chain() -> bool | None:
    """Whether the packet filter has the Engine's chain; None where this user may not ask, or there is no iptables."""
    done = process.run(("iptables", "-w", "1", "-t", "nat", "-S"), timeout_s=_ASK_S)
    return "-N DOCKER" in done.stdout.splitlines() if done.rc == 0 else None


def _names(folder: Path) -> frozenset[str] | None:
    try:
        return frozenset(path.name for path in folder.iterdir())
    except OSError:
        return None


def _setting(name: str) -> int | None:
    try:
        return int(Path("/proc/sys", *name.split(".")).read_text())
    except (OSError, ValueError):
        return None


def parse_routes(text: str) -> tuple[str, ...]:
    """The subnets of the kernel's routing table, without the default route.

    Source: /proc/net/route; destination and mask are 32-bit words in the machine's order, in hexadecimal.
    """
    rows = [line.split() for line in text.splitlines()[1:]]
    pairs = [(_address(row[1]), _address(row[7])) for row in rows if len(row) > _MASK]
    return tuple(dict.fromkeys(str(ip_network(f"{to}/{mask}")) for to, mask in pairs if mask != "0.0.0.0"))  # noqa: S104  of a mask


def _routes() -> tuple[str, ...] | None:
    try:
        return parse_routes(Path("/proc/net/route").read_text())
    except (OSError, ValueError):
        return None


def _address(word: str) -> str:
    return str(ip_address(int(word, 16).to_bytes(4, sys.byteorder)))
