"""A value that will not be written down."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import NoReturn
from urllib.parse import quote


class Secret:
    """A secret's value under its name; not a str, so that no format, join, JSON or pickle lets it out."""

    __slots__ = ("__value", "name")

    def __init__(self, name: str, value: str) -> None:
        self.name = name
        self.__value = value

    def reveal(self) -> str:
        """The value itself; only what writes it or looks for it in a text calls this."""
        return self.__value

    def __repr__(self) -> str:
        return f"Secret({self.name})"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and (self.name, self.__value) == (other.name, other.reveal())

    def __hash__(self) -> int:
        return hash(self.name)

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{self!r} is not for pickling or copying")


_SHORTEST = 6
"""A value shorter than this would blank half the text; the store makes none so short."""


def make_redact(secrets: Mapping[str, str]) -> Callable[[str], str]:
    """A function that puts `[NAME]` in the place of each secret's value, also in its URL and JSON forms."""
    names = {
        form: name
        for name, value in secrets.items()
        if len(value) >= _SHORTEST
        for form in (value, quote(value, safe=""), json.dumps(value)[1:-1])
    }
    if not names:
        return str
    pattern = re.compile("|".join(re.escape(form) for form in sorted(names, key=len, reverse=True)))
    return lambda text: pattern.sub(lambda hit: f"[{names[hit[0]]}]", text)
