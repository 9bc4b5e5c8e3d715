"""PostgreSQL of the next Debian as an image: what a newer major does to data is asked of a newer major."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from opskit.files import make_folder
from opskit.paths import STATE
from opskit.rehearsal.tree import COMMON, Tree

if TYPE_CHECKING:
    from docker import DockerClient

NEXT = {"bookworm": "trixie", "trixie": "forky"}
_ENTRYPOINT, _PLACE = "docker-entrypoint.sh", "usr/local/bin"
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def _tree() -> Path:
    """A tar with PostgreSQL of the next Debian; made once, and kept beside the rehearsal's layers."""
    suite = NEXT[platform.freedesktop_os_release()["VERSION_CODENAME"]]
    tree = Tree(
        "postgres",
        ("postgresql", "busybox"),
        COMMON.early,
        (COMMON.late[1], f"chmod 755 $1/{_PLACE}/{_ENTRYPOINT}"),
        {_ENTRYPOINT: f"/{_PLACE}"},
    )
    make_folder(STATE / "cache")
    made = STATE / f"cache/postgres-{suite}-{tree.recipe}.tar"
    if not made.exists():
        print(f"building a tree of {suite} with its PostgreSQL")  # noqa: T201  a program that prints
        asked = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]
        mirror = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()[0]
        half, source = made.with_suffix(".half.tar"), f"deb [signed-by={_KEYRING}] {mirror} {suite} main"
        subprocess.run(["mmdebstrap", "--quiet", *tree.words(), suite, half, source], check=True)
        half.replace(made)
    return made


def next_postgres(client: DockerClient, name: str, label: str) -> None:
    """Give an image's name to PostgreSQL of the next Debian, started as the one of that name is.

    Args:
        client: of the Engine.
        name: an image's, with its tag.
        label: set to `yes`.
    """
    config = client.images.get(name).attrs["Config"]
    repository, _, tag = name.rpartition(":")
    client.api.import_image(str(_tree()), repository=repository, tag=f"{tag}-next")
    box = client.containers.create(f"{name}-next", "none")
    labels = {**(config["Labels"] or {}), label: "yes"}
    kept = {key: config[key] for key in ("Entrypoint", "Cmd", "Env", "StopSignal", "WorkingDir") if config.get(key)}
    box.commit(repository, tag, conf={**kept, "Labels": labels})
    box.remove()
    client.images.remove(f"{name}-next", noprune=True)
