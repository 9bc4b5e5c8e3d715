"""The second net: no secret value reaches a record or a screen, whatever a log line quotes; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from urllib.parse import quote

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
