"""Checks of the Docker Engine; pure."""

from __future__ import annotations

from datetime import datetime
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


_SKEW_S = 5.0
_FRACTION = 26
"""Characters of an ISO 8601 time up to microseconds; the Engine says nanoseconds."""


def check_engine_local(host: str) -> tuple[Finding, ...]:
    """The Engine is on this machine: checks of disk, memory, ports and files else look at the wrong one."""
    wanted = "an Engine on this machine (unix://)"
    if host.startswith("unix://"):
        return (Finding("engine-local", Verdict.PASS, "Docker Engine", host, wanted),)
    remedy = "run opskit on that machine; bind mounts and the checks of disk, memory, ports and files mean this one"
    return (Finding("engine-local", Verdict.WARN, "Docker Engine", host, wanted, remedy),)


def check_engine_clock(time: str | None, now_s: float) -> tuple[Finding, ...]:
    """The Engine's clock agrees with this machine's: certificates, tokens and log times depend on it.

    Args:
        time: as the Engine says it, ISO 8601 with Z; None where it does not.
        now_s: seconds since the epoch, here, when it was asked.
    """
    wanted = f"within {_SKEW_S:g} s of this machine's"
    if time is None:
        return (Finding("engine-clock", Verdict.SKIP, "clock", "the Engine does not say", wanted, required=False),)
    there = datetime.fromisoformat(f"{time.rstrip('Z')[:_FRACTION].rstrip('.')}+00:00")
    skew = abs(there.timestamp() - now_s)
    good = skew <= _SKEW_S
    remedy = "" if good else "`sudo timedatectl set-ntp true` on both machines"
    verdict = Verdict.PASS if good else Verdict.WARN
    return (Finding("engine-clock", verdict, "clock", f"{skew:.1f} s apart", wanted, remedy),)
