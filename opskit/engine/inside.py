"""Asks a command inside running containers: all at once, each bounded in time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from opskit.engine.model import Answer
from opskit.errors import NotReadError
from opskit.reading import Reading

if TYPE_CHECKING:
    from docker import DockerClient


_SOCKETS = ("cat", "/proc/net/tcp", "/proc/net/tcp6")
_ASK_S = 5.0
_LISTENS = re.compile(r"^\s*\d+: (?!0B00007F:)[0-9A-F]+:([0-9A-F]{4}) [0-9A-F]+:0000 0A ", re.MULTILINE)
"""A socket in state LISTEN; 127.0.0.11 is the Engine's own name server, in every network of its."""


def read_listening(client: DockerClient, container: str) -> tuple[int, ...] | None:
    """The TCP ports that something in the container listens on; None where that cannot be read."""
    return parse_listening(ask_inside(client, [container], _SOCKETS, timeout_s=_ASK_S)[container].text)


def parse_listening(text: str) -> tuple[int, ...] | None:
    """Read /proc/net/tcp and tcp6, in any order; None where there is neither.

    Source: Linux, Documentation/networking/proc_net_tcp.rst: addresses and ports in hexadecimal, state 0A is LISTEN.
    """
    if "local_address" not in text:
        return None
    return tuple(sorted({int(port, 16) for port in _LISTENS.findall(text)}))


def ask_inside(
    client: DockerClient, containers: Iterable[str], words: Sequence[str], *, timeout_s: float
) -> Mapping[str, Answer]:
    """Run the same command in each container, and wait for all of them no longer than that.

    Args:
        client: its connection pool is what bounds how many are asked at once.
        containers: their ids.
        words: no secret among them; they are seen by `ps` on the host.
        timeout_s: for all of them together.
    """
    asked = {container: begin_inside(client, container, words, timeout_s=timeout_s) for container in containers}
    return {container: take_answer(reading) for container, reading in asked.items()}


def begin_inside(
    client: DockerClient,
    container: str,
    words: Sequence[str],
    *,
    timeout_s: float,
    environment: Mapping[str, str] | None = None,
) -> Reading[Answer]:
    """Begin a command in a container; `take_answer` waits for it.

    One that is late is left to itself: the Engine has no call that ends a command inside a container.

    Args:
        client: the Engine's connection.
        container: its id.
        words: no secret among them; they are seen by `ps` on the host.
        timeout_s: from now.
        environment: added to the container's own; here a secret may be.
    """
    ask = partial(_ask, client, container, words, environment)
    return Reading(words[0], ask, timeout_s=timeout_s, refused=())


def take_answer(reading: Reading[Answer]) -> Answer:
    """What the command said, waited for as long as its time lasts."""
    try:
        return reading.result()
    except NotReadError:
        return Answer(None, f"{reading.name} did not answer within {reading.timeout_s:g} s")


def _ask(client: DockerClient, container: str, words: Sequence[str], environment: Mapping[str, str] | None) -> Answer:
    from docker.errors import APIError  # noqa: PLC0415  docker is imported where it is used
    from requests.exceptions import RequestException  # noqa: PLC0415

    try:
        command = client.api.exec_create(container, list(words), environment=dict(environment or {}))["Id"]
        said = client.api.exec_start(command)
        code = client.api.exec_inspect(command)["ExitCode"]
    except APIError as error:
        return Answer(None, str(error.explanation or error))
    except RequestException as error:
        return Answer(None, f"the Engine did not answer: {error}")
    return Answer(code, said.decode("utf-8", "replace").strip())
