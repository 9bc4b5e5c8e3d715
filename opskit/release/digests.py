"""Images by digest: what a good launch ran, as an overlay of Compose's, so that it is what every launch runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from opskit.compose.model import Stack
from opskit.environments import Environment
from opskit.errors import ConfigError
from opskit.files import make_folder, write_atomically
from opskit.paths import ROOT
from opskit.release.release import Release

_HEAD = """\
# The images that release {release} of {project} ran ({when}), by digest. `opskit lock {name}` writes this file, and
# every start of {name} merges it. Without it the tags in compose/ are what is run.
"""
_SIGN = "@sha256:"


def lock_of(environment: Environment) -> Path:
    """The environment's lock; there may be none."""
    return ROOT / "configs/locks" / f"{environment.name}.yml"


def locked_images(stack: Stack, release: Release) -> tuple[dict[str, str], dict[str, str]]:
    """Image by service, with the digest it had in a release; and why a service has none.

    Args:
        stack: the model that is to be locked, with or without a lock.
        release: it may be another environment's.
    """
    locked, left = {}, {}
    for service in stack.services:
        name, ran = _tag(service.image), release.images.get(service.name)
        if ran is None or not name:
            left[service.name] = f"release {release.id} has no such service"
        elif not ran.name.startswith("sha256:") and _tag(ran.name) != name:
            left[service.name] = f"it ran {_tag(ran.name)}; the files have {name}"
        elif not ran.digests:
            left[service.name] = "its image came from no registry"
        else:
            locked[service.name] = f"{name}@{ran.digests[0].partition('@')[2]}"
    return locked, left


def write_lock(environment: Environment, release: Release, project: str, images: Mapping[str, str]) -> Path:
    """Write the lock of an environment. Returns its place.

    Args:
        environment: whose lock it is.
        release: where the digests are from.
        project: whose release that is.
        images: of `locked_images`.

    Raises:
        OSError: it cannot be written.
    """
    path = lock_of(environment)
    make_folder(path.parent)
    head = _HEAD.format(release=release.id, project=project, when=release.when, name=environment.name)
    services = {name: {"image": image} for name, image in sorted(images.items())}
    write_atomically(path, head + yaml.safe_dump({"services": services}))
    return path


def check_lock(path: Path, stack: Stack) -> None:
    """See that a lock is of the services there are, and of the images that the files name.

    Args:
        path: of the lock.
        stack: the model without it.

    Raises:
        ConfigError: it is not; each fault is named.
    """
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        services = {name: entry["image"] for name, entry in tree["services"].items()}
        faults = [fault for name, image in services.items() if (fault := _fault(stack, name, str(image)))]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        faults = [f"no lock: {type(error).__name__}: {error}"]
    if faults:
        raise ConfigError(f"{path.relative_to(ROOT)}: found {'; '.join(faults)}")


def _fault(stack: Stack, name: str, image: str) -> str:
    service = stack.find(name)
    if service is None:
        return f"{name}, which is no service of {stack.project}"
    if _SIGN not in image:
        return f"{name}: {image}, which has no digest"
    return "" if _tag(image) == service.image else f"{name}: {_tag(image)}, where compose/ has {service.image}"


def _tag(image: str | None) -> str:
    """An image's name without its digest."""
    return (image or "").partition("@")[0]
