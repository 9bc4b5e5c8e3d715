"""A secret's value as programs write it, one way each; what looks for one in bytes that must not have it."""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import quote, quote_plus

WRITTEN: dict[str, Callable[[str], str]] = {
    "plain": str,
    "url": lambda v: quote(v, safe=""),
    "url, lower case": lambda v: re.sub("%..", lambda hit: hit[0].lower(), quote(v, safe="")),
    "form": quote_plus,
    "json": json.dumps,
    "json in a url": lambda v: quote(json.dumps(v)),
    "html": html.escape,
    "python": repr,
    "shell": shlex.quote,
    "hexadecimal": lambda v: v.encode().hex(),
    "base64": lambda v: base64.b64encode(v.encode()).decode(),
    "basic": lambda v: base64.b64encode(f"u:{v}".encode()).decode(),
    "basic, longer name": lambda v: base64.b64encode(f"postgres:{v}".encode()).decode(),
    "base64 of a line": lambda v: base64.urlsafe_b64encode(f"key={v}\n".encode()).decode(),
}


def find_values(places: Iterable[tuple[str, bytes]], values: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """(place, name, way) of every value that is written in one of the places, in any way."""
    forms = {(name, way): write(value).encode() for name, value in values.items() for way, write in WRITTEN.items()}
    return [(place, name, way) for place, data in places for (name, way), form in forms.items() if form in data]
