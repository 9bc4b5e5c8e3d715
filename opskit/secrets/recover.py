"""Secrets read back out of the variables that containers were made with; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_MARK = re.compile(r"opskit-value-of-([A-Z0-9_]+)-here")


def mark_of(name: str) -> str:
    """What stands for a secret's value in a model that is resolved to see where each value goes."""
    return f"opskit-value-of-{name}-here"


def find_values(
    templates: Mapping[str, Mapping[str, str]], containers: Iterable[tuple[str, Mapping[str, str]]]
) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    """The values that the containers hold, and which services hold each; several of one name differ.

    Args:
        templates: variables by service, of a model in which each secret is its mark.
        containers: service and variables of every container there is.
    """
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for service, variables in containers:
        for variable, template in templates.get(service, {}).items():
            marks = _MARK.findall(template)
            if len(marks) != 1 or variable not in variables:
                continue
            before, after = template.split(mark_of(marks[0]))
            held = re.fullmatch(f"{re.escape(before)}(.+){re.escape(after)}", variables[variable], re.DOTALL)
            if held:
                values = found.setdefault(marks[0], {})
                values[held[1]] = (*values.get(held[1], ()), service)
    return found
