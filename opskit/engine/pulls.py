"""Asks the Engine whether it could pull what is missing: by its own proxy, mirrors and trust, with the user's login."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from opskit.engine.model import Pull, PullAnswer
from opskit.errors import NotReadError
from opskit.reading import Reading

if TYPE_CHECKING:
    from docker import DockerClient


_ANSWERS = (
    # The Engine's text, since it answers 500 to most of them (20.10: also where the registry's body is no JSON).
    (r"manifest unknown|name unknown|HTTP 404|invalid reference|repository name", PullAnswer.ABSENT),
    (r"toomanyrequests|HTTP 429|rate limit", PullAnswer.LIMITED),
    (r"unauthorized|denied|HTTP 40[13]|no basic auth", PullAnswer.LOGIN),
    (r"dial tcp|lookup |tls: |x509: |proxyconnect|i/o timeout|connection re|: EOF$", PullAnswer.UNREACHABLE),
)


def classify(text: str) -> PullAnswer:
    """What the Engine's error about an image means. Source: Engine 20.10, tests/unit/engine/test_pulls.py."""
    return next((answer for pattern, answer in _ANSWERS if re.search(pattern, text)), PullAnswer.UNKNOWN)


def ask_pull(client: DockerClient, reference: str, *, timeout_s: float) -> Reading[Pull]:
    """Begin to ask for one image; several are asked for at once.

    Args:
        client: of the Engine that would pull; docker-py adds the login that `docker login` kept.
        reference: the image as the Compose files name it.
        timeout_s: what is not answered by then is unknown.
    """
    return Reading(reference, partial(_ask, client, reference), timeout_s=timeout_s, refused=())


def take_pull(reading: Reading[Pull]) -> Pull:
    """What was answered."""
    try:
        return reading.result()
    except NotReadError as error:
        return Pull(reading.name, PullAnswer.UNKNOWN, str(error))


def _ask(client: DockerClient, reference: str) -> Pull:
    from docker.errors import DockerException  # noqa: PLC0415  docker is imported where it is used
    from requests.exceptions import RequestException  # noqa: PLC0415

    try:
        platforms: list[dict[str, Any]] = (
            client.api.inspect_distribution(reference).get("Platforms") or []  # type: ignore[no-untyped-call]
        )
        here = client.api.version()
    except (DockerException, RequestException) as error:
        text = str(getattr(error, "explanation", None) or error)
        return Pull(reference, classify(text), text)
    wanted = f"{here['Os']}/{here['Arch']}"
    offered = {f"{entry.get('os')}/{entry.get('architecture')}" for entry in platforms} - {"unknown/unknown", "/"}
    if offered and wanted not in offered:
        return Pull(reference, PullAnswer.ABSENT, f"not made for {wanted}; made for: {', '.join(sorted(offered))}")
    return Pull(reference, PullAnswer.THERE)


def read_present(client: DockerClient, references: Iterable[str]) -> frozenset[str]:
    """Those images that the Engine has, however they are named: it knows the rules of names."""
    return frozenset(reference for reference in references if read_image(client, reference))


def read_image(client: DockerClient, reference: str) -> dict[str, Any] | None:
    """What the Engine says of an image, however it is named; None where it has none by that name."""
    from docker.errors import APIError  # noqa: PLC0415  docker is imported where it is used

    try:
        found: dict[str, Any] = client.api.inspect_image(reference)  # type: ignore[no-untyped-call]
    except APIError:  # not there, or no name that an image can have
        return None
    return found
