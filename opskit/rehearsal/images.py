"""Images for a rehearsal, built here from the distribution's packages, under names of our own."""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from opskit.errors import EngineUnavailableError
from opskit.files import make_folder
from opskit.paths import IMAGES
from opskit.reading import Reading
from opskit.rehearsal.layers import ensure_layer
from opskit.rehearsal.programs import Program, choose_program
from opskit.rehearsal.tree import COMMON, JMETER, Tree, ensure_tree

if TYPE_CHECKING:
    from docker import DockerClient

_DATA = Path(__file__).with_name("data")
_STAND_IN_FOLDER = "/usr/local/lib/standin"
_STAND_INS = {
    **{f"standin/{p.name}": f"{_STAND_IN_FOLDER}/{p.name}" for p in sorted((_DATA / "standin").glob("*.py"))},
    "filebeat": "/usr/local/bin/filebeat",
    "n8n-entrypoint.sh": "/docker-entrypoint.sh",
    "node": "/usr/local/bin/node",
}
_PREFIX = "opskit-rehearsal/"
_TREE = f"{_PREFIX}tree"
_MAKE_S = 7200.0
_STAND_IN = "stand-in"
_TREES = {tree.name: tree for tree in (COMMON, JMETER)}


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the image of one service is made; a program of None means a stand-in."""

    service: str
    program: Program | None

    @property
    def tree(self) -> Tree:
        """The tree under it."""
        return _TREES[self.program.tree if self.program else COMMON.name]

    @property
    def files(self) -> Mapping[str, str]:
        """Our own files in it, as paths from `data/`, to their place."""
        if self.program is None:
            return _STAND_INS
        folders = ("shared", self.program.folder) if self.program.folder else ()
        paths = sorted(path for folder in folders for path in (IMAGES / folder).glob("*.py"))
        return {**self.program.files, **{str(path): f"/app/{path.name}" for path in paths}}

    @property
    def script(self) -> tuple[str, ...]:
        """What is run in it to make what it serves; empty where nothing is."""
        return self.program.makes if self.program and self.program.makes[0] else ()

    @property
    def key(self) -> str:
        """What it is an image of: one of an earlier recipe with the same key is done with."""
        return f"{self.service} {'program' if self.program else _STAND_IN}"

    @property
    def mark(self) -> str:
        """Changes when anything that goes into the image does."""
        files = (f"{place}\0{(_DATA / name).read_text()}" for name, place in self.files.items())
        parts = (self.key, repr(self.program), self.tree.recipe, *files)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]

    def image(self) -> dict[str, Any]:
        """What the image says."""
        own = self.program.image if self.program else {"Entrypoint": ["python3", _STAND_IN_FOLDER, self.service]}
        return {**own, "Labels": _labels(self.key, self.mark)}


def ensure_images(
    client: DockerClient, services: Iterable[str], *, cache: Path, say: Callable[[str], None], full: bool = False
) -> Mapping[str, str]:
    """Make sure that each service has an image on the Engine; returns the image by service.

    `programs.py` says which services are the real program; every other one is a stand-in, and its tag says so. Trees
    are made once by mmdebstrap and programs installed once by pip, both kept as tars in `cache`.

    Args:
        client: the Engine.
        services: as the Compose files name them.
        cache: for trees and programs.
        say: told what takes time.
        full: take the heavy real programs too.

    Raises:
        EngineUnavailableError: mmdebstrap or pip failed, or the Engine failed on the way.
    """
    from docker.errors import DockerException  # noqa: PLC0415  docker is imported where it is used
    from requests.exceptions import RequestException  # noqa: PLC0415

    recipes = {service: Recipe(service, choose_program(service, full=full)) for service in services}
    try:
        return _ensure(client, recipes, cache, say)
    except (DockerException, RequestException) as error:
        raise EngineUnavailableError(
            f"rehearsal: the Docker Engine failed while the images were made: {error}. Remedy: look at its log and at "
            "the free disk space (`df -h`), then try again; what is made already is kept."
        ) from None


def _ensure(
    client: DockerClient, recipes: Mapping[str, Recipe], cache: Path, say: Callable[[str], None]
) -> Mapping[str, str]:
    images = _read_images(client)
    if any(recipe.mark not in images for recipe in recipes.values()):
        make_folder(cache)
        with FileLock(cache / "images.lock", mode=0o666):
            images = _read_images(client)  # another process may have made them meanwhile
            lacking = {recipe.mark: recipe for recipe in recipes.values() if recipe.mark not in images}
            for tree in {recipe.tree.name: recipe.tree for recipe in lacking.values()}.values():
                _ensure_tree(client, tree, cache, say)
            longest = sorted(lacking.values(), key=lambda recipe: not (recipe.program and recipe.program.folder))
            images |= _make_all(longest, lambda recipe: _make(client, recipe, cache, say))
    return {service: images[recipe.mark] for service, recipe in recipes.items()}


def _make_all(recipes: Iterable[Recipe], make: Callable[[Recipe], str]) -> Mapping[str, str]:
    """Make images two at once, since pip waits for the network and unpacks on one core; returns them by mark.

    The second thread is one that an interrupt leaves behind: what it runs ends with this process.
    """
    made, left = {}, iter(tuple(recipes))

    def work() -> None:
        try:
            for recipe in left:
                made[recipe.mark] = make(recipe)
        finally:
            for _ in left:
                pass  # after a failure nothing more is begun

    beside = Reading("the images of the rehearsal", work, timeout_s=_MAKE_S, refused=())
    work()
    beside.result()
    return made


def parse_version(status: str, package: str) -> str:
    """The upstream version of a package by dpkg's status text, without epoch, repacking mark and revision.

    Args:
        status: what /var/lib/dpkg/status holds.
        package: a regular expression for the whole name.

    Source: deb-version(7).
    """
    found = re.search(rf"^Package: {package}\n(?:.+\n)*?Version: (?:\d+:)?([0-9][0-9.]*)", status, re.MULTILINE)
    return found[1] if found else "unknown"


def _labels(key: str, mark: str) -> dict[str, str]:
    return {"opskit.rehearsal": "true", "opskit.of": key, "opskit.recipe": mark}


def _read_images(client: DockerClient) -> dict[str, str]:
    """The rehearsal's images that are there: name by mark."""
    images = client.images.list(filters={"label": "opskit.rehearsal=true"})
    return {
        image.labels["opskit.recipe"]: image.tags[0] for image in images if image.tags and "opskit.of" in image.labels
    }


