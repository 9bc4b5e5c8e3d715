"""A release: the files, the variables and the images of a good launch, kept so that it can be launched again.

It is named after what it is made of: the same launch, made twice, is one release. No secret is in it: a launch of it
takes those of the env file, as every launch does.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opskit.compose.source import read_source
from opskit.engine.events import list_containers
from opskit.engine.facts import HASH_LABEL
from opskit.engine.model import SERVICE_LABEL
from opskit.engine.pulls import read_image
from opskit.errors import OpskitError
from opskit.files import PART, make_folder, write_atomically
from opskit.paths import ROOT, STATE
from opskit.secrets.policy import BY_NAME, is_secret
from opskit.secrets.store import read_given, read_hidden

if TYPE_CHECKING:
    from docker import DockerClient

    from opskit.compose.client import Project
    from opskit.compose.model import Stack
    from opskit.secrets.value import Secret

KEPT = 5
"""Releases of a project that stay."""
TREES = ("compose", "configs", "sql")
"""Folders of the project that a launch reads; all else that it mounts is the operator's data and stays where it is."""
_FOLDER, _DATA, _OVERLAY = "releases", "release.json", "overlay.json"
_UTC = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class Image:
    """The image a service ran.

    Attributes:
        name: as the files named it.
        id: the Engine's.
        digests: `repository@sha256:…` by which a registry gives the same one again; none of one that was made here.
    """

    name: str
    id: str
    digests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Release:
    """One of a project's releases.

    Attributes:
        folder: where it is kept.
        run: the last good run of it.
        when: that run's end, in UTC.
        files: Compose files in the order they are merged, below `folder`.
        environ: the variables the files were interpolated with, but for secrets.
        images: by service.
        hashes: by service, of the configuration its container was made with, as Compose labels it.
    """

    folder: Path
    run: str
    when: str
    files: tuple[str, ...]
    environ: Mapping[str, str]
    images: Mapping[str, Image]
    hashes: Mapping[str, str]

    @property
    def id(self) -> str:
        """Its name."""
        return self.folder.name


def keep_release(client: DockerClient, project: Project, secrets: Mapping[str, Secret], run: str) -> Release:
    """Keep what runs now as a release; those that are too old go.

    Args:
        client: of the Engine.
        project: as it was launched.
        secrets: the env file's values.
        run: the name of the run that found it good.

    Raises:
        OSError: the folder cannot be written.
    """
    texts = dict(_texts(project.files))
    files = tuple(_place(file) for file in project.files)
    source = read_source(project.files)
    hidden = {*read_hidden(secrets, source.used), *BY_NAME}
    given = {name: read_given(name, secrets) for name in source.used}
    environ = {
        name: value
        for name, value in {**given, **project.environ}.items()
        if name not in hidden and not is_secret(name)
    }
    running, hashes = read_running(client, project.name)
    images = {service: replace(image, digests=_digests(client, image)) for service, image in running.items()}
    what = [sorted((name, hashlib.sha256(text).hexdigest()) for name, text in texts.items()), files, environ]
    told = json.dumps([*what, {name: image.id for name, image in images.items()}], sort_keys=True)
    folder = _folder(project.name) / hashlib.sha256(told.encode()).hexdigest()[:12]
    if not folder.is_dir():
        _write_files(folder, project.files)
    when = time.strftime(_UTC, time.gmtime())
    release = _write(Release(folder, run, when, files, environ, images, hashes))
    for old in read_releases(project.name)[KEPT:]:
        shutil.rmtree(old.folder)
    return release


def keep_again(client: DockerClient, project: str, release: Release, run: str) -> Release:
    """Keep a release that was launched again: it is the last good one now, with the containers there are."""
    when = time.strftime(_UTC, time.gmtime())
    return _write(replace(release, run=run, when=when, hashes=read_running(client, project)[1]))


def _write(release: Release) -> Release:
    text = json.dumps({name: value for name, value in asdict(release).items() if name != "folder"})
    write_atomically(release.folder / _DATA, text)
    return release


def _digests(client: DockerClient, image: Image) -> tuple[str, ...]:
    return tuple((read_image(client, image.id) or {}).get("RepoDigests") or ())


def read_running(client: DockerClient, project: str) -> tuple[dict[str, Image], dict[str, str]]:
    """The image, without its digests, and the configuration hash of each service that has a container."""
    images, hashes = {}, {}
    for entry in list_containers(client, project):
        service = entry["Labels"].get(SERVICE_LABEL, "")
        if service:
            images[service] = Image(entry["Image"], entry["ImageID"])
            hashes[service] = entry["Labels"].get(HASH_LABEL, "")
    return images, hashes


