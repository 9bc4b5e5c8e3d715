"""Copies what a wipe takes away and nobody can make again: databases, workflows, chats; by the Engine's streams."""

from __future__ import annotations

import contextlib
import gzip
import os
from collections.abc import Generator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opskit.engine.facts import read_volume_facts
from opskit.engine.model import SERVICE_LABEL
from opskit.errors import NotReadError
from opskit.files import PART, make_folder

if TYPE_CHECKING:
    from docker import DockerClient

POSTGRES = "postgres_data"
KEYS = (POSTGRES, "n8n_data", "openwebui_data")
"""Volumes that are copied; stores that are filled from them or from outside are not."""
_AT, _LOOKS_AT = "/data", "opskit.looks-at"


def dump_project(client: DockerClient, project: str, folder: Path) -> tuple[Path, ...]:
    """Copy a project's volumes of KEYS into a folder, made where there are any; a file has its name once it is whole.

    A PostgreSQL that runs is asked for a dump of all its databases and roles. Any other volume, and that of one that
    does not answer, is copied as it is, while the containers that write it are paused: what a power cut would leave.

    Raises:
        NotReadError: one could not be copied; what there is so far stays.
        OSError: the folder or a file cannot be written.
    """
    volumes = {volume.key: volume.name for volume in read_volume_facts(client, project)}
    keys = [key for key in KEYS if key in volumes]
    if keys:
        make_folder(folder, 0o700)
    return tuple(_dump(client, key, volumes[key], folder) for key in keys)


def _dump(client: DockerClient, key: str, volume: str, folder: Path) -> Path:
    servers = [c["Id"] for c in _writers(client, volume) if c["Labels"].get(SERVICE_LABEL) == "postgres"]
    if key == POSTGRES and servers:
        path = folder / "postgres.sql.gz"
        words = ["pg_dumpall", "--clean", "--if-exists", "-U", "postgres"]
        with contextlib.suppress(NotReadError):
            _write(path, stream_inside(client, servers[0], words, what="pg_dumpall"))
            return path
    path = folder / f"{key}.tar.gz"
    _write(path, read_still(client, volume))
    return path


def _write(path: Path, chunks: Generator[bytes]) -> None:
    from docker.errors import DockerException  # noqa: PLC0415  docker is imported where it is used
    from requests.exceptions import RequestException  # noqa: PLC0415

    part = path.with_name(f"{path.name}{PART}")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as raw:
            with gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=1) as sink, contextlib.closing(chunks):
                for chunk in chunks:
                    sink.write(chunk)
            raw.flush()
            os.fsync(raw.fileno())
        part.rename(path)
    except (DockerException, RequestException) as error:
        raise NotReadError(f"{path.name}: {error}") from None
    finally:
        part.unlink(missing_ok=True)


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
    made = client.api.exec_create(container, words, environment=dict(environment or {}))["Id"]
    for out, err in client.api.exec_start(made, stream=True, demux=True):
        told += err or b""
        if out:
            yield out
    check_status(client, made, what, told)


def check_status(client: DockerClient, made: str, what: str, told: bytes | bytearray) -> None:
    """Whether a command in a container, by the id of its exec, ended well.

    Raises:
        NotReadError: it did not; `what` and the end of what it `told` are in the message.
    """
    code = client.api.exec_inspect(made)["ExitCode"]
    if code != 0:
        raise NotReadError(f"{what}: exit code {code}: {bytes(told[-500:]).decode('utf-8', 'replace').strip()}")


def _writers(client: DockerClient, volume: str) -> list[dict[str, Any]]:
    return [entry for entry in client.api.containers(filters={"volume": volume}) if entry["State"] == "running"]


def read_still(client: DockerClient, volume: str) -> Generator[bytes]:
    """A volume as a tar while its writers are paused: what a power cut would leave.

    They go on when the last byte was read or the generator is closed: whoever may stop early closes it.

    Raises:
        NotReadError: the Engine has no image.
    """
    with _paused(client, [entry["Id"] for entry in _writers(client, volume)]):
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
    with _looker(client, f"{volume}:{_AT}") as looker:
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
    """
    for left in client.api.containers(all=True, filters={"label": label}):
        client.api.remove_container(left["Id"], force=True, v=True)
    name, _, value = label.partition("=")
    made = client.api.create_container(image, labels={name: value}, **options)["Id"]
    try:
        yield made
    finally:
        client.api.remove_container(made, force=True, v=True)


@contextlib.contextmanager
def _paused(client: DockerClient, containers: Iterable[str]) -> Iterator[None]:
    with contextlib.ExitStack() as undo:
        for container in containers:
            client.api.pause(container)
            undo.callback(client.api.unpause, container)
        yield
