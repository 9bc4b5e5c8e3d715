"""The Engine's events of one project, and looks at its containers: events wake the waiting, looks decide."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import requests

from opskit.compose.labels import parse_labels
from opskit.engine.model import (
    NUMBER_LABEL,
    ONE_OFF_LABEL,
    PROJECT_LABEL,
    SERVICE_LABEL,
    ContainerEvent,
    ContainerState,
    Evidence,
)
from opskit.plain import plain_line, plain_lines

if TYPE_CHECKING:
    from docker import DockerClient

_ACTIONS = ("create", "start", "kill", "die", "oom", "destroy", "health_status")
"""Naming them makes the Engine drop the `exec_*` noise of every probe; health_status is matched by its prefix."""


def read_containers(client: DockerClient, project: str) -> tuple[ContainerState, ...]:
    """Look at every container of the project, one-off `run` containers left out.

    Raises:
        requests.exceptions.RequestException, docker.errors.DockerException: the Engine does not answer.
    """
    looks = (read_container(client, entry["Id"]) for entry in list_containers(client, project))
    return tuple(look for look in looks if look is not None)


def list_containers(client: DockerClient, project: str) -> list[dict[str, Any]]:
    """The Engine's entries of the project's containers, one-off `run` containers left out."""
    labels = [f"{PROJECT_LABEL}={project}", f"{ONE_OFF_LABEL}=False"]
    listed: list[dict[str, Any]] = client.api.containers(all=True, filters={"label": labels})
    return listed


def read_container(client: DockerClient, identity: str) -> ContainerState | None:
    """Look at one container; None when it is gone."""
    from docker.errors import NotFound  # noqa: PLC0415  docker is imported where it is used: `import opskit` is light

    try:
        return parse_container(client.api.inspect_container(identity))
    except NotFound:
        return None


def parse_container(data: dict[str, Any]) -> ContainerState:
    """Read what inspect shows (API 1.41 and later)."""
    state = data["State"]
    policy = (data["HostConfig"].get("RestartPolicy") or {}).get("Name") or "no"
    labels: dict[str, str] = data["Config"]["Labels"]
    return ContainerState(
        id=data["Id"],
        service=labels.get(SERVICE_LABEL, data["Name"].lstrip("/")),
        status=state["Status"],
        health=health if (health := (state.get("Health") or {}).get("Status")) not in {"", "none"} else None,
        exit_code=state["ExitCode"],
        oom_killed=bool(state.get("OOMKilled")),
        restart_count=data.get("RestartCount", 0),
        restarts=policy in {"always", "unless-stopped"},
        number=labels.get(NUMBER_LABEL, "1"),
        created_s=parse_time(data.get("Created", "")) or 0.0,
        started_s=parse_time(state.get("StartedAt", "")),
        ended_s=parse_time(state.get("FinishedAt", "")),
        error=state.get("Error") or "",
        may_end=policy in {"no", "on-failure"} or parse_labels(labels).oneshot,
    )


def read_clock(client: DockerClient) -> float | None:
    """The Engine's clock, in seconds since the epoch; None where it does not tell."""
    return parse_time(str(client.info().get("SystemTime", "")))


def parse_time(text: str) -> float | None:
    """Seconds since the epoch of the Engine's time; None where it tells none, which is the year 1."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    return when.timestamp() if when.year > 1 else None


def read_log(client: DockerClient, identity: str, *, lines: int) -> tuple[str, ...]:
    """The last lines of a container's log; none where it is gone."""
    from docker.errors import APIError  # noqa: PLC0415  as above

    try:
        return plain_lines(client.api.logs(identity, tail=lines).decode("utf-8", errors="replace").splitlines())
    except APIError:
        return ()


def read_evidence(client: DockerClient, identity: str | None, *, lines: int = 400) -> Evidence:
    """Read a container's last log lines and its last probe's output; empty where there is no container."""
    from docker.errors import APIError  # noqa: PLC0415  as above

    if identity is None:
        return Evidence()
    try:
        text = client.api.logs(identity, tail=lines).decode("utf-8", errors="replace")
        state: dict[str, Any] = client.api.inspect_container(identity)["State"]
    except APIError as error:
        return Evidence(log=(f"(no log: {error.explanation})",))
    probes = (state.get("Health") or {}).get("Log") or [{}]
    probe = str(probes[-1].get("Output", "")).strip().splitlines()
    told = [f"exit {probes[-1]['ExitCode']}", *probe[-5:]] if probes[-1] else []
    return Evidence(plain_lines(text.splitlines(), most=lines), plain_lines(told), plain_line(state.get("Error") or ""))


def parse_event(data: dict[str, Any]) -> ContainerEvent:
    """Read one object of the Engine's event stream (API 1.41 and later)."""
    actor = data["Actor"]
    action, _, health = data["Action"].partition(": ")
    exit_code = actor["Attributes"].get("exitCode")
    return ContainerEvent(
        id=actor["ID"],
        service=actor["Attributes"].get(SERVICE_LABEL, ""),
        action=action,
        exit_code=int(exit_code) if exit_code is not None else None,
        health=health or None,
        signal=int(signal) if (signal := actor["Attributes"].get("signal", "")).isdigit() else None,
    )


class EventPump:
    """A thread that only puts the project's events into a queue; a stream's end is put as None.

    The Engine drops events for a slow reader, and docker-py ends the iterator without a word when the daemon goes:
    the reader of the queue takes None for "look at everything again", and the pump subscribes again.
    """

    def __init__(self, client: DockerClient, project: str) -> None:
        self.queue: queue.SimpleQueue[ContainerEvent | None] = queue.SimpleQueue()
        self._client = client
        self._filters = {"type": "container", "label": f"{PROJECT_LABEL}={project}", "event": list(_ACTIONS)}
        self._closed = threading.Event()
        self._stream: Any = self._subscribe(time.time())
        self._thread = threading.Thread(target=self._pump, name=f"events of {project}", daemon=True)
        self._thread.start()

    def _subscribe(self, since: float) -> Any:  # noqa: ANN401  docker-py's CancellableStream has no types
        # The API takes fractions of a second; whole ones would hand the same death out twice after a reconnect.
        return self._client.api.events(since=f"{since:.9f}", filters=self._filters, decode=True)  # type: ignore[call-overload]

    def _pump(self) -> None:
        last = time.time()
        while not self._closed.is_set():
            try:
                for data in self._stream:
                    last = data["timeNano"] / 1e9 + 1e-9
                    self.queue.put(parse_event(data))
            except (requests.exceptions.RequestException, OSError, ValueError):
                pass  # the end of the stream, however it came, is the None below
            if self._closed.is_set():
                return
            self.queue.put(None)
            self._closed.wait(0.5)
            try:
                self._stream = self._subscribe(last)
            except Exception:  # noqa: BLE001,S112  docker-py raises many kinds while a daemon is away; the looks report it
                continue

    def close(self) -> None:
        """End the stream; an ssh:// stream cannot be closed and dies with the process."""
        self._closed.set()
        with contextlib.suppress(Exception):  # docker-py cannot close an ssh:// stream
            self._stream.close()
            self._thread.join(2.0)
