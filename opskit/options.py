"""The options and arguments of a command, from the parameters of its notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import click

from opskit.audit.parameters import Parameter
from opskit.rehearsal.level import read_level

_PLACES: dict[str, dict[str, Any]] = {
    "env": {"required": False},
    "service": {"required": False, "metavar": "[SERVICE]"},
    "services": {"nargs": -1, "metavar": "SERVICE..."},
}
"""Parameters that are given by their place."""
_OF_ONE: dict[str, list[click.Parameter]] = {
    "logs": [click.Option(["-f", "--follow"], is_flag=True, help="Go on with what comes, until Ctrl-C.")],
    "status": [
        click.Option(["--watch"], type=click.IntRange(1), is_flag=False, flag_value=2, metavar="[SECONDS]",
                     help="Look again every so many seconds, until Ctrl-C.  [default: 2]"),
        click.Option(["-q", "--quiet"], is_flag=True, help="Print nothing: the exit status is the answer."),
    ],
}  # fmt: skip
"""What one command takes that is no parameter of its notebook: it is of the terminal."""
_OPTIONAL: Mapping[str, Callable[[str], bool]] = {
    "rehearse": lambda word: read_level(word) is not None,
    "watch": lambda word: word.isdigit(),
}
"""Options that may stand alone, and whether a word is a value of theirs."""


class NotebookCommand(click.Command):
    """A command whose options with a value of their own take the next word only where it is one of their values."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does: `status --rehearse development` means the environment, not a level of that name."""
        free = {word: option for option in self.params if option.name in _OPTIONAL for word in option.opts}
        pairs = zip(args, [*args[1:], ""], strict=False)
        words = [
            f"{word}={free[word].flag_value}"  # type: ignore[attr-defined]  # an option has one, and these are
            if word in free and not _OPTIONAL[free[word].name or ""](following)
            else word
            for word, following in pairs
        ]
        return super().parse_args(ctx, words)


def make_options(notebook: str, parameters: Iterable[Parameter]) -> list[click.Parameter]:
    """What the command of a notebook takes: its environment and services by place, the rest by options."""
    declared = {parameter.name: parameter for parameter in parameters}
    places: list[click.Parameter] = [click.Argument([n], **more) for n, more in _PLACES.items() if n in declared]
    options = [_option(parameter) for name, parameter in declared.items() if name not in _PLACES]
    return [*places, *_OF_ONE.get(notebook, ()), *options, *_common()]


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
