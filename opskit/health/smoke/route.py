"""The locations of an nginx configuration, each as a request that shows whether it works; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LOCATION = re.compile(r"\blocation\s+(=|\^~|~\*?)?\s*(\S+)\s*\{")
_RETURN = re.compile(r"\breturn\s+(\d{3})\b")


@dataclass(frozen=True, slots=True)
class Route:
    """A path to ask for; `status` is what the file itself answers with, None where the request is passed on."""

    path: str
    status: int | None


def parse_routes(text: str) -> tuple[Route, ...]:
    """A request for each location, in the order of the file; a location by pattern has none.

    Args:
        text: of the configuration.
    """
    text = re.sub(r"(?m)#.*$", "", text)
    exact = {hit[2] for hit in _LOCATION.finditer(text) if hit[1] == "="}
    routes = []
    for hit in _LOCATION.finditer(text):
        modifier, path = hit[1] or "", hit[2]
        status = _RETURN.search(_body(text[hit.end() :]))
        if not modifier.startswith("~"):
            below = path.endswith("/") and modifier != "=" and (path != "/" or path in exact)
            routes.append(Route(f"{path}opskit-smoke" if below else path, int(status[1]) if status else None))
    return tuple(routes)


def _body(text: str) -> str:
    """What stands before the brace that closes a block."""
    depth = 1
    for at, letter in enumerate(text):
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if depth == 0:
            return text[:at]
    return text
