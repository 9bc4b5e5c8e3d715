"""What a registry says of an image, as values; pure.

Source: github.com/opencontainers/image-spec, manifest.md and image-index.md; distribution-spec and, for the challenge,
distribution.github.io/distribution/spec/auth/token.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

ACCEPT = (
    "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
)

_GOARCH = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armv6l": "arm", "i686": "386", "i386": "386"}
_PAIR = re.compile(r'([a-z]+)="([^"]*)"')


class Answer(StrEnum):
    """What came of asking a registry for an image."""

    THERE = "there"
    ABSENT = "absent"
    """The registry answers, and has no such tag, or none for this processor."""
    LOGIN = "login"
    """It is private, or not there: a registry tells nobody which."""
    LIMITED = "limited"
    """The registry takes no more requests from here for some time."""
    UNKNOWN = "unknown"
    """The registry answers, but not on this image."""
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Pull:
    """An image that is missing on the Engine, and what its registry says of it.

    Attributes:
        layers: compressed bytes by digest; None where they are not known.
        digest: what the tag stands for now; empty where that is not known.
        reason: why it cannot be pulled, or its layers are not known; empty where all is known.
    """

    reference: str
    registry: str
    answer: Answer
    layers: Mapping[str, int] | None = None
    digest: str = ""
    reason: str = ""


def pull_bytes(pulls: Iterable[Pull]) -> int:
    """Compressed bytes of all that is known; a layer that several images share comes once.

    It is the most that is pulled: layers that the Engine has already are counted too, since no registry knows them.
    """
    return sum({digest: size for pull in pulls for digest, size in (pull.layers or {}).items()}.values())


def goarch(machine: str) -> str:
    """The processor as image indexes call it, from what `uname -m` calls it."""
    return _GOARCH.get(machine.lower(), machine.lower())


def parse_challenge(header: str) -> Mapping[str, str] | None:
    """The fields of a `WWW-Authenticate: Bearer` header; None where it asks for something else."""
    scheme, _, fields = header.partition(" ")
    found = dict(_PAIR.findall(fields))
    return found if scheme.lower() == "bearer" and found.get("realm") else None


def parse_platforms(index: Any) -> Mapping[str, str] | None:  # noqa: ANN401  whatever JSON holds
    """The manifest's digest of each Linux processor in an index; None where it is a manifest, or nothing known."""
    try:
        found = [(entry["platform"], str(entry["digest"])) for entry in index["manifests"] if "platform" in entry]
        ours = [(str(platform["architecture"]), digest) for platform, digest in found if platform["os"] == "linux"]
    except (KeyError, TypeError):
        return None
    return dict(reversed(ours))  # of a processor's variants the first: they are of one size


def parse_layers(manifest: Any) -> Mapping[str, int] | None:  # noqa: ANN401  whatever JSON holds
    """Compressed bytes by digest of layer; None where it is no such manifest."""
    try:
        layers = {str(layer["digest"]): layer["size"] for layer in manifest["layers"]}
    except (KeyError, TypeError):
        return None
    return layers if all(type(size) is int and size >= 0 for size in layers.values()) else None
