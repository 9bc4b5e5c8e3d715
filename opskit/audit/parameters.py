"""A notebook's parameters: which it has, and whether what was passed fits; papermill itself only warns."""

from __future__ import annotations

import ast
import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opskit.errors import UsageError
from opskit.rehearsal.level import LEVELS, read_level

_TYPES: Mapping[str, tuple[type, ...]] = {"str": (str,), "bool": (bool,), "int": (int,), "float": (int, float)}

_INJECTED = frozenset({"PAPERMILL_INPUT_PATH", "PAPERMILL_OUTPUT_PATH"})
"""What papermill passes of its own accord, with --inject-paths and its like."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter as its line in the notebook has it: `name: kind = default  # told`."""

    name: str
    kind: str
    default: object
    told: str


def describe_parameters(notebook: Mapping[str, Any]) -> tuple[Parameter, ...]:
    """Every parameter, from the cell tagged `parameters`, in order."""
    for cell in notebook["cells"]:
        if "parameters" in cell.get("metadata", {}).get("tags", []):
            text = "".join(cell["source"])
            lines = text.splitlines()
            return tuple(
                Parameter(
                    node.target.id,
                    ast.unparse(node.annotation),
                    _default(node.value),
                    lines[node.lineno - 1].partition("  # ")[2],
                )
                for node in ast.parse(text).body
                if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
            )
    return ()


def in_effect(notebook: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What was passed over the notebook's defaults; an environment's own notebook adds that environment."""
    defaults = {parameter.name: parameter.default for parameter in describe_parameters(notebook)}
    own = notebook["metadata"].get("opskit", {})
    return {**defaults, **({"env": own["env"]} if "env" in own else {}), **parameters}


def _default(node: ast.expr | None) -> object:
    """A default's value; its text where only Python could tell."""
    if node is None:
        return None
    try:
        return ast.literal_eval(node)
    except ValueError:
        return ast.unparse(node)


def declared_parameters(notebook: Mapping[str, Any]) -> dict[str, str]:
    """Name to annotated type of every parameter, in order."""
    return {parameter.name: parameter.kind for parameter in describe_parameters(notebook)}


def check_parameters(declared: Mapping[str, str], passed: Mapping[str, Any], *, notebook: str) -> None:
    """Refuse what the notebook does not know, values of another type, and numbers that are negative or none.

    Raises:
        UsageError: names every unknown parameter with the nearest known one, and every value that does not fit.
    """
    faults = []
    for name, value in passed.items():
        if name in _INJECTED:
            continue
        if name not in declared:
            near = difflib.get_close_matches(name, declared, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            faults.append(f"unknown parameter {name!r}{hint}")
        elif name == "rehearse" and declared[name] == "str":
            if read_level(value) is None:
                faults.append(f"{name}: found {value!r}, wanted {', '.join(LEVELS[:-1])} or {LEVELS[-1]}")
        elif not _fits(value, declared[name]):
            faults.append(f"{name}: found {value!r} ({type(value).__name__}), wanted {_wanted(declared[name])}")
        elif isinstance(value, int | float) and not 0 <= value < math.inf:
            faults.append(f"{name}: found {value}, wanted a number that is not below 0")
    if faults:
        known = ", ".join(f"{name} ({kind})" for name, kind in declared.items()) or "none"
        raise UsageError(f"{notebook}: {'; '.join(faults)}. Its parameters are: {known}. Nothing was started.")


def _fits(value: object, kind: str) -> bool:
    types = _TYPES.get(kind)
    return types is None or (isinstance(value, types) and (kind == "bool" or not isinstance(value, bool)))


def _wanted(kind: str) -> str:
    return "True or False (papermill reads `true` as a text)" if kind == "bool" else kind


def read_word(word: str, kind: str) -> object:
    """Read a parameter's word from a command line by the type its notebook declares.

    A word that does not fit comes back as it is, for `check_parameters` to refuse.
    """
    if kind == "bool":
        return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(word.lower(), word)
    if kind in {"int", "float"}:
        try:
            return int(word) if kind == "int" else float(word)
        except ValueError:
            return word
    return word
