"""Checks of the images; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from opskit.compose.model import UNNAMED_IMAGE, Service, Stack
from opskit.engine.model import Pull, PullAnswer
from opskit.preflight.finding import Finding, Verdict

_REFUSED = {
    PullAnswer.ABSENT: (Verdict.FAIL, "name one that is there; `docker manifest inspect {image}` asks again"),
    PullAnswer.LOGIN: (
        Verdict.WARN,
        "check the name; where it is right, `docker login` to its registry before the launch",
    ),
    PullAnswer.LIMITED: (Verdict.WARN, "wait, or `docker login` to its registry: a login has a limit of its own"),
    PullAnswer.UNKNOWN: (Verdict.SKIP, "look again; `docker pull {image}` shows what the Engine gets"),
    PullAnswer.UNREACHABLE: (
        Verdict.FAIL,
        "fix the Engine's way there (`docker info` has its proxy, `docker pull {image}` tries again); or `docker load`",
    ),
}


def missing_images(stack: Stack, images: Collection[str]) -> tuple[str, ...]:
    """The images that a launch would pull, each once.

    Args:
        stack: the resolved model.
        images: what the Engine has, by the names that the files use.
    """
    services = [service for service in stack.services if service.image != UNNAMED_IMAGE]
    pulled = [service.image for service in services if service.pulled]
    bases = [service.base_image for service in services if service.built and service.image not in images]
    return tuple(dict.fromkeys(image for image in (*pulled, *bases) if image and image not in images))


def check_image_present(stack: Stack, images: Collection[str], *, offline: bool) -> tuple[Finding, ...]:
    """Every image is on the Engine, or may be pulled; whether it can be is image-reachable's.

    Args:
        stack: the resolved model.
        images: what the Engine has, by the names that the files use.
        offline: whether pulling is known to be impossible.
    """
    named = (service for service in stack.services if service.image != UNNAMED_IMAGE)
    return tuple(_image(service, images, offline=offline) for service in named)


def _image(service: Service, images: Collection[str], *, offline: bool) -> Finding:
    wanted = "on this Engine"
    if service.image is None:
        return Finding("image-present", Verdict.PASS, service.name, "Compose builds it", wanted)
    if service.image in images:
        return Finding("image-present", Verdict.PASS, service.name, service.image, wanted)
    absent = f"{service.image} is not here"
    if service.built:
        return _built(service, images, absent, offline=offline)
    if offline or service.raw.get("pull_policy") == "never":
        remedy = f"`docker pull {service.image}` where a registry is, `docker save` it, and `docker load` it here"
        return Finding("image-present", Verdict.FAIL, service.name, absent, wanted, remedy)
    return Finding("image-present", Verdict.PASS, service.name, f"{absent}; the launch pulls it", wanted)


def _built(service: Service, images: Collection[str], absent: str, *, offline: bool) -> Finding:
    base = service.base_image
    if offline and base is not None and base not in images:
        absent = f"{absent}, and {base}, which it is built on, cannot be pulled"
        remedy = (
            f"`docker load` {base} here, or an image of {service.name} made elsewhere, and name that in its variable"
        )
        return Finding("image-present", Verdict.FAIL, service.name, absent, "on this Engine, or its base image", remedy)
    return Finding("image-present", Verdict.PASS, service.name, f"{absent}; the launch builds it", "on this Engine")


def check_image_reachable(pulls: Iterable[Pull]) -> tuple[Finding, ...]:
    """What must be pulled can be: the Engine asked its registry, and the registry has it.

    Args:
        pulls: of the missing images. One reason that several share is one finding.
    """
    groups: dict[tuple[PullAnswer, str], list[str]] = {}
    for pull in pulls:
        groups.setdefault((pull.answer, pull.reason or pull.reference), []).append(pull.reference)
    return tuple(_reachable(answer, reason, images) for (answer, reason), images in groups.items())


def _reachable(answer: PullAnswer, reason: str, images: list[str]) -> Finding:
    subject, wanted = ", ".join(images), "a registry that has it"
    if answer is PullAnswer.THERE:
        return Finding("image-reachable", Verdict.PASS, subject, "its registry has it", wanted)
    verdict, remedy = _REFUSED[answer]
    remedy = remedy.format(image=images[0])
    required = answer is not PullAnswer.UNKNOWN
    return Finding("image-reachable", verdict, subject, reason, wanted, remedy, required=required)
