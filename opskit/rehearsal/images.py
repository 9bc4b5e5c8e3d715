"""Images for a rehearsal, built here from the distribution's packages, under names of our own."""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from opskit.errors import EngineUnavailableError
from opskit.rehearsal.tree import TREE, ensure_tree

if TYPE_CHECKING:
    from docker import DockerClient

_DATA = Path(__file__).with_name("data")
_ENTRYPOINT = "/usr/local/bin/docker-entrypoint.sh"
_NGINX: tuple[str, Mapping[str, object]] = (
    r"nginx-light",
    {"Entrypoint": [], "Cmd": ["nginx", "-g", "daemon off;"], "StopSignal": "SIGQUIT"},
)
_REAL: Mapping[str, tuple[str, Mapping[str, object]]] = {
    # service: (a pattern of the Debian package whose version is the tag, what the image says, as upstream's does)
    "postgres": (r"postgresql-\d+", {"Entrypoint": [_ENTRYPOINT], "Cmd": ["postgres"], "StopSignal": "SIGINT"}),
    "redis": (r"redis-server", {"Entrypoint": [_ENTRYPOINT], "Cmd": ["redis-server"], "WorkingDir": "/data"}),
    "nginx": _NGINX,
    "jmeter-results": _NGINX,
    "postgres-exporter": (
        r"prometheus-postgres-exporter",
        {"Entrypoint": ["/usr/bin/prometheus-postgres-exporter"], "User": "nobody"},
    ),
    "redis-exporter": (
        r"prometheus-redis-exporter",
        {"Entrypoint": ["/usr/bin/prometheus-redis-exporter"], "User": "nobody"},
    ),
    "prometheus": (
        r"prometheus",
        {
            "Entrypoint": ["/usr/bin/prometheus"],
            "Cmd": ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"],
            "User": "nobody",
            "WorkingDir": "/prometheus",
        },
    ),
}
_SCRIPTS = {
    "docker-entrypoint.sh": _ENTRYPOINT,
    "filebeat": "/usr/local/bin/filebeat",
    "jmeter": "/usr/local/bin/jmeter",
    "n8n-entrypoint.sh": "/docker-entrypoint.sh",
    "node": "/usr/local/bin/node",
    "silo": "/usr/bin/silo",
    "standin.py": "/usr/local/bin/standin.py",
}
_PREFIX = "opskit-rehearsal/"
_BASE = f"{_PREFIX}debian"


def ensure_images(
    client: DockerClient, services: Iterable[str], *, cache: Path, say: Callable[[str], None]
) -> Mapping[str, str]:
    """Make sure that each service has an image on the Engine; returns the image by service.

    PostgreSQL, Redis, nginx, Prometheus and its exporters are the distribution's own programs; every other service is
    an HTTP stand-in, and its tag says so. The tree is made once by mmdebstrap and kept as a tar in `cache`.

    Raises:
        EngineUnavailableError: mmdebstrap cannot be installed or failed, or the Engine failed on the way.
    """
    from docker.errors import DockerException  # noqa: PLC0415  docker is imported where it is used
    from requests.exceptions import RequestException  # noqa: PLC0415

    try:
        return _ensure(client, list(services), cache, say)
    except (DockerException, RequestException) as error:
        raise EngineUnavailableError(
            f"rehearsal: the Docker Engine failed while the images were made: {error}. Remedy: look at its log and at "
            "the free disk space (`df -h`), then try again; what is made already is kept."
        ) from None


def _ensure(client: DockerClient, wanted: list[str], cache: Path, say: Callable[[str], None]) -> Mapping[str, str]:
    recipe = _recipe()
    there = _read_images(client, recipe)
    if not there.keys() >= set(wanted):
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / "images.lock"):
            there = _read_images(client, recipe)  # another may have made them meanwhile
            base = _ensure_base(client, recipe, cache, say)
            for service in wanted:
                if service not in there:
                    there[service] = _make(client, base, recipe, service)
            _remove_old(client, recipe)
    return {service: there[service] for service in wanted}


