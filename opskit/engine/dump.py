"""Bytes out of containers and volumes and into them, by the Engine's streams."""

from __future__ import annotations

import contextlib
import io
import struct
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from opskit import process
from opskit.engine.client import address_of, asking
from opskit.errors import NotReadError

if TYPE_CHECKING:
    from docker import DockerClient

POSTGRES = "postgres_data"
"""The key of the volume that databases are in."""
_FRAME, _STDERR, _BUFFER = struct.Struct(">BxxxL"), 2, 1024**2
_FREEZES, _FREEZE_AGAIN_S = 10, 0.5
_AT, _LOOKS_AT = "/data", "opskit.looks-at"


def stream_inside(
    client: DockerClient,
    container: str,
    words: list[str],
    *,
    what: str,
    environment: Mapping[str, str] | None = None,
    told: bytearray | None = None,
) -> Generator[bytes]:
    """What a command in a container writes, as it comes.

    Args:
        client: of the Engine.
        container: its id.
        words: no secret among them; they are seen by `ps` on the host.
        what: names it in an error.
        environment: added to the container's own.
        told: gets what it says on stderr.

    Raises:
        NotReadError: it ended with another status than 0.
    """
    told = bytearray() if told is None else told
    with open_inside(client, container, words, what=what, environment=environment, told=told) as (socket, _):
        for stream, data in frames(socket):
            if stream == _STDERR:
                told += data
            else:
                yield data


def frames(socket: Any) -> Iterator[tuple[int, bytes]]:  # noqa: ANN401  docker-py's own
    """What a command says, as (stream, bytes): docker-py's own reader asks the kernel five times for each 32 KB.

    Source: Engine API, "Attach to a container", stream format.
    """
    source = io.BufferedReader(socket, _BUFFER)
    while header := source.read(_FRAME.size):
        stream, size = _FRAME.unpack(header)
        yield stream, source.read(size)


@contextlib.contextmanager
def open_inside(
    client: DockerClient,
    container: str,
    words: list[str],
    *,
    what: str,
    told: bytearray,
    environment: Mapping[str, str] | None = None,
    stdin: bool = False,
) -> Iterator[tuple[Any, Any]]:
    """The socket of a command in a container, for `frames`, and the one below it, for what it reads.

    Nothing is said for as long as the command is silent; docker-py would give up after a minute, and leave it open.

    Args:
        client: of the Engine.
        container: its id.
        words: as in `stream_inside`.
        what: names it in an error.
        told: what it has said by the end of the block is quoted where it failed.
        environment: added to the container's own.
        stdin: whether it reads.

    Raises:
        NotReadError: it ended with another status than 0.
    """
    with asking(what):
        made = client.api.exec_create(container, words, stdin=stdin, environment=dict(environment or {}))["Id"]
        socket = client.api.exec_start(made, socket=True)
        wire: Any = getattr(socket, "_sock", socket)
        wire.settimeout(None)
        try:
            yield socket, wire
        finally:
            socket.close()
            wire.close()
        _check_status(client, made, what, told)


def _check_status(client: DockerClient, made: str, what: str, told: bytearray) -> None:
    code = client.api.exec_inspect(made)["ExitCode"]
    if code != 0:
        raise NotReadError(f"{what}: exit code {code}: {bytes(told[-500:]).decode('utf-8', 'replace').strip()}")


def _writers(client: DockerClient, volume: str) -> list[dict[str, Any]]:
    return [entry for entry in client.api.containers(filters={"volume": volume}) if entry["State"] == "running"]


def read_still(client: DockerClient, volume: str) -> Generator[bytes]:
    """A volume as a tar while its writers are paused: what a power cut would leave.

    They go on when the last byte was read or the generator is closed: a caller that may stop early closes it.

    Raises:
        NotReadError: the Engine has no image, or refused.
    """
    with asking(volume), _paused(client, [entry["Id"] for entry in _writers(client, volume)]):
        yield from read_volume(client, volume)


def read_volume(client: DockerClient, volume: str) -> Generator[bytes]:
    """The volume as a tar, through a container that is made and never started: any image does.

    Raises:
        NotReadError: the Engine has no image.
    """
    with _looker(client, f"{volume}:{_AT}:ro") as looker:
        stream, _ = client.api.get_archive(looker, f"{_AT}/.")
        yield from stream


def write_volume(client: DockerClient, volume: str, tar: Iterable[bytes]) -> None:
    """Put what `read_volume` gave into a volume, owners and modes as they were.

    Raises:
        NotReadError: the Engine has no image, or did not take it.
    """
    with asking(volume), _looker(client, f"{volume}:{_AT}") as looker:
        if not client.api.put_archive(looker, _AT, iter(tar)):  # requests takes an iterator
            raise NotReadError(f"{volume}: the Engine did not take its files")


@contextlib.contextmanager
def _looker(client: DockerClient, bind: str) -> Iterator[str]:
    volume = bind.partition(":")[0]
    image = next((entry["Id"] for entry in client.api.images()), None)
    if image is None:
        raise NotReadError(f"{volume}: the Engine has no image to look into it with")
    host = client.api.create_host_config(binds=[bind])
    with temporary(client, image, f"{_LOOKS_AT}={volume}", command=["none"], host_config=host) as looker:
        yield looker


@contextlib.contextmanager
def temporary(client: DockerClient, image: str, label: str, **options: Any) -> Iterator[str]:  # noqa: ANN401  docker-py's own
    """A container, by id, that goes with the block, and its own volumes with it; so does what a killed one left.

    Args:
        client: of the Engine.
        image: of it.
        label: `name=value`, by which one that was left is found; no two at once have the same.
        options: as `create_container` takes them.

    Raises:
        NotReadError: the Engine refused, also something in the block.
    """
    with asking(f"a container of {image}"):
        for left in client.api.containers(all=True, filters={"label": label}):
            client.api.remove_container(left["Id"], force=True, v=True)
        name, _, value = label.partition("=")
        made = client.api.create_container(image, labels={name: value}, **options)["Id"]
        try:
            yield made
        finally:
            client.api.remove_container(made, force=True, v=True)


@contextlib.contextmanager
def _paused(client: DockerClient, containers: list[str]) -> Iterator[None]:
    """Pause them; they go on at the end of the block, and where this process is killed in it."""
    with contextlib.ExitStack() as undo:
        if containers:
            guard = (sys.executable, "-m", "opskit.engine.unpause", address_of(client), *containers)
            undo.enter_context(process.guarded(guard))
        for container in containers:
            if _told(client.api.pause, container):
                undo.callback(_told, client.api.unpause, container)
        yield


def _told(act: Callable[[str], None], container: str) -> bool:
    """Whether it was done; not where the container has ended since it was listed, as one does that crash-loops.

    On control groups v1 a busy container may not be frozen at the first try; runc leaves trying again to its caller
    (opencontainers/runc#4388).
    """
    from docker.errors import APIError  # noqa: PLC0415  docker is imported where it is used

    left = _FREEZES
    while True:
        try:
            act(container)
        except APIError as error:
            if error.status_code in {HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND} or "is not paused" in str(error):
                return False
            if not left or "unable to freeze" not in str(error):
                raise
            left -= 1
            time.sleep(_FREEZE_AGAIN_S)
        else:
            return True
