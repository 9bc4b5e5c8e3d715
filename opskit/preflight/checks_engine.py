"""Checks of the Docker Engine; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opskit.preflight.finding import Finding, Verdict

if TYPE_CHECKING:
    from opskit.engine.facts import EngineFacts

_LAYERED = frozenset({"overlay2", "overlayfs", "btrfs", "zfs", "fuse-overlayfs"})
"""Storage drivers that share layers; `overlayfs` is the containerd image store's word."""


def check_engine_reachable(engine: EngineFacts | str) -> tuple[Finding, ...]:
    """The Engine answers and permits; otherwise `engine` is the sentence that says why not, and its remedy."""
    subject, wanted = "Docker Engine", "an Engine that answers this user"
    if isinstance(engine, str):
        found, _, remedy = engine.partition(" Remedy: ")
        remedy = remedy.rstrip(".") or "look at `docker info`"
        return (Finding("engine-reachable", Verdict.FAIL, subject, found.rstrip("."), wanted, remedy),)
    found = f"Engine {engine.version} (API {engine.api_version}) at {engine.host}"
    return (Finding("engine-reachable", Verdict.PASS, subject, found, wanted),)


def check_engine_storage(engine: EngineFacts) -> tuple[Finding, ...]:
    """The storage driver shares layers; vfs copies an image whole for every container."""
    good = engine.storage_driver in _LAYERED
    remedy = "" if good else 'set "storage-driver": "overlay2" in /etc/docker/daemon.json and restart Docker'
    verdict = Verdict.PASS if good else Verdict.WARN
    return (Finding("engine-storage", verdict, "storage driver", engine.storage_driver, "overlay2", remedy),)
