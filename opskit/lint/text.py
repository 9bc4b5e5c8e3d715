"""Rules about the Compose files as they are written; what Compose resolved shows none of this any more; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from opskit.compose.source import VARIABLE, Scalar, host_part
from opskit.lint.subject import Flaw, Subject

_COMMANDS = frozenset({"command", "entrypoint", "healthcheck"})
_HOST = ("127.0.0.1:", "localhost:")
_FLOATING = frozenset({"latest", "main", "master", "nightly", "edge", "dev", "stable", "canary", "rolling"})


def check_interpolation_blank(subject: Subject) -> Iterator[Flaw]:
    """A variable has a default or is demanded: `${X:-…}` or `${X:?…}`; otherwise it is silently blank."""
    for scalar in subject.scalars:
        for name, operator, _ in scalar.variables():
            if not operator:
                found = f"{name} with neither a default nor a demand in {'/'.join(scalar.path)}"
                remedy = f"write ${{{name}:-default}}, ${{{name}:?why it is needed}}, or $$ for the container's own"
                yield Flaw(scalar.place, found, "a value where the variable is not set", remedy, scalar.owners)


def check_image_floating(subject: Subject) -> Iterator[Flaw]:
    """An image is named by a version or a digest, or by a variable that the operator must set."""
    for scalar in subject.scalars:
        if scalar.path[0] == "services" and scalar.path[2:] == ("image",) and not _is_pinned(scalar.value):
            remedy = "name the version that was tested, or its @sha256 digest"
            yield Flaw(scalar.place, f"image {scalar.value}", "a tag that stays what it is", remedy, scalar.owners)


def _is_pinned(image: str) -> bool:
    if "@sha256:" in image or any(match["rule"] in {":?", "?"} for match in VARIABLE.finditer(image)):
        return True
    written = re.sub(r"\$\{\w+:?-([^}]*)\}", r"\1", image)
    tag = written.rpartition("/")[2].partition(":")[2]
    return bool(re.search(r"\d", tag)) and _FLOATING.isdisjoint(re.split(r"[-._]", tag))


def check_published_variable_reused(subject: Subject) -> Iterator[Flaw]:
    """A variable that moves a published port moves nothing inside the network."""
    published = {name for scalar in subject.scalars for name in scalar.published()}
    outside = {s.owners for s in subject.scalars if s.path[2:] == ("network_mode",) and s.value == "host"}
    for scalar in subject.scalars:
        if scalar.owners in outside:
            continue
        for name, _, offset in scalar.variables():
            before = scalar.value[:offset]
            if name in published and _is_inside(scalar, before):
                found = f"{name}, a published port, in {'/'.join(scalar.path)}"
                remedy = "write the container's own port there, and leave the variable to `published:`"
                yield Flaw(scalar.place, found, "the port inside the network", remedy, scalar.owners)


def _is_inside(scalar: Scalar, before: str) -> bool:
    key = scalar.path[2] if scalar.path[0] == "services" and len(scalar.path) > 2 else ""  # noqa: PLR2004
    if key == "ports":
        return scalar.path[4:] == ("target",) or (not scalar.path[4:] and len(before) >= host_part(scalar.value)[1] > 0)
    return key in {*_COMMANDS, "expose"} or (key == "environment" and not before.endswith(_HOST))


def check_secret_in_command(subject: Subject) -> Iterator[Flaw]:
    """No secret is in a command, an entrypoint or a probe, where `ps` and `docker inspect` show it."""
    for scalar in subject.scalars:
        if scalar.path[0] == "services" and _COMMANDS.intersection(scalar.path[2:3]):
            for name, _, _ in scalar.variables():
                if name in subject.secrets:
                    found = f"the secret {name} in {'/'.join(scalar.path)}"
                    remedy = f"pass it by `environment`, and let a shell in the container read $${name}"
                    yield Flaw(scalar.place, found, "secrets out of sight", remedy, scalar.owners)
