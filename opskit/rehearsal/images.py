"""Images for a rehearsal, built here from the distribution's packages, under names of our own."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from opskit import process
from opskit.errors import EngineUnavailableError
from opskit.rehearsal.engine import install_packages

if TYPE_CHECKING:
    from docker import DockerClient

_DATA = Path(__file__).with_name("data")
_PACKAGES = "postgresql,redis-server,nginx-light,prometheus,python3-minimal,libpython3-stdlib,curl,busybox"
_LEFT_OUT = (
    "/usr/share/man/*",
    "/usr/share/doc/*",
    "/usr/share/locale/*",
    "/usr/share/i18n/*",
    "/usr/share/javascript/*",
    "/usr/lib/*/libLLVM-*",
    "/usr/lib/*/libz3.so*",
    "/usr/bin/promtool",
)
"""What no rehearsal runs; LLVM serves PostgreSQL's JIT, which is off."""

_ENTRYPOINT = "/usr/local/bin/docker-entrypoint.sh"
_REAL: Mapping[str, tuple[str, list[str], list[str] | None]] = {
    # service: (Debian package whose version is the tag, entrypoint, the image's own command)
    "postgres": ("postgresql", [_ENTRYPOINT], ["postgres"]),
    "redis": ("redis-server", [_ENTRYPOINT], ["redis-server"]),
    "nginx": ("nginx-light", [], ["nginx", "-g", "daemon off;"]),
    "prometheus": ("prometheus", ["/usr/bin/prometheus"], None),
}
_SCRIPTS = {"docker-entrypoint.sh": _ENTRYPOINT, "silo": "/usr/bin/silo", "standin.py": "/usr/local/bin/standin.py"}
_BASE = "opskit-rehearsal/debian"
_BUILD_S = 1200.0


def ensure_images(
    client: DockerClient, services: Iterable[str], *, cache: Path, say: Callable[[str], None]
) -> Mapping[str, str]:
    """Make sure that each service has an image on the Engine; returns the image by service.

    PostgreSQL, Redis, nginx and Prometheus are the distribution's own programs; every other service is an HTTP
    stand-in, and its tag says so. The tree is made once by mmdebstrap and kept as a tar in `cache`.

    Raises:
        EngineUnavailableError: mmdebstrap cannot be installed or failed.
    """
    recipe = _recipe()
    there = {tag for image in client.images.list(filters={"label": f"opskit.recipe={recipe}"}) for tag in image.tags}
    by_service = {tag.split("/")[1].split(":")[0]: tag for tag in there}
    missing = [service for service in services if service not in by_service]
    if missing:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / "images.lock"):
            base = _ensure_base(client, recipe, cache, say)
            for service in missing:
                by_service[service] = _make(client, base, recipe, service)
    return {service: by_service[service] for service in services}


def _recipe() -> str:
    """Changes when anything that goes into an image does."""
    parts = [_PACKAGES, *_LEFT_OUT, *(f"{name}{(_DATA / name).read_text()}" for name in _SCRIPTS), repr(_REAL)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _ensure_base(client: DockerClient, recipe: str, cache: Path, say: Callable[[str], None]) -> str:
    reference = f"{_BASE}:{recipe}"
    if client.images.list(name=reference):
        return reference
    tree = cache / f"debian-{hashlib.sha256((_PACKAGES + ''.join(_LEFT_OUT)).encode()).hexdigest()[:16]}.tar"
    if not tree.exists():
        say("building the rehearsal's images from the distribution's packages (a minute or two, once)")
        _build_tree(tree, say)
    say("importing the rehearsal's images")
    client.api.import_image_from_file(str(tree), repository=_BASE, tag=f"{recipe}-tree")
    box = client.api.create_container(f"{_BASE}:{recipe}-tree", command=["true"])["Id"]
    try:
        client.api.put_archive(box, "/", _scripts())
        client.api.commit(box, repository=_BASE, tag=recipe, conf={"Labels": {"opskit.rehearsal": "true"}})
    finally:
        client.api.remove_container(box)
    return reference


def _build_tree(tree: Path, say: Callable[[str], None]) -> None:
    if shutil.which("mmdebstrap") is None:
        install_packages(["mmdebstrap"], say)
    sources = sorted(map(str, Path("/etc/apt/sources.list.d").glob("*.sources")))
    one_line = Path("/etc/apt/sources.list")
    if one_line.is_file() and one_line.stat().st_size:
        sources.append(str(one_line))
    made = tree.with_suffix(f".{os.getpid()}.tar")
    words = (
        "mmdebstrap",
        "--variant=minbase",
        f"--include={_PACKAGES}",
        "--aptopt=APT::Install-Recommends false",
        *(f"--dpkgopt=path-exclude={path}" for path in _LEFT_OUT),
        # Debian's own cluster is not wanted: the entrypoint makes one in the volume.
        "--essential-hook=mkdir -p $1/etc/postgresql-common",
        "--essential-hook=echo create_main_cluster=false > $1/etc/postgresql-common/createcluster.conf",
        "--customize-hook=ln -s busybox $1/usr/bin/wget",
        _suite(),
        str(made),
        *sources,
    )
    done = process.run(words, timeout_s=_BUILD_S)
    if done.rc != 0:
        made.unlink(missing_ok=True)
        last = "\n  ".join(done.stderr.splitlines()[-12:])
        raise EngineUnavailableError(
            f"rehearsal: building the images from Debian's packages failed:\n  {last}\nRemedy: check that `apt-get "
            "update` works here, then try again."
        )
    made.replace(tree)


def _suite() -> str:
    fields = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    return fields.get("VERSION_CODENAME", "bookworm").strip('"')


def _scripts() -> bytes:
    """The scripts as a tar, made the same whoever makes it."""
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
    real = _REAL.get(service)
    box = client.api.create_container(base, command=["true"])["Id"]
    try:
        tag = _version(client, base, real[0]) if real else "stand-in"
        conf: dict[str, Any] = {
            "Labels": {"opskit.rehearsal": "true", "opskit.recipe": recipe},
            "Entrypoint": real[1] if real else ["python3", "/usr/local/bin/standin.py", service],
            "Cmd": real[2] if real else None,
        }
        client.api.commit(box, repository=f"opskit-rehearsal/{service}", tag=tag, conf=conf)
    finally:
        client.api.remove_container(box)
    return f"opskit-rehearsal/{service}:{tag}"


def _version(client: DockerClient, base: str, package: str) -> str:
    words = ["dpkg-query", "-W", "-f", "${Version}\\n", package]
    said = client.containers.run(base, words, remove=True, network_mode="none").decode()
    return said.strip().split(":")[-1].split("+")[0].split("-")[0].replace("~", "-")
