"""A project's data as the parts of a set, and a PostgreSQL that is thrown away, to try one in."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from opskit.engine.client import ask_inside
from opskit.engine.dump import POSTGRES, read_still, temporary
from opskit.engine.facts import VolumeFact, read_volume_facts
from opskit.engine.model import PROJECT_LABEL, SERVICE_LABEL
from opskit.errors import NotReadError
from opskit.snapshot.databases import Databases
from opskit.snapshot.stores import STORES, counted
from opskit.snapshot.stream import Part

if TYPE_CHECKING:
    from docker import DockerClient

_DRILL_LABEL = "opskit.drill"
_READY_S, _ASK_S = 180.0, 10.0


def find_service(client: DockerClient, project: str, service: str, *, running: bool = True) -> str:
    """The id of a service's first container; empty where there is none, or none that runs."""
    labels = [f"{PROJECT_LABEL}={project}", f"{SERVICE_LABEL}={service}"]
    found = client.api.containers(all=not running, filters={"label": labels})
    return str(found[0]["Id"]) if found else ""


def volumes_of(client: DockerClient, project: str) -> dict[str, VolumeFact]:
    """The project's volumes by key, but for caches: they are filled again."""
    found = {volume.key: volume for volume in read_volume_facts(client, project) if volume.key}
    return {key: found[key] for key in sorted(found) if not key.endswith("_cache")}


def read_parts(
    client: DockerClient, project: str, databases: Databases | None
) -> Iterator[tuple[Part, Iterable[bytes]]]:
    """Each part with its content: databases and roles as PostgreSQL dumps them, every other volume as it is.

    Args:
        client: of the Engine.
        project: the Compose project.
        databases: its PostgreSQL where that runs; else its volume is copied as it is.

    Raises:
        NotReadError: a part could not be read.
    """
    volumes = volumes_of(client, project)
    if databases is not None:
        volumes.pop(POSTGRES, None)
        yield Part("roles"), databases.roles()
        for name in databases.names():
            part = Part(f"postgres/{name}")
            yield part, databases.dump(name, part.rows)
    for key, volume in volumes.items():
        part, content = Part(f"volume/{key}"), read_still(client, volume.name)
        store = STORES.get(part.name)
        running = find_service(client, project, store.service) if store else ""
        yield part, counted(client, running, part, content) if running else content


@contextlib.contextmanager
def throw_away(client: DockerClient, image: str, project: str) -> Iterator[Databases]:
    """An empty PostgreSQL of that image, on no network; it goes with the block, and so does what a killed one left.

    Raises:
        NotReadError: it did not come up.
    """
    with temporary(
        client,
        image,
        f"{_DRILL_LABEL}={project}",
        environment={"POSTGRES_PASSWORD": secrets.token_urlsafe(24)},
        host_config=client.api.create_host_config(network_mode="none", shm_size="256m"),
    ) as made:
        client.api.start(made)
        wait_until(lambda: answers(client, made), "the PostgreSQL of the drill")
        yield Databases(client, made)


def answers(client: DockerClient, container: str) -> bool:
    """Whether its PostgreSQL takes connections over TCP, as its initialisation's does not."""
    words = ("pg_isready", "-q", "-h", "127.0.0.1", "-U", "postgres")
    answer = ask_inside(client, [container], words, timeout_s=_ASK_S)[container]
    if answer.exit_code is None and not (state := client.api.inspect_container(container)["State"])["Running"]:
        said = client.api.logs(container, tail=3).decode("utf-8", "replace").strip()
        raise NotReadError(f"PostgreSQL: exit code {state['ExitCode']}: {said}")
    return answer.exit_code == 0


def wait_until(ready: Callable[[], bool], what: str) -> None:
    """Ask until it is so.

    Raises:
        NotReadError: it is not after three minutes.
    """
    end = time.monotonic() + _READY_S
    while not ready():
        if time.monotonic() > end:
            raise NotReadError(f"{what} is not ready after {_READY_S:g} s")
        time.sleep(0.5)
