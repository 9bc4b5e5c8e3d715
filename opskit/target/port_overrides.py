"""Moves busy published ports and remembers where to: one small file for each project, in the state folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from opskit.compose.client import Project
from opskit.compose.model import Stack
from opskit.compose.ports import plan_moves
from opskit.compose.source import read_source
from opskit.engine.facts import ContainerFact
from opskit.files import write_atomically
from opskit.host.model import ListeningSocket
from opskit.paths import STATE
from opskit.preflight.checks.port import busy_ports
from opskit.secrets.store import read_given, read_secrets
from opskit.secrets.value import Secret


def read_moved(project: str) -> Mapping[str, str]:
    """The values moved earlier, by variable; the shell and the env file win over them."""
    try:
        said = json.loads(_path(project).read_text())
    except (OSError, ValueError):
        return {}  # none were moved, or the file is damaged: the next busy port writes it anew
    return {str(name): str(port) for name, port in said.items()} if isinstance(said, dict) else {}


def move_ports(
    project: Project, stack: Stack, holders: Iterable[ListeningSocket], containers: Iterable[ContainerFact]
) -> Mapping[str, str]:
    """New values for the variables of busy ports, remembered for the next launch; empty where none is busy."""
    sockets, there = tuple(holders), tuple(containers)
    defaults = read_source(project.files).ports
    env_file = read_secrets(project.env_file) if project.env_file else {}
    values = {name: _value(project, name, default, env_file) for name, default in defaults.items()}
    published = {held.port for container in there for held in container.published}
    taken = {held.port for held in sockets} | published | {port.published for port in stack.ports if port.published}
    moves, _ = plan_moves(busy_ports(stack, sockets, there), values, taken)
    said = {name: str(port) for name, port in moves.items()}
    if said:
        path = _path(stack.project)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps({**read_moved(stack.project), **said}, indent=1))
    return said


def _value(project: Project, name: str, default: int, env_file: Mapping[str, Secret]) -> int:
    """What the variable is by Compose's precedence: what was given, the shell, the env file, the file's default."""
    said = project.environ.get(name) or read_given(name, env_file)
    return int(said) if said.isdigit() else default


def _path(project: str) -> Path:
    return STATE / f"{project}.ports.json"
