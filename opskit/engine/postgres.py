"""What PostgreSQL's data is, asked of the Engine where this user may not look into the volume."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docker import DockerClient

_PLACES = ("PG_VERSION", *(f"{major}/docker/PG_VERSION" for major in range(10, 30)))
"""At the root of the volume, or where the images of 18 and later keep it."""


def read_major(client: DockerClient, volume: str) -> str:
    """The major of the data in a volume, through a container that mounts it; empty where that tells nothing.

    Args:
        client: of the Engine.
        volume: its name; the container may be stopped, and nothing is run in it.
    """
    from docker.errors import DockerException  # noqa: PLC0415  docker is imported where it is used
    from requests.exceptions import RequestException  # noqa: PLC0415

    try:
        for entry in client.api.containers(all=True, filters={"volume": volume}):
            place = next(mount["Destination"] for mount in entry["Mounts"] if mount.get("Name") == volume)
            for path in _PLACES:
                if text := _read(client, entry["Id"], f"{place}/{path}"):
                    return text
    except (DockerException, RequestException):
        return ""
    return ""


def _read(client: DockerClient, container: str, path: str) -> str:
    from docker.errors import NotFound  # noqa: PLC0415  as above

    try:
        stream, _ = client.api.get_archive(container, path)
    except NotFound:
        return ""
    with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
        content = tar.extractfile(tar.getmembers()[0])
        return content.read().decode("ascii", "replace").strip() if content else ""
