"""What the rules look at and what they say: the resolved stack, the texts it came from, and a flaw; pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from opskit.compose.model import Service, Stack
from opskit.errors import ConfigError

VARIABLE = re.compile(r"\$(?:\$|\{(?P<braced>\w+)(?P<rule>:?[-?+])?|(?P<plain>[A-Za-z_]\w*))")
"""One interpolation; `$$` matches without a name, and one nested in a default is found by itself."""

ROLE = "opskit.role"
"""The label that makes a service a one-shot whatever else it says: `opskit.role: oneshot`."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value as it is written in a Compose file, before interpolation.

    Attributes:
        path: keys and indexes from the top of the file; merge keys (`<<`) are left out.
    """

    file: str
    line: int
    path: tuple[str, ...]
    value: str

    @property
    def place(self) -> str:
        """The file and line, as an editor wants them."""
        return f"{self.file}: line {self.line}"

    @property
    def owners(self) -> tuple[str, ...]:
        """The service it is written in, if it is in one."""
        return self.path[1:2] if self.path[0] == "services" else ()

    def variables(self) -> Iterator[tuple[str, str, int]]:
        """(name, operator or "", offset) of each interpolation, escapes left out."""
        for found in VARIABLE.finditer(self.value):
            if name := found["braced"] or found["plain"]:
                yield name, found["rule"] or "", found.start()


@dataclass(frozen=True, slots=True)
class Subject:
    """All that a rule may look at.

    Attributes:
        scalars: every value of every file.
        root: the project's folder.
        present: whether each bind source exists; one that is not here is not judged.
        secrets: names of the variables that hold secrets.
    """

    stack: Stack
    scalars: tuple[Scalar, ...]
    root: str
    present: Mapping[str, bool]
    secrets: Collection[str]


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing a rule does not allow; `owners` are the services whose label may accept it."""

    place: str
    found: str
    wanted: str
    remedy: str
    owners: tuple[str, ...]


def is_one_shot(service: Service, stack: Stack) -> bool:
    """Whether a service is to end: its label says so, somebody waits for its end, or nothing restarts or probes it."""
    ends = str(service.raw.get("restart") or "").startswith(("no", "on-failure")) and not service.healthcheck
    return ends or service.labels.get(ROLE) == "oneshot" or service.name in stack.one_shots


def parse_scalars(file: str, text: str) -> Iterator[Scalar]:
    """Every value of one Compose file with its place; what is aliased is given once for each place it is used in.

    Raises:
        ConfigError: the text is no YAML.
    """
    try:
        documents = tuple(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise ConfigError(f"{file}: cannot be read as YAML: {error}") from None
    for document in documents:
        yield from _scalars(file, document, ())


def _scalars(file: str, node: Any, path: tuple[str, ...]) -> Iterator[Scalar]:  # noqa: ANN401  PyYAML types no node
    if isinstance(node, yaml.ScalarNode):
        yield Scalar(file, node.start_mark.line + 1, path, node.value)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _scalars(file, item, (*path, str(index)))
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            unused = not path and key.value.startswith("x-")  # counts where it is aliased
            if not unused:
                yield from _scalars(file, value, path if key.value == "<<" else (*path, key.value))
