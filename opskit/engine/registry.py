"""Asks registries for images that are missing here: whether they can be pulled, and how many bytes that is."""

from __future__ import annotations

import contextlib
import json
import platform
import queue
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import requests

from opskit.engine.distribution import LATE, RefusedError, Talk, explain, open_session
from opskit.engine.manifest import Answer, Pull, goarch, parse_layers
from opskit.engine.reference import Reference, parse_reference

_FEW_PULLS = 50
"""With fewer left, sizes are not asked for: on Docker Hub they cost pulls that the launch needs."""

_FAULTS = (requests.RequestException, OSError, ValueError)

Sizes = Mapping[str, Mapping[str, int]]
"""Bytes by layer, by an image's digest and processor, for which they never change."""


def read_pulls(references: Iterable[str], *, cache: Path, timeout_s: float = 3.0) -> tuple[Pull, ...]:
    """Ask for all images at once, without any login; what does not answer in time is said not to.

    Args:
        references: images as the Compose files name them.
        cache: a file for sizes, so that Docker Hub is asked for each once; one that is damaged is written anew.
        timeout_s: for everything together.

    Returns:
        One of each image, in the order given.
    """
    deadline = time.monotonic() + timeout_s
    sizes = _read_sizes(cache)
    answers: queue.SimpleQueue[Pull | str] = queue.SimpleQueue()
    pulls: dict[str, Pull] = {}
    wanted: dict[str, dict[str, Reference]] = {}
    for text in references:
        reference = parse_reference(text)
        if reference is None:
            pulls[text] = Pull(text, "", Answer.ABSENT, reason="no name that an image can have")
        else:
            pulls[text] = Pull(text, reference.registry, Answer.UNREACHABLE, reason=LATE)
            wanted.setdefault(reference.registry, {})[text] = reference
    for registry, images in wanted.items():
        _spawn(_ask_registry, registry, images, sizes, answers, deadline)
    waiting = {text for images in wanted.values() for text in images}
    while waiting:
        try:
            said = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        if isinstance(said, Pull):
            waiting.discard(said.reference)
            pulls[said.reference] = said
        else:  # the registry is there; its images may still be late
            pulls |= {text: Pull(text, said, Answer.UNKNOWN, reason=LATE) for text in wanted[said]}
    found = {_key(pull.digest): pull.layers for pull in pulls.values() if pull.digest and pull.layers is not None}
    if found.keys() - sizes.keys():
        _write_sizes(cache, {**_read_sizes(cache), **found})
    return tuple(pulls.values())


def _spawn(work: Callable[..., None], *given: object) -> threading.Thread:
    """A daemon: a name server that does not answer cannot be interrupted, and must not keep the process."""
    thread = threading.Thread(target=work, args=given, name="registry", daemon=True)
    thread.start()
    return thread


def _ask_registry(
    registry: str,
    images: Mapping[str, Reference],
    sizes: Sizes,
    answers: queue.SimpleQueue[Pull | str],
    deadline: float,
) -> None:
    """Look once whether the registry is there; where it is, put its name and ask for all its images at once."""
    with open_session() as session:
        fault = _look(Talk(session, registry, "", deadline))
        if fault is not None:
            answer, reason = fault
            for text in images:
                answers.put(Pull(text, registry, answer, reason=reason))
            return
        answers.put(registry)
        threads = [
            _spawn(_ask_image, text, reference, Talk(session, registry, reference.repository, deadline), sizes, answers)
            for text, reference in images.items()
        ]
        for thread in threads:
            thread.join()


def _look(talk: Talk) -> tuple[Answer, str] | None:
    try:
        talk.look()
    except RefusedError as error:
        return error.answer, error.reason
    except _FAULTS as error:
        return Answer.UNREACHABLE, explain(error)
    return None


def _ask_image(
    text: str, reference: Reference, talk: Talk, sizes: Sizes, answers: queue.SimpleQueue[Pull | str]
) -> None:
    answer, digest, layers, reason = Answer.UNKNOWN, "", None, ""
    try:
        digest, left = talk.find(reference.version)
        answer = Answer.THERE
        layers = sizes.get(_key(digest))
        if layers is None and left is not None and left < _FEW_PULLS:
            reason = f"its size is not asked for, as {left} pulls are left from here"
        elif layers is None:
            layers = talk.read_layers(reference.version)
    except RefusedError as error:
        answer = answer if error.answer is Answer.UNKNOWN else error.answer
        reason = error.reason
    except _FAULTS as error:
        reason = explain(error)
    answers.put(Pull(text, reference.registry, answer, layers, digest, reason))


def _key(digest: str) -> str:
    return f"{digest} linux/{goarch(platform.machine())}"


def _read_sizes(cache: Path) -> Sizes:
    """What was learned before; what is damaged was never learned."""
    try:
        said = json.loads(cache.read_bytes()).items()
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}
    return {key: layers for key, manifest in said if (layers := parse_layers(manifest)) is not None}


def _write_sizes(cache: Path, sizes: Sizes) -> None:
    """Write them as manifests of nothing but layers; they come whole or not at all."""
    manifests = {
        key: {"layers": [{"digest": digest, "size": size} for digest, size in layers.items()]}
        for key, layers in sizes.items()
    }
    with contextlib.suppress(OSError):  # without the file they are asked for again
        cache.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache.parent) as folder:
            made = Path(folder) / cache.name
            made.write_text(json.dumps(manifests), encoding="utf-8")
            made.replace(cache)
