"""The connection to the Docker Engine: which one, and why it does not answer."""

from __future__ import annotations

import errno
import json
import os
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from opskit.errors import EngineUnavailableError
from opskit.paths import docker_config

if TYPE_CHECKING:
    from docker import DockerClient

_DEFAULT = "unix:///var/run/docker.sock"
_KNOCK_S = 10
_TIMEOUT_S = 60
_PORT = 2375
"""The Engine's port where a tcp:// address names none."""


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
            f"Docker Engine of context {name!r}: there is no such context. Remedy: choose one of `docker context ls` "
            "with `docker context use NAME`, or unset DOCKER_CONTEXT."
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
            no Engine there, each with its remedy after the word "Remedy:".
    """
    import docker  # noqa: PLC0415  docker is imported where it is used
    from docker.errors import DockerException  # noqa: PLC0415
    from requests.exceptions import RequestException  # noqa: PLC0415

    try:
        _knock(host)
        return docker.DockerClient(base_url=host, version="auto", timeout=_TIMEOUT_S, max_pool_size=32)
    except (DockerException, RequestException, OSError, ValueError) as error:
        raise EngineUnavailableError(f"Docker Engine at {host}: {_explain(error)}") from None


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


def _explain(error: Exception) -> str:
    reason = error.errno if isinstance(error, OSError) else None
    if reason in {errno.EACCES, errno.EPERM}:
        return (
            "permission denied. Remedy: `sudo usermod -aG docker $USER`, then log in again; a new shell alone does not "
            "take the group."
        )
    if reason in {errno.ENOENT, errno.ENOTDIR}:
        return (
            "there is no socket; it is not installed or not running. Remedy: `sudo systemctl start docker`, or install "
            "docker-ce or docker.io first; where DOCKER_HOST is set, correct it."
        )
    if reason == errno.ECONNREFUSED:
        return "connection refused; it is not running. Remedy: `sudo systemctl start docker` on that host."
    if isinstance(error, OSError):
        return (
            f"out of reach ({error.strerror or error}). Remedy: check DOCKER_HOST, `docker context ls` and the network."
        )
    return f"no Engine that can be spoken to ({error}). Remedy: check DOCKER_HOST and `docker context ls`."
