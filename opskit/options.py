"""The options and arguments of a command, from the parameters of its notebook."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import click

from opskit.audit.parameters import Parameter

_PLACES: dict[str, dict[str, Any]] = {
    "env": {"required": False},
    "service": {"required": False, "metavar": "[SERVICE]"},
    "services": {"nargs": -1, "metavar": "SERVICE..."},
}
"""Parameters that are given by their place."""
_FOLLOW = click.Option(["-f", "--follow"], is_flag=True, help="Go on with what comes, until Ctrl-C.")


def make_options(notebook: str, parameters: Iterable[Parameter]) -> list[click.Parameter]:
    """What the command of a notebook takes: its environment and services by place, the rest by options."""
    declared = {parameter.name: parameter for parameter in parameters}
    places: list[click.Parameter] = [click.Argument([n], **more) for n, more in _PLACES.items() if n in declared]
    options = [_option(parameter) for name, parameter in declared.items() if name not in _PLACES]
    return [*places, *([_FOLLOW] if notebook == "logs" else []), *options, *_common()]


def _common() -> list[click.Parameter]:
    by_name = click.Option(["-p", "parameters"], nargs=2, multiple=True, metavar="NAME VALUE",
                           help="A parameter by its name in the notebook.")  # fmt: skip
    as_json = click.Option(["--json", "as_json"], is_flag=True, help="The tables as JSON; of what only looks.")
    return [by_name, as_json]


def _option(parameter: Parameter) -> click.Option:
    word = "--" + parameter.name.replace("_", "-")
    told = f"{parameter.told}  [default: {parameter.default or 'none'}]"
    if parameter.kind == "bool":
        return click.Option([f"{word}/--no-{word[2:]}", parameter.name], default=None, help=told)
    more: dict[str, Any] = {"is_flag": False, "flag_value": "yes"} if parameter.name == "rehearse" else {}
    return click.Option([word, parameter.name], metavar=parameter.kind.upper(), default=None, help=told, **more)


def read_words(given: Mapping[str, Any]) -> dict[str, str]:
    """What was given on the command line, by the notebook's names."""
    words = {name: value for name, value in given.items() if value not in {None, ()} and name != "parameters"}
    words = {name: " ".join(value) if isinstance(value, tuple) else str(value) for name, value in words.items()}
    return {**words, **dict(given["parameters"])}
