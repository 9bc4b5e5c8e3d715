"""Asks a command inside running containers: all at once, each bounded in time."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from opskit.engine.model import Answer

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
    asked = tuple(containers)
    answers: queue.SimpleQueue[tuple[str, Answer]] = queue.SimpleQueue()

    def ask(container: str) -> None:
        answers.put((container, _ask(client, container, words)))

    for container in asked:
        threading.Thread(target=ask, args=(container,), name=f"ask {container[:12]}", daemon=True).start()
    late = Answer(None, f"{words[0]} did not answer within {timeout_s:g} s")
    found = dict.fromkeys(asked, late)
    deadline = time.monotonic() + timeout_s
    for _ in asked:
        try:
            container, answer = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        found[container] = answer
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