def _ensure_tree(client: DockerClient, tree: Tree, cache: Path, say: Callable[[str], None]) -> str:
    reference = f"{_TREE}:{tree.name}-{tree.recipe}"
    if not client.images.list(name=reference):
        tar = ensure_tree(tree, cache, say)
        say(f"importing the rehearsal's tree `{tree.name}`")
        key = f"tree {tree.name}"
        repository, tag = reference.split(":")
        changes = [f'LABEL {name}="{value}"' for name, value in _labels(key, tree.recipe).items()]
        client.api.import_image_from_file(str(tar), repository=repository, tag=tag, changes=changes)
        _remove_old(client, key, tree.recipe)
    return reference


def _make(client: DockerClient, recipe: Recipe, cache: Path, say: Callable[[str], None]) -> str:
    """Commit the tree with the service's own files under the service's own name; the tree's layer is shared."""
    program, tag = recipe.program, _STAND_IN
    repository = f"{_PREFIX}{recipe.service}"
    with _container(client, recipe, _ensure_tree(client, recipe.tree, cache, say)) as box:
        if program:
            status = _read_file(client, box, "/var/lib/dpkg/status")
            tag = program.tag(parse_version(status, program.package))
            if program.python or program.folder:
                python = ".".join(parse_version(status, "python3").split(".")[:2])
                layer = ensure_layer(recipe.service, program, python, cache=cache, say=say)
                say(f"importing {program.pinned}")
                with layer.open("rb") as content:
                    client.api.put_archive(box, "/", content)
        client.api.put_archive(box, "/", _pack(recipe.files))
        if recipe.script:
            say(f"making what {recipe.service} serves (half a minute, once)")
            _run_script(client, box, recipe)
        client.api.commit(box, repository=repository, tag=tag, conf=recipe.image())
    _remove_old(client, recipe.key, recipe.mark)
    return f"{repository}:{tag}"


def _run_script(client: DockerClient, box: str, recipe: Recipe) -> None:
    client.api.start(box)
    if client.api.wait(box)["StatusCode"] != 0:
        said = client.api.logs(box).decode(errors="replace").strip().rpartition("\n")[2]
        raise EngineUnavailableError(
            f"rehearsal: {recipe.script[0]} failed in {_PREFIX}{recipe.service}: {said}. Remedy: look at the free disk "
            "space (`df -h`) and memory (`free -h`), then try again."
        )


def _pack(files: Mapping[str, str]) -> bytes:
    """Files of `data/` as a tar, the same on every machine."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as tar:
        for name, place in files.items():
            content = (_DATA / name).read_bytes()
            entry = tarfile.TarInfo(place.lstrip("/"))
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
    return sink.getvalue()


@contextlib.contextmanager
def _container(client: DockerClient, recipe: Recipe, image: str) -> Iterator[str]:
    """A container to commit; it is started only where the recipe has a script, which it runs as root."""
    ran: dict[str, Any] = {}
    if recipe.script:
        ran = {"entrypoint": "python3", "user": "0", "network_disabled": True, "environment": recipe.image().get("Env")}
    box: str = client.api.create_container(image, command=list(recipe.script) or ["true"], **ran)["Id"]
    try:
        yield box
    finally:
        client.api.remove_container(box, force=True)


def _read_file(client: DockerClient, box: str, path: str) -> str:
    stream, _ = client.api.get_archive(box, path)
    with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
        content = tar.extractfile(tar.next() or Path(path).name)
        return content.read().decode() if content else ""


def _remove_old(client: DockerClient, key: str, mark: str) -> None:
    """Remove what was made of the same by an earlier recipe, or before images said what they are, and is not in use."""
    from docker.errors import APIError  # noqa: PLC0415  docker is imported where it is used

    for image in client.images.list(filters={"label": "opskit.rehearsal=true"}):
        if image.labels.get("opskit.of", key) == key and image.labels.get("opskit.recipe") != mark:
            with contextlib.suppress(APIError):  # in use, or the parent of one in use
                client.images.remove(str(image.id))