def parse_version(status: str, package: str) -> str:
    """The upstream version of a package by dpkg's status text, without epoch, repacking mark and revision.

    Args:
        status: what /var/lib/dpkg/status holds.
        package: a regular expression for the whole name.

    Source: deb-version(7).
    """
    found = re.search(rf"^Package: {package}\n(?:.+\n)*?Version: (?:\d+:)?([0-9][0-9.]*)", status, re.MULTILINE)
    return found[1] if found else "unknown"


def _recipe() -> str:
    """Changes when anything that goes into an image does."""
    parts = [*TREE, *(f"{name}{(_DATA / name).read_text()}" for name in _SCRIPTS), repr(_REAL)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _read_images(client: DockerClient, recipe: str) -> dict[str, str]:
    tags = [tag for image in client.images.list(filters={"label": f"opskit.recipe={recipe}"}) for tag in image.tags]
    return {tag.removeprefix(_PREFIX).split(":")[0]: tag for tag in tags if tag.startswith(_PREFIX)}


def _ensure_base(client: DockerClient, recipe: str, cache: Path, say: Callable[[str], None]) -> str:
    reference = f"{_BASE}:{recipe}"
    if client.images.list(name=reference):
        return reference
    tree = ensure_tree(cache, say)
    say("importing the rehearsal's images")
    label = ["LABEL opskit.rehearsal=true"]
    client.api.import_image_from_file(str(tree), repository=_BASE, tag=f"{recipe}-tree", changes=label)
    with _container(client, f"{reference}-tree") as box:
        client.api.put_archive(box, "/", _pack_scripts())
        conf = {"Labels": {"opskit.rehearsal": "true", "opskit.recipe": recipe}}
        client.api.commit(box, repository=_BASE, tag=recipe, conf=conf)
    client.api.remove_image(f"{reference}-tree")  # the name; the layer is the base's
    return reference


def _pack_scripts() -> bytes:
    """The scripts as a tar, the same whoever makes it."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as tar:
        for name, target in _SCRIPTS.items():
            content = (_DATA / name).read_bytes()
            entry = tarfile.TarInfo(target.lstrip("/"))
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
    return sink.getvalue()


def _make(client: DockerClient, base: str, recipe: str, service: str) -> str:
    """Commit the base under the service's own name; the layers are shared."""
    conf: dict[str, Any] = {"Labels": {"opskit.rehearsal": "true", "opskit.recipe": recipe}}
    with _container(client, base) as box:
        if service in _REAL:
            package, said = _REAL[service]
            conf.update(said)
            tag = parse_version(_read_file(client, box, "/var/lib/dpkg/status"), package)
        else:
            conf["Entrypoint"] = ["python3", "/usr/local/bin/standin.py", service]
            tag = "stand-in"
        client.api.commit(box, repository=f"{_PREFIX}{service}", tag=tag, conf=conf)
    return f"{_PREFIX}{service}:{tag}"


@contextlib.contextmanager
def _container(client: DockerClient, image: str) -> Iterator[str]:
    """A container that is never started: something to commit."""
    box: str = client.api.create_container(image, command=["true"])["Id"]
    try:
        yield box
    finally:
        client.api.remove_container(box)


def _read_file(client: DockerClient, box: str, path: str) -> str:
    stream, _ = client.api.get_archive(box, path)
    with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
        content = tar.extractfile(tar.next() or Path(path).name)
        return content.read().decode() if content else ""


def _remove_old(client: DockerClient, recipe: str) -> None:
    """Remove images of earlier recipes that no container uses."""
    from docker.errors import APIError  # noqa: PLC0415  docker is imported where it is used

    for image in client.images.list(filters={"label": "opskit.rehearsal=true"}):
        if image.labels.get("opskit.recipe") != recipe:
            with contextlib.suppress(APIError):  # in use, or the parent of one in use
                client.images.remove(str(image.id))
