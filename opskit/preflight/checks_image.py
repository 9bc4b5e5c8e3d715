"""Checks of the images; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from opskit.compose.model import UNNAMED_IMAGE, Service, Stack
from opskit.engine.facts import EngineFacts
from opskit.engine.manifest import Answer, Pull, pull_bytes
from opskit.engine.reference import Reference, parse_reference
from opskit.preflight.finding import Finding, Verdict
from opskit.preflight.quantity import decimal

_UNPACKED = 2.5
"""An assumption: what images of this kind take unpacked, compared with what is pulled, lies between 2 and 3."""

_NAMED = 3
"""So many images are named of a registry that does not answer."""

_UNTOLD = {
    Answer.ABSENT: (Verdict.FAIL, "name one that is there; `docker manifest inspect {image}` asks again"),
    Answer.LOGIN: (Verdict.WARN, "look the name up; where it is right, `docker login {registry}` before the launch"),
    Answer.LIMITED: (Verdict.WARN, "wait, or `docker login {registry}`: whoever logs in has a limit of his own"),
    Answer.UNKNOWN: (Verdict.SKIP, "look once more; `docker pull {image}` shows what the Engine gets"),
    Answer.UNREACHABLE: (
        Verdict.FAIL,
        "mend the way there; `docker pull {image}` goes by the Engine's own proxy and mirrors; else `docker load` it",
    ),
}


def missing_images(stack: Stack, images: Collection[str]) -> tuple[str, ...]:
    """The images that a launch would pull, each once.

    Args:
        stack: the resolved model.
        images: references on the Engine, by tag and by digest.
    """
    there = {parse_reference(image) for image in images} - {None}
    missing = (
        service.image
        for service in stack.services
        if service.image not in {None, UNNAMED_IMAGE}
        and "build" not in service.raw
        and service.raw.get("pull_policy") != "never"
    )
    return tuple(dict.fromkeys(image for image in missing if image and parse_reference(image) not in there))


def check_image_present(stack: Stack, images: Collection[str], *, offline: bool) -> tuple[Finding, ...]:
    """Every image is on the Engine, or may be pulled; whether it can be is image-reachable's.

    Args:
        stack: the resolved model.
        images: references on the Engine, by tag and by digest.
        offline: whether pulling is known to be impossible.
    """
    there = {parse_reference(image) for image in images} - {None}
    named = (service for service in stack.services if service.image != UNNAMED_IMAGE)
    return tuple(_image(service, there, offline=offline) for service in named)


def _image(service: Service, there: Collection[Reference | None], *, offline: bool) -> Finding:
    wanted = "on this Engine"
    if service.image is None:
        return Finding("image-present", Verdict.PASS, service.name, "Compose builds it", wanted)
    if parse_reference(service.image) in there:
        return Finding("image-present", Verdict.PASS, service.name, service.image, wanted)
    found = f"{service.image} is not here"
    if offline or service.raw.get("pull_policy") == "never":
        remedy = f"`docker pull {service.image}` where a registry is, `docker save` it, and `docker load` it here"
        return Finding("image-present", Verdict.FAIL, service.name, found, wanted, remedy)
    return Finding("image-present", Verdict.PASS, service.name, f"{found}; the launch pulls it", wanted)


def check_image_reachable(pulls: Iterable[Pull], engine: EngineFacts) -> tuple[Finding, ...]:
    """What must be pulled can be: its registry answers, and has it.

    Args:
        engine: one elsewhere, or with a proxy or mirrors of its own, may reach a registry that this process does not.
        pulls: of the missing images. A registry that answers nothing is said once, not image by image.
    """
    groups: dict[str, list[Pull]] = {}
    for pull in pulls:
        whole = pull.answer in {Answer.UNREACHABLE, Answer.LIMITED}
        groups.setdefault(pull.registry if whole else pull.reference, []).append(pull)
    return tuple(
        _reachable(subject, group, relayed=engine.relayed or not engine.local) for subject, group in groups.items()
    )


def _reachable(subject: str, pulls: list[Pull], *, relayed: bool) -> Finding:
    pull, wanted = pulls[0], "a registry that has it"
    where = f"{pull.registry}: " if pull.registry else ""
    found = f"{where}{pull.reason}"
    if subject == pull.registry:
        names = ", ".join(p.reference for p in pulls[:_NAMED]) + (", …" if len(pulls) > _NAMED else "")
        found = f"{pull.reason}; wanted for {len(pulls)} that are not here: {names}"
    if pull.answer is Answer.THERE:
        size = pull.reason or f"{decimal(pull_bytes(pulls))} to pull"
        return Finding("image-reachable", Verdict.PASS, subject, f"{where}{size}", wanted)
    verdict, remedy = _UNTOLD[pull.answer]
    if relayed and pull.answer is Answer.UNREACHABLE:
        verdict = Verdict.WARN
    remedy = remedy.format(image=pull.reference, registry=pull.registry)
    return Finding(
        "image-reachable", verdict, subject, found, wanted, remedy, required=pull.answer is not Answer.UNKNOWN
    )


def check_image_size(pulls: Collection[Pull], free_bytes: int | None) -> tuple[Finding, ...]:
    """What must be pulled fits where the Engine keeps its data.

    Args:
        pulls: of the missing images.
        free_bytes: there; None where it cannot be read.
    """
    known = pull_bytes(pulls)
    need = int(known * _UNPACKED)
    ease = need + known  # what is pulled stays beside what it unpacks to: in containerd's store always, else meanwhile
    unknown = [pull.reference for pull in pulls if pull.layers is None]
    found = f"{decimal(known)} to pull, about {decimal(need)} unpacked"
    found += f", and {len(unknown)} of unknown size" if unknown else ""
    wanted = f"{decimal(ease)} free"
    remedy = "make room before the launch: `docker system df` shows what images and caches take"
    if not pulls:
        return (Finding("image-size", Verdict.PASS, "images", "nothing to pull", "room for it"),)
    if free_bytes is None:
        found += "; what is free cannot be read"
        return (Finding("image-size", Verdict.SKIP, "images", found, wanted, remedy, required=False),)
    found += f"; {decimal(free_bytes)} free"
    if free_bytes < ease:
        verdict = Verdict.FAIL if free_bytes < need else Verdict.WARN
        return (Finding("image-size", verdict, "images", found, wanted, remedy),)
    if unknown:
        remedy = f"look up what is not known: {', '.join(unknown)}; then `docker system df`"
        return (Finding("image-size", Verdict.SKIP, "images", found, wanted, remedy, required=False),)
    return (Finding("image-size", Verdict.PASS, "images", found, wanted),)
