"""The Compose files as they are written, before interpolation: every value as a YAML node, with its place.

Compose stops at the first variable that is missing, resolves away who wrote what, and tells no line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from opskit.errors import ConfigError

VARIABLE = re.compile(r"\$(?:\$|\{(?P<braced>\w+)(?P<rule>:?[-?+])?|(?P<plain>[A-Za-z_]\w*))")
"""One interpolation; `$$` matches without a name, and one nested in a default is matched by itself."""

_DEFAULT_PORT = re.compile(r"\$\{\w+:?-(\d+)\}")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value as it is written in a Compose file.

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
        for match in VARIABLE.finditer(self.value):
            if name := match["braced"] or match["plain"]:
                yield name, match["rule"] or "", match.start()

    def published(self) -> Iterator[str]:
        """The variables that move the host's side of a port, where this is one."""
        if self.path[2:3] != ("ports",):
            return
        if self.path[4:] == ("published",):
            yield from (name for name, _, _ in self.variables())
        elif not self.path[4:]:
            start, end = host_part(self.value)
            yield from (name for name, _, offset in self.variables() if start <= offset < end)


def host_part(port: str) -> tuple[int, int]:
    """Where the published port lies in `[address:]published:target`; nowhere, where only the target is named."""
    parts = [part.span() for part in re.finditer(r"(?:\$\{[^}]*\}|\[[^]]*\]|[^:])+", port)]
    return parts[-2] if len(parts) > 1 else (0, 0)


@dataclass(frozen=True, slots=True)
class Source:
    """All values of some Compose files and of those they extend or include."""

    scalars: tuple[Scalar, ...]

    @property
    def demanded(self) -> frozenset[str]:
        """Names in `${NAME:?…}`."""
        return frozenset(name for name, rule, _ in self._variables() if rule in {"?", ":?"})

    @property
    def used(self) -> frozenset[str]:
        """Every name that they are interpolated with."""
        return frozenset(name for name, _, _ in self._variables())

    @property
    def removed(self) -> frozenset[str]:
        """The services that a file takes away (`!reset null`)."""
        return frozenset(owner for scalar in self.scalars if len(scalar.path) == 2 for owner in scalar.owners)  # noqa: PLR2004

    @property
    def reserving(self) -> frozenset[str]:
        """The services that reserve something, such as GPUs."""
        place = ("deploy", "resources", "reservations")
        return frozenset(owner for scalar in self.scalars if scalar.path[2:5] == place for owner in scalar.owners)

    @property
    def ports(self) -> Mapping[str, int]:
        """The default port by the variable that publishes it."""
        defaults = {}
        for scalar in self.scalars:
            for name in scalar.published():
                start = scalar.value.index(f"${{{name}") if f"${{{name}" in scalar.value else 0
                if match := _DEFAULT_PORT.match(scalar.value, start):
                    defaults[name] = int(match[1])
        return defaults

    def _variables(self) -> Iterator[tuple[str, str, int]]:
        return (variable for scalar in self.scalars for variable in scalar.variables())


def read_source(files: Iterable[Path]) -> Source:
    """Read the files and those they extend or include; what cannot be read or is no YAML is left to Compose to name."""
    scalars: list[Scalar] = []
    for file, text in read_texts(files).items():
        try:
            scalars += parse_scalars(str(file), text)
        except ConfigError:
            continue  # Compose refuses the file with its own words, and preflight shows them
    return Source(tuple(scalars))


def read_texts(files: Iterable[Path]) -> Mapping[Path, str]:
    """The texts of the files and of those they extend or include; a file that is not there is left to Compose."""
    texts: dict[Path, str] = {}
    todo = [file.resolve() for file in files]
    while todo:
        file = todo.pop()
        if file not in texts and file.is_file():
            texts[file] = file.read_text(encoding="utf-8", errors="replace")
            todo += [(file.parent / other).resolve() for other in _parse_others(str(file), texts[file])]
    return texts


def _parse_others(file: str, text: str) -> Iterator[str]:
    """The files that one extends or includes."""
    try:
        scalars = parse_scalars(file, text)
    except ConfigError:
        return
    for scalar in scalars:
        extended = scalar.path[0] == "services" and scalar.path[2:] == ("extends", "file")
        if extended or (scalar.path[0] == "include" and scalar.path[2:3] in {(), ("path",)}):
            yield scalar.value


@lru_cache(maxsize=64)
def parse_scalars(file: str, text: str) -> tuple[Scalar, ...]:
    """Every value of one Compose file with its place; what is aliased is given once for each place it is used in.

    Raises:
        ConfigError: the text is no YAML.
    """
    try:
        documents = tuple(yaml.compose_all(text, Loader=_LOADER))
    except yaml.YAMLError as error:
        raise ConfigError(f"{file}: cannot be read as YAML: {error}") from None
    return tuple(scalar for document in documents for scalar in _scalars(file, document, ()))


def _scalars(file: str, node: Any, path: tuple[str, ...]) -> Iterator[Scalar]:  # noqa: ANN401  PyYAML types no node
    if isinstance(node, yaml.ScalarNode) and path:
        yield Scalar(file, node.start_mark.line + 1, path, node.value)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _scalars(file, item, (*path, str(index)))
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            unused = not path and str(key.value).startswith("x-")  # counts where it is aliased
            if not unused:
                yield from _scalars(file, value, path if key.value == "<<" else (*path, str(key.value)))


def read_service_names(files: Iterable[Path]) -> frozenset[str] | None:
    """Every service that any of the files names; None where the text alone does not tell (unreadable, `include`, `<<`).

    A profile that is off and an overlay that is not chosen count too: such a service is still one of the project.
    """
    names: set[str] = set()
    for file in files:
        try:
            tree = yaml.compose(file.read_text(encoding="utf-8"), Loader=_LOADER)  # nodes: `!reset` is no fault
        except (OSError, UnicodeDecodeError, yaml.YAMLError):
            return None
        top = _keys(tree)
        services = _keys(top.get("services")) if top is not None and "include" not in top else None
        if services is None or "<<" in services:
            return None
        names.update(services)
    return frozenset(names)


def _keys(node: yaml.Node | None) -> dict[str, yaml.Node] | None:
    return {str(key.value): value for key, value in node.value} if isinstance(node, yaml.MappingNode) else None
