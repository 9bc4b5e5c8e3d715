"""Asks a command inside running containers: all at once, each bounded in time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from opskit.engine.model import Answer
from opskit.errors import NotReadError
from opskit.reading import Reading

if TYPE_CHECKING:
    from docker import DockerClient


def ask_inside(
    client: DockerClient, containers: Iterable[str], words: Sequence[str], *, timeout_s: float
) -> Mapping[str, Answer]:
    """Run the same command in each container, and wait for all of them no longer than that.

    One that is late is left to itself: the Engine has no call that ends a command inside a container.

    Args:
        client: its connection pool is what bounds how many are asked at once.
        containers: their ids.
        words: no secret among them; they are seen by `ps` on the host.
        timeout_s: for all of them together.
    """
    asked = {c: Reading(words[0], partial(_ask, client, c, words), timeout_s=timeout_s, refused=()) for c in containers}
    late = Answer(None, f"{words[0]} did not answer within {timeout_s:g} s")
    found = {}
    for container, reading in asked.items():
        try:
            found[container] = reading.result()
        except NotReadError:
            found[container] = late
    return found


def _ask(client: DockerClient, container: str, words: Sequence[str]) -> Answer:
    from docker.errors import APIError  # noqa: PLC0415  docker is imported where it is used
    from requests.exceptions import RequestException  # noqa: PLC0415

    try:
        command = client.api.exec_create(container, list(words))["Id"]
        said = client.api.exec_start(command)
        code = client.api.exec_inspect(command)["ExitCode"]
    except APIError as error:
        return Answer(None, str(error.explanation or error))
    except RequestException as error:
        return Answer(None, f"the Engine did not answer: {error}")
    return Answer(code, said.decode("utf-8", "replace").strip())
