"""The locations of an nginx configuration, each as a request that shows whether it works; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LOCATION = re.compile(r"\blocation\s+(=|\^~|~\*?)?\s*(\S+)\s*\{")
_BLOCK = re.compile(r"\{[^{}]*\}")
_RETURN = re.compile(r"\breturn\s+(\d{3})\b")


@dataclass(frozen=True, slots=True)
class Route:
    """A path to ask for.

    Attributes:
        status: what the file itself answers with, None where the request is passed on.
        keyed: without a key the file itself answers 401.
    """

    path: str
    status: int | None
    keyed: bool = False


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
        body = _body(text[hit.end() :])
        flat = _BLOCK.sub("", body)  # without what is answered only if
        status = _RETURN.search(flat)
        if path.startswith("/"):
            below = path.endswith("/") and modifier != "=" and (path != "/" or path in exact)
            place = f"{path}opskit-smoke" if below else path
            keyed = any("return 401" in block for block in _BLOCK.findall(body))
            routes.append(Route(place, int(status[1]) if status else None, keyed))
    return tuple(routes)


def _body(text: str) -> str:
    """What stands before the brace that closes a block."""
    depth = 1
    for at, letter in enumerate(text):
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if depth == 0:
            return text[:at]
    return text
