"""Where the project's own files lie, and who is at work."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

_MARK = Path("configs/environments.yaml")
"""What makes a folder the project's."""


def _find_root() -> Path:
    """OPSKIT_ROOT, else the checkout this package lies in, else the project around the working directory, or there."""
    if given := os.environ.get("OPSKIT_ROOT"):
        return Path(given)
    here = Path.cwd()
    around = (Path(__file__).resolve().parent.parent, here, *here.parents)
    return next((folder for folder in around if (folder / _MARK).is_file()), here)


ROOT = _find_root()
"""The project: compose/, configs/, notebooks/ and the env files are in it."""

COMPOSE = ROOT / "compose"
IMAGES = COMPOSE / "images"
"""The sources of the stack's own two images."""
ENVIRONMENTS = ROOT / "configs" / "environments.yaml"
NOTEBOOKS = ROOT / "notebooks"
AUDIT = Path(os.environ.get("OPSKIT_AUDIT") or ROOT / "audit")
STATE = Path(os.environ.get("OPSKIT_STATE") or ROOT / ".opskit")
"""What opskit keeps and may lose: the rehearsal's engine and images, its overlay."""


def login() -> str:
    """Who runs this: the user's name, else the number a container may have instead; no variable can change it."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def docker_config() -> Path:
    """The folder of Docker's command line; the working directory's where nobody knows this user's home."""
    try:
        return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    except RuntimeError:
        return Path(".docker")
