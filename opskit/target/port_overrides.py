"""Published ports that were moved out of the way: planned from what is read, written by a launch, kept for the next.

One small file for each project, in the state folder; `ports=keep` forgets it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from opskit.compose.client import Project
from opskit.compose.model import Port, Stack
from opskit.compose.source import read_source
from opskit.engine.facts import ContainerFact
from opskit.files import make_folder, write_atomically
from opskit.host.model import ListeningSocket
from opskit.paths import STATE
from opskit.preflight.checks.port import busy_ports
from opskit.secrets.store import read_given
from opskit.secrets.value import Secret

PORTS = ("", "auto", "keep")
"""What `ports` may be: empty leaves moved what was moved, `auto` moves what is busy, `keep` takes all of it back."""

_LAST = 65535
_REACH = 500
"""How far from its own number a port is looked for: near ones are remembered more easily."""


def read_overrides(project: str) -> Mapping[str, str]:
    """The ports moved earlier, by variable; the shell and the env file win over them."""
    try:
        ports = json.loads(_path(project).read_text())
    except (OSError, ValueError):
        return {}  # none were moved, or the file is damaged: the next launch that moves one writes it again
    return {str(name): str(port) for name, port in ports.items()} if isinstance(ports, dict) else {}


def write_overrides(project: str, overrides: Mapping[str, str]) -> None:
    """Keep them for the next launch; none takes the file away. Only a launch writes, while it holds the project."""
    path = _path(project)
    if overrides:
        make_folder(path.parent)
        write_atomically(path, json.dumps(dict(overrides), indent=1))
    else:
        path.unlink(missing_ok=True)


def given_ports(project: Project, env_file: Mapping[str, Secret]) -> Mapping[str, str]:
    """What was given for the variables that publish a port, as text; those left to the file's default are left out."""
    names = read_source(project.files).ports
    texts = {name: project.environ.get(name) or read_given(name, env_file) for name in names}
    return {name: text for name, text in texts.items() if text}


def plan_overrides(
    project: Project,
    stack: Stack,
    sockets: Collection[ListeningSocket],
    containers: Collection[ContainerFact],
    env_file: Mapping[str, Secret],
) -> Mapping[str, str]:
    """New values for the variables of busy published ports; empty where none is busy. Nothing is written.

    Args:
        project: whose files name the variables, and whose variables win over the env file.
        stack: as it resolves now.
        sockets: listening sockets of the host.
        containers: on the Engine, whichever project they are of.
        env_file: values of the environment's env file.
    """
    defaults = read_source(project.files).ports
    values = {name: _value(project, name, default, env_file) for name, default in defaults.items()}
    published = {held.port for container in containers for held in container.published}
    taken = {held.port for held in sockets} | published | {port.published for port in stack.ports if port.published}
    moves, _ = plan_moves(busy_ports(stack, sockets, containers), values, taken)
    return {name: str(port) for name, port in moves.items()}


def plan_moves(
    busy: Iterable[Port], values: Mapping[str, int], taken: Collection[int]
) -> tuple[Mapping[str, int], tuple[Port, ...]]:
    """A new value for the variable of each busy port: the next number that is free.

    Args:
        busy: published ports that something else holds.
        values: the port each variable publishes now.
        taken: every number that is held on the host or published by the stack.

    Returns:
        The new values by variable, and the busy ports that no variable moves.
    """
    variable_of = {port: name for name, port in values.items()}
    used = set(taken)
    moves: dict[str, int] = {}
    stuck = []
    for port in busy:
        start = port.published or 0
        name = variable_of.get(start)
        free = next((n for n in range(start + 1, min(start + _REACH, _LAST)) if n not in used), None)
        if name is None or free is None:
            stuck.append(port)
        elif name not in moves:
            moves[name] = free
            used.add(free)
    return moves, tuple(stuck)


def _value(project: Project, name: str, default: int, env_file: Mapping[str, Secret]) -> int:
    """What the variable is by Compose's precedence: what was given, the shell, the env file, the file's default."""
    text = project.environ.get(name) or read_given(name, env_file)
    return int(text) if text.isdigit() else default


def _path(project: str) -> Path:
    return STATE / f"{project}.ports.json"