def read_releases(project: str) -> list[Release]:
    """A project's releases, the one that was last good first; one that cannot be read is none."""
    releases = []
    for place in _folder(project).glob(f"*/{_DATA}"):
        try:
            data: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
            images = {name: Image(**{**raw, "digests": tuple(raw["digests"])}) for name, raw in data["images"].items()}
            releases.append(
                Release(**{**data, "folder": place.parent, "images": images, "files": tuple(data["files"])})
            )
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return sorted(releases, key=lambda release: (release.when, release.run), reverse=True)


def project_of(client: DockerClient, project: Project, release: Release, stack: Stack | None = None) -> Project:
    """The project as the release has it: its files and variables, and the images that its names no longer mean.

    Args:
        client: of the Engine.
        project: the checkout's.
        release: that is to be launched.
        stack: the release's model, of a project that was made without it: what it mounts of the release, and the
            checkout has too, is then mounted from the checkout, so that no container is made again for its place.

    Raises:
        OpskitError: an image is on the Engine no more, and no registry gives it again.
    """
    services: dict[str, dict[str, Any]] = {name: _pin(client, release, name) for name in release.images}
    for service in stack.services if stack else ():
        same = [mount for mount in map(partial(_as_in_checkout, release), service.raw.get("volumes") or ()) if mount]
        if same:
            services.setdefault(service.name, {})["volumes"] = same
    place = release.folder / _OVERLAY
    write_atomically(place, json.dumps({"services": {name: over for name, over in services.items() if over}}, indent=1))
    files = (*(release.folder / name for name in release.files), place)
    unmade = {name: value for name, value in project.environ.items() if name in BY_NAME}
    return replace(project, files=files, environ={**release.environ, **unmade})


def _pin(client: DockerClient, release: Release, service: str) -> dict[str, str]:
    """What names a service's image where its own name means another one by now."""
    image = release.images[service]
    if (read_image(client, image.name) or {}).get("Id") == image.id:
        return {}
    if read_image(client, image.id):
        return {"image": image.id, "pull_policy": "never"}
    if image.digests:
        return {"image": image.digests[0], "pull_policy": "missing"}
    raise OpskitError(
        f"release {release.id}: {service}: the image {image.id.removeprefix('sha256:')[:12]} ({image.name}) is on the "
        "Engine no more, and came from no registry",
        "make or load it again, then this again",
    )


def _as_in_checkout(release: Release, mount: Mapping[str, Any]) -> dict[str, Any] | None:
    """A mount of the release's files with the checkout's in their place, where they are the same."""
    if mount.get("type") != "bind" or not Path(mount["source"]).is_relative_to(release.folder):
        return None
    place = Path(mount["source"]).relative_to(release.folder)
    kept, there = release.folder / place, ROOT / place
    linked = (release.folder / place.parts[0]).is_symlink()
    same = linked or _content(kept) == _content(there)
    return {**mount, "source": str(there)} if same else None


def _content(place: Path) -> dict[str, bytes]:
    """The files below a folder, or a file itself, by name."""
    files = sorted(place.rglob("*")) if place.is_dir() else [place]
    return {str(path.relative_to(place)): path.read_bytes() for path in files if path.is_file()}


def _folder(project: str) -> Path:
    return STATE / _FOLDER / project


def _place(file: Path) -> str:
    """Where a Compose file is below a release's folder: the overlay of a rehearsal is none of the project's own."""
    return str(file.relative_to(ROOT)) if file.parent == ROOT / TREES[0] else f"{TREES[0]}/{file.name}"


def _texts(files: Iterable[Path]) -> Iterable[tuple[str, bytes]]:
    for tree in TREES:
        for path in sorted((ROOT / tree).rglob("*")):
            if path.is_file():
                yield str(path.relative_to(ROOT)), path.read_bytes()
    for file in files:
        yield _place(file), file.read_bytes()


def _write_files(folder: Path, files: Iterable[Path]) -> None:
    """Copy the trees and the files; what else of the project they may mount is linked."""
    make_folder(STATE / _FOLDER, 0o700)  # what an operator keeps in configs/ may be nobody else's
    make_folder(folder.parent)
    part = Path(tempfile.mkdtemp(dir=folder.parent, suffix=PART))
    part.chmod(0o755)  # a container's user reads what is mounted from here
    try:
        for tree in TREES:
            if (ROOT / tree).is_dir():
                shutil.copytree(ROOT / tree, part / tree)
        for file in files:
            shutil.copyfile(file, part / _place(file))
        for other in ROOT.iterdir():
            if other.is_dir() and other.name not in TREES and not other.name.startswith("."):
                (part / other.name).symlink_to(other)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
