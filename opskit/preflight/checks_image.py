"""Checks of the images; pure."""

from __future__ import annotations

import re
from collections.abc import Collection

from opskit.compose.model import UNNAMED_IMAGE, Service, Stack
from opskit.preflight.finding import Finding, Verdict

_HUB = re.compile(r"^(?:(?:index\.)?docker\.io/)?(?:library/)?")


def check_image_present(stack: Stack, images: Collection[str], *, offline: bool) -> tuple[Finding, ...]:
    """Every image is on the Engine; one that is not is pulled, which fails where no registry is reached.

    Args:
        stack: the resolved model.
        images: references on the Engine, by tag and by digest.
        offline: whether pulling is known to be impossible.
    """
    there = {_full_name(image) for image in images}
    named = (service for service in stack.services if service.image != UNNAMED_IMAGE)
    return tuple(_image(service, there, offline=offline) for service in named)


def _image(service: Service, there: Collection[str], *, offline: bool) -> Finding:
    wanted = "on this Engine"
    if service.image is None:
        return Finding("image-present", Verdict.PASS, service.name, "Compose builds it", wanted)
    if _full_name(service.image) in there:
        return Finding("image-present", Verdict.PASS, service.name, service.image, wanted)
    found = f"{service.image} is not here"
    if offline or service.raw.get("pull_policy") == "never":
        remedy = f"`docker pull {service.image}` where a registry is, `docker save` it, and `docker load` it here"
        return Finding("image-present", Verdict.FAIL, service.name, found, wanted, remedy)
    remedy = f"none is needed: the launch pulls it; `docker pull {service.image}` does so now"
    return Finding("image-present", Verdict.WARN, service.name, found, wanted, remedy)


def _full_name(reference: str) -> str:
    """A reference as the Engine lists it: without Docker Hub's own name, and with a tag or a digest, never both."""
    name, _, digest = _HUB.sub("", reference).partition("@")
    path, slash, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    return f"{path}{slash}{last}@{digest}" if digest else f"{path}{slash}{last}:{tag or 'latest'}"
