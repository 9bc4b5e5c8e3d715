"""A value that will not be written down."""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from typing import NoReturn
from urllib.parse import quote, quote_plus


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
    """A function that puts `[NAME]` in the place of each secret's value, in every form of `forms_of`."""
    found = [(form, name) for name, value in secrets.items() if len(value) >= _SHORTEST for form in forms_of(value)]
    names = {form: name for form, name in found if len(form) >= _SHORTEST}
    if not names:
        return str
    pattern = re.compile("|".join(re.escape(form) for form in sorted(names, key=len, reverse=True)))
    return lambda text: pattern.sub(lambda hit: f"[{names[hit[0]]}]", text)


def forms_of(value: str) -> Iterator[str]:
    """A value as programs write it: plain, in a URL, JSON, HTML, a shell, Python or hexadecimal, and in Base64.

    Base64 is given for each place the value may have in a longer text, as in Basic authentication; the characters that
    its neighbours decide are left out.
    """
    plain = (value, json.dumps(value)[1:-1], html.escape(value), repr(value)[1:-1], shlex.quote(value))
    for form in plain:
        yield form
        for quoted in (quote(form, safe=""), quote(form), quote_plus(form)):
            yield quoted
            yield re.sub("%[0-9A-F]{2}", lambda hit: hit[0].lower(), quoted)
    data = value.encode("utf-8", "surrogatepass")
    yield data.hex()
    yield data.hex().upper()
    for shift, own in ((0, 0), (1, 2), (2, 3)):
        encoded = base64.b64encode(bytes(shift) + data).decode()
        inner = encoded[own : (shift + len(data)) * 8 // 6]
        yield inner
        yield inner.translate(str.maketrans("+/", "-_"))
