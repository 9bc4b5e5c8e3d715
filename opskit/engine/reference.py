"""What the name of an image means, by Docker's rules; pure.

Source: github.com/distribution/reference, regexp.go and normalize.go. docker-py reads no more than a part of it:
`nginx` stays `nginx`, and what is both tagged and pinned keeps its tag in the repository.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

HUB = "docker.io"

_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_REGISTRY = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?")
_NAME = re.compile(
    rf"(?P<repository>{_PART}(?:/{_PART})*)(?::(?P<tag>[a-zA-Z0-9_][a-zA-Z0-9_.-]{{0,127}}))?"
    r"(?:@(?P<digest>[a-zA-Z][a-zA-Z0-9]*(?:[+._-][a-zA-Z][a-zA-Z0-9]*)*:[0-9a-fA-F]{32,}))?"
)


@dataclass(frozen=True, slots=True)
class Reference:
    """An image in full: two names of the same image are the same value.

    Attributes:
        version: the digest where there is one, since the Engine then asks for nothing else; else the tag.
    """

    registry: str
    repository: str
    version: str


def parse_reference(text: str) -> Reference | None:
    """Read a name as it stands in a Compose file; None where the Engine would refuse it."""
    first, slash, rest = text.partition("/")
    named = bool(slash) and ("." in first or ":" in first or first == "localhost" or first != first.lower())
    registry, name = (first, rest) if named else (HUB, text)
    found = _NAME.fullmatch(name)
    if found is None or not _REGISTRY.fullmatch(registry):
        return None
    registry = HUB if registry == f"index.{HUB}" else registry
    official = registry == HUB and "/" not in found["repository"]
    repository = f"library/{found['repository']}" if official else found["repository"]
    return Reference(registry, repository, found["digest"] or found["tag"] or "latest")
