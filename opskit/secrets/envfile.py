"""The text of an env file to its values, as Compose's dotenv reads them; pure."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*[=:]\s*(.*)", re.DOTALL)
_SINGLE = re.compile(r"'((?:\\.|[^'\\])*)'(?:\s*#.*)?", re.DOTALL)
_ESCAPE = re.compile(r'\\(["$\\])')
_DOUBLE = re.compile(r'"((?:\\.|[^"\\])*)"(?:\s*#.*)?', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line that says NAME=value.

    Attributes:
        line: its number, the first is 1.
        literal: whether `value` is all that Compose makes of it; false where it replaces `$NAME` or an escape.
    """

    line: int
    name: str
    value: str
    literal: bool


@dataclass(frozen=True, slots=True)
class Damage:
    """A line that cannot be read, and why; what it holds is not told, it may be a secret."""

    line: int
    reason: str


def parse_lines(text: str) -> Iterator[Entry | Damage]:
    """Read the lines that are neither empty nor a comment, in order.

    Compose also reads a quoted value that goes over several lines and a bare NAME (taken from its own environment);
    both are Damage here, since neither belongs to a file of secrets.

    Source: compose-go's dotenv; each form was put to `docker compose config --environment` (5.6.1).
    """
    for number, raw in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        if found is None:
            yield Damage(number, "found a line that is no NAME=value; fix or remove it")
            continue
        read = _value(found[2])
        if read is None:
            yield Damage(number, f"{found[1]}: its quotes do not close at the end of the line; fix them")
        else:
            yield Entry(number, found[1], *read)


def values_of(entries: Iterable[Entry | Damage], place: str, quoted: Container[str]) -> dict[str, str]:
    """The values by name; every fault is gathered.

    Args:
        entries: of `parse_lines`.
        place: the file, for the messages.
        quoted: names of secrets. Their value must be literal, since what Compose makes of a `$` in them is not what was
            meant, and may not be empty; any other variable may, that is what `${NAME:-}` is for.

    Raises:
        ValueError: a line is damaged, a name comes twice, or a secret is empty; the message names them all.
    """
    values: dict[str, str] = {}
    faults = []
    for entry in entries:
        where = f"{place}:{entry.line}"
        if isinstance(entry, Damage):
            faults.append(f"{where}: {entry.reason}")
        elif entry.name in values:
            faults.append(f"{where}: {entry.name} comes twice; keep the one that the data was made with")
        elif not entry.value and entry.name in quoted:
            faults.append(f"{where}: {entry.name} is empty; put its value back, or remove the line to have one made")
        elif not entry.literal and entry.name in quoted:
            faults.append(f"{where}: {entry.name}: Compose replaces a $ or \\ in it; write it in single quotes")
        else:
            values[entry.name] = entry.value
    if faults:
        raise ValueError("\n".join(faults))
    return values


def quote(value: str) -> str:
    """A value as the file has it: bare where that is safe, else in single quotes, which Compose takes as they are."""
    return value if re.fullmatch(r"[A-Za-z0-9_./:@%+=-]+", value) else "'" + value.replace("'", "\\'") + "'"


def _value(text: str) -> tuple[str, bool] | None:
    """The value and whether it is literal; None where its quotes do not close."""
    if text.startswith("'"):
        found = _SINGLE.fullmatch(text)
        return (found[1].replace("\\'", "'"), True) if found else None
    if text.startswith('"'):
        found = _DOUBLE.fullmatch(text)
        return (_ESCAPE.sub(r"\1", found[1]), not set(found[1]) & set("$\\")) if found else None
    value = text.partition(" #")[0].strip()
    return value, "$" not in value
