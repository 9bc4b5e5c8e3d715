"""The connection to the Docker Engine: which one, and why it does not answer."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from opskit.engine.model import Answer
from opskit.errors import EngineUnavailableError, NotReadError
from opskit.paths import docker_config
from opskit.reading import Reading

if TYPE_CHECKING:
    from docker import DockerClient

if TYPE_CHECKING:
    from docker import DockerClient


_DEFAULT = "unix:///var/run/docker.sock"
_KNOCK_S = 10
_TIMEOUT_S = 60
_PORT = 2375
"""The Engine's port where a tcp:// address names none."""
_ADDRESSES: WeakKeyDictionary[DockerClient, str] = WeakKeyDictionary()


def read_id(client: DockerClient) -> str:
    """The Engine's own id; empty where it tells none."""
    return str(client.info().get("ID") or "")


def resolve_host(host: str | None) -> str:
    """The Engine's address by the rule of Docker's own command line.

    Args:
        host: an address that was given; it wins over DOCKER_HOST, DOCKER_CONTEXT and the current context.

    Raises:
        EngineUnavailableError: the context that is named does not exist.
    """
    if host or os.environ.get("DOCKER_HOST"):
        return host or os.environ["DOCKER_HOST"]
    name = os.environ.get("DOCKER_CONTEXT") or _current_context()
    if name in {"", "default"}:
        return _DEFAULT
    from docker.context import ContextAPI  # noqa: PLC0415  docker is imported where it is used

    context = ContextAPI.get_context(name)
    if context is None:
        raise EngineUnavailableError(
            f"Docker Engine of context {name!r}: there is no such context",
            "choose one of `docker context ls` with `docker context use NAME`, or unset DOCKER_CONTEXT",
        )
    return str(context.Host)


def _current_context() -> str:
    try:
        said = json.loads((docker_config() / "config.json").read_text())
    except (OSError, ValueError):
        return ""
    return str(said.get("currentContext") or "") if isinstance(said, dict) else ""


def connect(host: str) -> DockerClient:
    """Connect to the Engine and ask for its version, so that what comes back answers.

    Raises:
        EngineUnavailableError: it does not; the message tells apart no socket, no permission, refused, out of reach and
            no Engine there, each with its remedy.
    """
    import docker  # noqa: PLC0415  docker is imported where it is used
    from docker.errors import DockerException  # noqa: PLC0415
    from requests.exceptions import RequestException  # noqa: PLC0415

    try:
        _knock(host)
        client = docker.DockerClient(base_url=host, version="auto", timeout=_TIMEOUT_S, max_pool_size=32)
    except (DockerException, RequestException, OSError, ValueError) as error:
        reason, remedy = _explain(error)
        raise EngineUnavailableError(f"Docker Engine at {host}: {reason}", remedy) from None
    _ADDRESSES[client] = host
    return client


@contextlib.contextmanager
def asking(what: str) -> Iterator[None]:
    """What docker-py raises in the block, as a sentence that begins with `what`.

    Raises:
        NotReadError: the Engine refused, or did not answer.
    """
    from docker.errors import DockerException  # noqa: PLC0415  docker is imported where it is used
    from requests.exceptions import RequestException  # noqa: PLC0415

    try:
        yield
    except (DockerException, RequestException) as error:
        raise NotReadError(f"{what}: {getattr(error, 'explanation', None) or error}") from None


def address_of(client: DockerClient) -> str:
    """Where it was connected to."""
    return _ADDRESSES[client]


def _knock(host: str) -> None:
    """Open a unix or tcp address and close it: docker-py hides the reason in a text, and leaks its socket (7.2)."""
    address = urlsplit(host)
    if address.scheme == "unix":
        with socket.socket(socket.AF_UNIX) as knock:
            knock.settimeout(_KNOCK_S)
            knock.connect(host.removeprefix("unix://"))
    elif address.scheme == "tcp":
        socket.create_connection((address.hostname or "", address.port or _PORT), timeout=_KNOCK_S).close()


def answers(host: str) -> bool:
    """Whether an Engine answers there."""
    try:
        connect(host).close()
    except EngineUnavailableError:
        return False
    return True


def _explain(error: Exception) -> tuple[str, str]:
    """Why there is no connection, and the remedy."""
    reason = error.errno if isinstance(error, OSError) else None
    if reason in {errno.EACCES, errno.EPERM}:
        return (
            "permission denied",
            "`sudo usermod -aG docker $USER`, then log in again; a new shell alone does not take the group",
        )
    if reason in {errno.ENOENT, errno.ENOTDIR}:
        return (
            "there is no socket; it is not installed or not running",
            "`sudo systemctl start docker`, or install docker-ce or docker.io first; correct DOCKER_HOST if it is set",
        )
    if reason == errno.ECONNREFUSED:
        return "connection refused; it is not running", "`sudo systemctl start docker` on that host"
    if isinstance(error, OSError):
        found = f"out of reach ({error.strerror or error})"
        return found, "check DOCKER_HOST, `docker context ls` and the network"
    return f"no Engine that can be spoken to ({error})", "check DOCKER_HOST and `docker context ls`"


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
