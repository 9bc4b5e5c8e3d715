"""The text of an env file to its values, as Compose's dotenv reads them; pure."""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

_SPACE = "\t\v\f\r \x85\xa0"
"""What Compose takes for white space; Python knows more of it."""
_WIDE = "\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
_SPACE_AFTER = _SPACE + _WIDE
"""And after a value without quotes."""
_LINE = re.compile(rf"(?:export[{_SPACE}]+)?([A-Za-z_][A-Za-z0-9_.-]*)[{_SPACE}]*[=:](.*)", re.DOTALL)
_SINGLE = re.compile(rf"'((?:\\.|[^'\\])*)'(?:[{_SPACE}]*#.*)?", re.DOTALL)
_DOUBLE = re.compile(rf'"((?:\\.|[^"\\])*)"(?:[{_SPACE}]*#.*)?', re.DOTALL)
_NAMED = r"[A-Za-z_][A-Za-z0-9_]*"
_BRACED = rf"\{{(?P<name>{_NAMED})(?:(?P<how>:?[-+])(?P<other>[^{{}}$]*))?\}}"
_VARIABLE = rf"\$(?:(?P<dollar>\$)|(?P<bare>{_NAMED})|{_BRACED}|\{{)"
_ESCAPED = rf'\\(?P<escaped>[abfnrtv0"$\\])|{_VARIABLE}'
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "0": "\\"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line that says NAME=value.

    Attributes:
        line: its number, the first is 1.
        value: what Compose makes of it; None where its `${` cannot be read here.
        literal: whether that is what is written; false where Compose replaces `$NAME` or an escape.
    """

    line: int
    name: str
    value: str | None
    literal: bool


@dataclass(frozen=True, slots=True)
class Damage:
    """A line that cannot be read, and why; what it holds is not told, it may be a secret."""

    line: int
    reason: str


def parse_lines(text: str, shell: Mapping[str, str] = MappingProxyType({})) -> Iterator[Entry | Damage]:
    """Read the lines that are neither empty nor a comment, in order; values are Compose's.

    A `$NAME` is the shell's, else that of a line before it, else empty; `${NAME:-other}`, `-`, `:+`, `+` are read too.
    Compose also reads a quoted value that goes over several lines and a bare NAME (taken from its own environment);
    both are Damage here, since neither belongs to a file of secrets.

    Args:
        text: of the file.
        shell: what `$NAME` means before the file's own lines do.

    Source: compose-go's dotenv; tests/compose/test_envfile.py puts random files to the real Compose.
    """
    given = ChainMap(dict(shell), {})
    for number, raw in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        line = raw.strip(_SPACE)
        if not line or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        if found is None:
            yield Damage(number, "found a line that is no NAME=value; fix or remove it")
            continue
        read = _value(found[2].strip(_SPACE), given)
        if read is None:
            yield Damage(number, f"{found[1]}: its quotes do not close at the end of the line; fix them")
        else:
            given.maps[1][found[1]] = read[0] or ""
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
        elif entry.value is None:
            faults.append(f"{where}: {entry.name}: its ${{ is not ${{NAME}} or ${{NAME:-text}}; write the value itself")
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


def _value(text: str, given: Mapping[str, str]) -> tuple[str | None, bool] | None:
    """The value and whether it is literal; None where its quotes do not close."""
    if text.startswith("'"):
        found = _SINGLE.fullmatch(text)
        return (found[1].replace("\\'", "'"), True) if found else None
    pattern = _VARIABLE
    if text.startswith('"'):
        found = _DOUBLE.fullmatch(text)
        if found is None:
            return None
        text, pattern = found[1], _ESCAPED
    else:
        text = text.partition(" #")[0].lstrip(_SPACE).rstrip(_SPACE_AFTER)
    try:
        value = re.sub(pattern, lambda hit: _replaced(hit, given), text)
    except KeyError:
        return None, False
    return value, value == text


def _replaced(hit: re.Match[str], given: Mapping[str, str]) -> str:
    """What stands in the place of an escape or a variable."""
    parts = hit.groupdict()
    if escaped := parts.get("escaped"):
        return _ESCAPES.get(escaped, escaped)
    if parts["dollar"]:
        return "$"
    name = parts["bare"] or parts["name"]
    if name is None:
        raise KeyError(hit[0])
    value, how = given.get(name), parts["how"] or "-"
    there = value is not None and (":" not in how or value != "")
    if "+" in how:
        return (parts["other"] or "") if there else ""
    return (value or "") if there else (parts["other"] or "")
