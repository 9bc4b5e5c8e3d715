"""Reads the files of the model that a stack serves: those in a folder, and those that were downloaded from a hub."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from opskit.compose.faults import Failure
from opskit.compose.model import Stack
from opskit.errors import ConfigError
from opskit.llm.shape import Model
from opskit.llm.weights import CACHE, read_model, read_snapshot
from opskit.unknown import Unknown


def read_served(stack: Stack | Failure) -> Model | Unknown:
    """What is known of the model vLLM will serve; the reason where nothing is: its files are not in a folder here."""
    server, name = (stack.server, stack.served_model) if isinstance(stack, Stack) else (None, "")
    for mount in server.mounts if server else ():
        if mount.kind == "bind" and PurePosixPath(name).is_relative_to(mount.target):
            try:
                return read_model(Path(mount.source) / PurePosixPath(name).relative_to(mount.target))
            except ConfigError as error:
                return Unknown(str(error), "")
    return Unknown(f"{name or 'the model'} is no folder under the models directory", "")


def read_cached(stack: Stack | Failure, folders: Mapping[str, str]) -> bool | None:
    """Whether a volume of the model server holds a model that is named as on a hub; None where that is not known.

    Args:
        stack: the volumes of its model server are looked into.
        folders: on this host, of the project's volumes by their keys.
    """
    server, name = (stack.server, stack.served_model) if isinstance(stack, Stack) else (None, "")
    if server is None or name.startswith("/"):
        return None
    wanted = CACHE / f"models--{name.replace('/', '--')}"
    for mount in server.mounts:
        if mount.kind == "volume" and wanted.is_relative_to(mount.target):
            folder = folders.get(mount.source)
            return read_snapshot(Path(folder) / wanted.relative_to(mount.target)) if folder else False
    return None
