"""Where a run comes from: who, on which machine, of which files, with which versions."""

from __future__ import annotations

import os
import platform
import socket
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from opskit import process
from opskit.audit.journal import RUN_FOLDER, open_run_folder
from opskit.audit.ledger import hash_of
from opskit.audit.parameters import in_effect
from opskit.environments import find_environment, read_environments
from opskit.errors import OpskitError
from opskit.paths import AUDIT, ENVIRONMENTS, ROOT, login
from opskit.rehearsal.level import read_level

BEGUN = frozenset((
    "act", "environment", "rehearsal", "who", "claimed", "uid", "login_uid", "host", "pid", "boot_id", "files", "when",
    "started", "parameters", "effective", "versions",
))  # fmt: skip
"""What a record begins with."""
_MADE_FROM = ("compose", "configs", "sql")
_GIT_S = 5.0
_NOBODY = 2**32 - 1
"""What /proc/self/loginuid says where nobody logged in."""


def open_folder(notebook: Mapping[str, Any], parameters: Mapping[str, Any], *, name: str = "") -> Path:
    """A new folder for a run of that notebook.

    Args:
        notebook: as JSON has it.
        parameters: what is passed to it.
        name: of one that does not say which act it is.
    """
    act = notebook["metadata"].get("opskit", {}).get("act", name)
    environment = environment_of(act, str(in_effect(notebook, parameters).get("env") or ""))
    return open_run_folder(AUDIT, environment=environment or "none", act=act)


def given_folder() -> Path | None:
    """The folder that the starter of this process has opened for its run; None where there is none."""
    given = os.environ.get(RUN_FOLDER)
    return Path(given) if given else None


def begin_record(
    act: str, parameters: Mapping[str, Any], effective: Mapping[str, Any], *, notebook: str
) -> dict[str, Any]:
    """Who runs what, where, when, of which files and with which versions.

    `who` is the user this process runs as; `claimed` is whom sudo's variable names, which anyone can set, and
    `login_uid` whom the kernel saw logging in; `effective` are those of `in_effect`; `notebook` is the file's name.
    """
    packages = ("opskit", "papermill", "docker", "jupyterlab", "nvidia-ml-py")
    now = time.time()
    return {
        "act": act,
        "environment": environment_of(act, str(effective.get("env") or "")),
        "rehearsal": read_level(parameters.get("rehearse", "no")) != "no",
        "who": login(),
        "claimed": os.environ.get("SUDO_USER"),
        "uid": os.getuid(),
        "login_uid": _login_uid(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "boot_id": read_boot_id(),
        "files": _files(notebook),
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
        "started": round(now, 3),
        "parameters": dict(parameters),
        "effective": dict(effective),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
    }


def read_boot_id() -> str:
    """What the kernel calls this boot of the machine; empty where it does not tell."""
    return _read("/proc/sys/kernel/random/boot_id")


def environment_of(act: str, word: str) -> str | None:
    """The name of the environment, whatever alias it was given by; that of the wipe is the one that is wiped."""
    try:
        chosen = find_environment(read_environments(ENVIRONMENTS), "first-run" if act == "first_run" else word)
    except OpskitError:
        return word or None
    return chosen.act_on or chosen.name


def _files(name: str) -> dict[str, str | None]:
    """The revision and what was changed since, and hashes of what a launch is made from."""
    git = ("git", "-C", str(ROOT))
    revision = process.run((*git, "rev-parse", "HEAD"), timeout_s=_GIT_S)
    changed = process.run((*git, "status", "--porcelain", "--untracked-files=no"), timeout_s=_GIT_S)
    folders = {name: sorted(path for path in (ROOT / name).rglob("*") if path.is_file()) for name in _MADE_FROM}
    notebook = ROOT / "notebooks" / f"{name}.ipynb"
    return {
        "revision": revision.stdout.strip() if revision.rc == 0 else None,
        "changed": (changed.stdout.strip() or "nothing") if changed.rc == 0 else None,
        "notebook": hash_of(notebook.read_bytes()) if notebook.exists() else None,
        **{
            name: hash_of(b"".join(hash_of(path.read_bytes()).encode() + path.name.encode() for path in paths))
            for name, paths in folders.items()
        },
    }


def _login_uid() -> int | None:
    uid = _read("/proc/self/loginuid")
    return int(uid) if uid.isdigit() and int(uid) != _NOBODY else None


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return ""
