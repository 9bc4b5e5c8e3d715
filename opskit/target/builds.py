"""The stack's own two images where no variable names them: built by Compose, under a tag that their content makes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from opskit.paths import COMPOSE, IMAGES
from opskit.rehearsal.stage import OWN_IMAGES

_GOES_IN = ("Dockerfile", "requirements.lock", "*.py")


@dataclass(frozen=True, slots=True)
class Builds:
    """The overlays that build, and the variables that name what is built."""

    overlays: tuple[Path, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)


def choose_builds(demanded: frozenset[str], given: Callable[[str], str]) -> Builds:
    """Build what the files demand and nobody names.

    Args:
        demanded: variables that the files demand.
        given: what a variable is in shell or env file.
    """
    named = {f: v for f, v in OWN_IMAGES.items() if v in demanded and not given(v) and (IMAGES / f).is_dir()}
    overlays = tuple(COMPOSE / f"docker-compose.build-{folder}.yml" for folder in named)
    return Builds(overlays, {variable: f"opskit/{folder}:{_content(folder)}" for folder, variable in named.items()})


def _content(folder: str) -> str:
    """Changes when anything that goes into the image does."""
    paths = sorted(path for of in ("shared", folder) for form in _GOES_IN for path in (IMAGES / of).glob(form))
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.relative_to(IMAGES)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
