"""Every `opskit.*` label of a service, read and judged in one place; pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

ROLE = "opskit.role"
ACCEPT = "opskit.accept."
PORT = "opskit.port."
KEY = "opskit.key."
GPU_GIB = "opskit.gpu.gib"

_PORT_FORM = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*) (?P<path>-|/\S*)(?: (?P<page>/\S*))? (?P<title>\S.*)")


@dataclass(frozen=True, slots=True)
class PortLabel:
    """What a published port is for: `opskit.port.<container port>: "<scheme> <path> [<page>] <title>"`.

    Attributes:
        path: what is asked for an answer; `-` is none.
        page: what people open, where that is another; empty where nobody opens it in a browser.
    """

    scheme: str
    path: str
    title: str
    page: str = ""


@dataclass(frozen=True, slots=True)
class Labels:
    """What a service's labels say; `faults` are (label, found, wanted) of those that say nothing.

    Attributes:
        oneshot: `opskit.role: oneshot`, it is meant to end.
        max_deaths: after so many since the launch began it is a crash loop; None where it does not say.
        stable_s: seconds it must run before it is believed, where it has no health check; None likewise.
        gpu_gib: what one of its processes takes of a GPU, in GiB; None likewise.
        keys: what a caller of a published port must have, by container port; `opskit.key.<container port>`.
        accepted: reason by the id of the lint rule whose faults it accepts.
    """

    oneshot: bool = False
    max_deaths: int | None = None
    stable_s: float | None = None
    gpu_gib: float | None = None
    ports: Mapping[int, PortLabel] = field(default_factory=dict)
    keys: Mapping[int, str] = field(default_factory=dict)
    accepted: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[tuple[str, str, str], ...] = ()


def parse_labels(labels: Mapping[str, str]) -> Labels:
    """Read a service's labels; one that cannot be read has its default, and is among the faults."""
    own = {name: value for name, value in labels.items() if name.startswith("opskit.")}
    ports = {name: _parse_port(name, value) for name, value in own.items() if name.startswith(PORT)}
    numbers = {name: _parse_number(own[name], *form) for name, form in _NUMBERS.items() if name in own}
    deaths = numbers.get("opskit.max_deaths")
    keys = {name: _parse_key(name, value) for name, value in own.items() if name.startswith(KEY)}
    known = {*_NUMBERS, ROLE, *ports, *keys, *(name for name in own if name.startswith(ACCEPT))}
    unread = {name for name, value in {**ports, **keys, **numbers}.items() if value is None} | (own.keys() - known)
    unread |= {ROLE} if own.get(ROLE, "oneshot") != "oneshot" else set()
    return Labels(
        oneshot=own.get(ROLE) == "oneshot",
        max_deaths=None if deaths is None else int(deaths),
        stable_s=numbers.get("opskit.stable_s"),
        gpu_gib=numbers.get(GPU_GIB),
        ports={int(name.removeprefix(PORT)): port for name, port in ports.items() if port},
        keys={int(name.removeprefix(KEY)): key for name, key in keys.items() if key},
        accepted={name.removeprefix(ACCEPT): reason for name, reason in own.items() if name.startswith(ACCEPT)},
        faults=tuple((name, own[name], _wanted(name)) for name in own if name in unread),
    )


def _wanted(name: str) -> str:
    if name == ROLE:
        return "oneshot"
    if name.startswith(PORT):
        return '"<scheme> <path or -> <title>" for a port number, such as "http / Chat"'
    if name.startswith(KEY):
        return "for a port number, what a caller must have, such as an account or the name of a key"
    if name in _NUMBERS:
        kind, least = _NUMBERS[name]
        return f"a {_KINDS[kind]} of {least:g} or more"
    return f"one of {', '.join((*_NUMBERS, ROLE, f'{PORT}<port>', f'{KEY}<port>', f'{ACCEPT}<rule>'))}"


def _parse_port(name: str, value: str) -> PortLabel | None:
    match = _PORT_FORM.fullmatch(value) if name.removeprefix(PORT).isdecimal() else None
    if match is None:
        return None
    page = match["page"] or ("/" if match["path"] == "/" else "")
    return PortLabel(match["scheme"], match["path"], match["title"], page)


def _parse_key(name: str, value: str) -> str | None:
    return (value.strip() or None) if name.removeprefix(KEY).isdecimal() else None


_NUMBERS: Mapping[str, tuple[type[float], float]] = {
    "opskit.max_deaths": (int, 1),
    "opskit.stable_s": (float, 0),
    GPU_GIB: (float, 0),
}
"""Kind and least value by label."""
_KINDS: Mapping[type[float], str] = {int: "whole number", float: "number"}


def _parse_number(text: str, kind: type[float], least: float) -> float | None:
    try:
        number = kind(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= least else None
