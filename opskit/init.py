"""Puts the project's files into a folder: what a wheel brings, where there is no checkout."""

from __future__ import annotations

import shutil
from pathlib import Path

from opskit.errors import OpskitError, UsageError

BROUGHT = Path(__file__).parent / "project"
"""In a wheel: compose/, configs/, sql/, notebooks/ and what else a checkout has."""


def init_project(folder: Path) -> Path:
    """Copy them to a folder that is not there, or is empty. Returns where they are.

    Raises:
        UsageError: something is there already; nothing was written.
        OpskitError: this is a checkout, which is a project itself, or the folder cannot be written.
    """
    if not BROUGHT.is_dir():
        raise OpskitError(f"opskit init: {BROUGHT} is not there: this opskit is a checkout, and is a project already.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(
            f"opskit init: found something at {folder}; wanted an empty folder, or none. Nothing was written."
        )
    try:
        shutil.copytree(BROUGHT, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))  # of pip
    except (OSError, shutil.Error) as error:
        raise OpskitError(f"opskit init: {folder} cannot be written: {error}") from None
    return folder.resolve()
