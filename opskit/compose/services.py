"""The services that Compose files name, whatever their variables and profiles: read from their text."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import yaml


def read_service_names(files: Iterable[Path]) -> frozenset[str] | None:
    """Every service that any of the files names; None where the text alone does not tell (unreadable, `include`, `<<`).

    A profile that is off and an overlay that is not chosen count too: such a service is still one of the project.
    """
    names: set[str] = set()
    for file in files:
        try:
            tree = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)  # nodes: `!reset` is no fault
        except (OSError, UnicodeDecodeError, yaml.YAMLError):
            return None
        found = _keys(tree)
        if found is None or "include" in found:
            return None
        services = _keys(found.get("services"))
        if services is None or "<<" in services:
            return None
        names.update(services)
    return frozenset(names)


def _keys(node: yaml.Node | None) -> dict[str, yaml.Node] | None:
    return {str(key.value): value for key, value in node.value} if isinstance(node, yaml.MappingNode) else None
