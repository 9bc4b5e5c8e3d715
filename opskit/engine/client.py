"""The connection to the Docker Engine: which one, and why it does not answer."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from opskit.errors import EngineUnavailableError

if TYPE_CHECKING:
    from docker import DockerClient

_DEFAULT = "unix:///var/run/docker.sock"
_TIMEOUT_S = 60


def resolve_host(host: str | None) -> str:
    """The Engine's address by the rule of Docker's own command line.

    Args:
        host: an address that was given; it wins over DOCKER_HOST, DOCKER_CONTEXT and the current context.
    """
    if host or os.environ.get("DOCKER_HOST"):
        return host or os.environ["DOCKER_HOST"]
    name = os.environ.get("DOCKER_CONTEXT") or _current_context()
    if name in {"", "default"}:
        return _DEFAULT
    from docker.context import ContextAPI  # noqa: PLC0415  docker is imported where it is used

    context = ContextAPI.get_context(name)
    return str(context.Host) if context is not None else _DEFAULT


def _current_context() -> str:
    config = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"
    try:
        return str(json.loads(config.read_text()).get("currentContext") or "")
    except (OSError, ValueError):
        return ""


def connect(host: str) -> DockerClient:
    """Connect to the Engine and ask for its version, so that what comes back answers.

    Raises:
        EngineUnavailableError: it does not; the message tells apart no socket, no permission and no answer.
    """
    import docker  # noqa: PLC0415  docker is imported where it is used
    from docker.errors import DockerException  # noqa: PLC0415
    from requests.exceptions import RequestException  # noqa: PLC0415

    try:
        return docker.DockerClient(base_url=host, version="auto", timeout=_TIMEOUT_S, max_pool_size=32)
    except (DockerException, RequestException, OSError, ValueError) as error:
        raise EngineUnavailableError(_explain(host, error)) from None


def answers(host: str) -> bool:
    """Whether an Engine answers there."""
    if host.startswith("unix://") and not Path(host.removeprefix("unix://")).exists():
        return False
    try:
        connect(host).close()
    except EngineUnavailableError:
        return False
    return True


def _explain(host: str, error: Exception) -> str:
    text = str(error)
    if "Permission denied" in text or isinstance(error, PermissionError):
        return (
            f"Docker Engine at {host}: permission denied. Remedy: `sudo usermod -aG docker $USER`, then log in again; "
            "a new shell alone does not take the group."
        )
    if "No such file" in text or "FileNotFoundError" in text:
        return (
            f"Docker Engine at {host}: there is no socket; it is not installed or not running. Remedy: `sudo systemctl "
            "start docker`, or install docker-ce or docker.io first."
        )
    if "Connection refused" in text:
        return f"Docker Engine at {host}: connection refused; it is not running. Remedy: `sudo systemctl start docker`."
    return f"Docker Engine at {host}: no answer ({text}). Remedy: check DOCKER_HOST, `docker context ls`, and the host."
