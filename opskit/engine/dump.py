"""Copies what a wipe takes away and nobody can make again: databases, workflows, chats; by the Engine's streams."""

from __future__ import annotations

import contextlib
import gzip
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from opskit.engine.facts import read_volume_facts
from opskit.engine.model import SERVICE_LABEL
from opskit.errors import NotReadError
from opskit.files import PART, make_folder

if TYPE_CHECKING:
    from docker import DockerClient

KEYS = ("postgres_data", "n8n_data", "openwebui_data")
"""Volumes that are copied; stores that are filled from them or from outside are not."""
_AT = "/data"


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
    writers = [c for c in client.api.containers(filters={"volume": volume}) if c["State"] == "running"]
    servers = [c["Id"] for c in writers if c["Labels"].get(SERVICE_LABEL) == "postgres"]
    if key == "postgres_data" and servers:
        path = folder / "postgres.sql.gz"
        with contextlib.suppress(NotReadError):
            _write(path, lambda: _ask_all(client, servers[0]))
            return path
    path = folder / f"{key}.tar.gz"
    with paused(client, [c["Id"] for c in writers]):
        _write(path, lambda: read_volume(client, volume))
    return path


def _write(path: Path, read: Callable[[], Iterable[bytes]]) -> None:
    from docker.errors import DockerException  # noqa: PLC0415  docker is imported where it is used
    from requests.exceptions import RequestException  # noqa: PLC0415

    part = path.with_name(f"{path.name}{PART}")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as raw:
            with gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=1) as sink:
                for chunk in read():
                    sink.write(chunk)
            raw.flush()
            os.fsync(raw.fileno())
        part.rename(path)
    except (DockerException, RequestException) as error:
        raise NotReadError(f"{path.name}: {error}") from None
    finally:
        part.unlink(missing_ok=True)


def _ask_all(client: DockerClient, container: str) -> Iterator[bytes]:
    """What pg_dumpall says of every database and role; it asks over the container's own socket, without a password."""
    command = client.api.exec_create(container, ["pg_dumpall", "--clean", "--if-exists", "-U", "postgres"])["Id"]
    wrong = b""
    for out, err in client.api.exec_start(command, stream=True, demux=True):
        wrong = (wrong + (err or b""))[-500:]
        if out:
            yield out
    code = client.api.exec_inspect(command)["ExitCode"]
    if code != 0:
        raise NotReadError(f"pg_dumpall: exit code {code}: {wrong.decode('utf-8', 'replace').strip()}")


def read_volume(client: DockerClient, volume: str) -> Iterator[bytes]:
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
    image = next((entry["Id"] for entry in client.api.images()), None)
    if image is None:
        raise NotReadError(f"{bind.partition(':')[0]}: the Engine has no image to look into it with")
    host = client.api.create_host_config(binds=[bind])
    looker = client.api.create_container(image, ["none"], host_config=host)["Id"]
    try:
        yield looker
    finally:
        client.api.remove_container(looker, force=True)


@contextlib.contextmanager
def paused(client: DockerClient, containers: Iterable[str]) -> Iterator[None]:
    """Hold these containers still, by id, for as long as the block takes."""
    with contextlib.ExitStack() as undo:
        for container in containers:
            client.api.pause(container)
            undo.callback(client.api.unpause, container)
        yield
