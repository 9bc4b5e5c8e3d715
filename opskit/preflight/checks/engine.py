"""Checks of the Docker Engine; pure."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from opskit.preflight.finding import Finding, Verdict
from opskit.unknown import Unknown

if TYPE_CHECKING:
    from opskit.compose.model import Stack
    from opskit.engine.facts import EngineFacts
    from opskit.host.model import Daemon


_OLDEST_API, _GOOD_API = (1, 40), (1, 44)
"""Engine 19.03 and 25.0."""
_SKEW_S = 5.0
_NANO = re.compile(r"\.(\d{1,6})\d*")
"""The fraction of a second: the Engine says up to nine digits of it, and leaves zeros out at its end."""
_LAYERED = frozenset({"overlay2", "overlayfs", "btrfs", "zfs", "fuse-overlayfs"})
"""Storage drivers that share layers; `overlayfs` is the containerd image store's word."""


def check_engine_reachable(engine: EngineFacts | Unknown) -> tuple[Finding, ...]:
    """The Engine answers, and permits this user."""
    subject, wanted = "Docker Engine", "an Engine that answers this user"
    if isinstance(engine, Unknown):
        return (Finding("engine-reachable", Verdict.FAIL, subject, engine.reason, wanted, engine.remedy),)
    found = f"Engine {engine.version} (API {engine.api_version}) at {engine.host}"
    return (Finding("engine-reachable", Verdict.PASS, subject, found, wanted),)


def check_engine_version(engine: EngineFacts) -> tuple[Finding, ...]:
    """The Engine is new enough; below 25.0 there is no start_interval, and its own prunes take named volumes (< 23)."""
    wanted = f"API {'.'.join(map(str, _GOOD_API))} (Engine 25.0) or newer"
    found = f"Engine {engine.version} (API {engine.api_version})"
    version = tuple(int(part) for part in engine.api_version.split(".") if part.isdigit())
    if version >= _GOOD_API:
        return (Finding("engine-version", Verdict.PASS, "Docker Engine", found, wanted),)
    verdict = Verdict.WARN if version >= _OLDEST_API else Verdict.FAIL
    remedy = "upgrade the Engine (docker-ce of docker.com); until then run no `docker volume prune` beside this"
    return (Finding("engine-version", verdict, "Docker Engine", found, wanted, remedy),)


def check_engine_security(engine: EngineFacts, stack: Stack) -> tuple[Finding, ...]:
    """Containers may read what is mounted: SELinux refuses a folder of the host that is not labelled for them."""
    binds = sum(mount.kind == "bind" for service in stack.services for mount in service.mounts)
    if not any("selinux" in word for word in engine.security) or not binds:
        said = ", ".join(engine.security) or "none"
        return (Finding("engine-security", Verdict.PASS, "security modules", said, "files that containers may read"),)
    found = f"SELinux, and {binds} bind mounts without a label"
    remedy = "`sudo chcon -Rt container_file_t configs sql models`"
    wanted = "files labelled container_file_t"
    return (Finding("engine-security", Verdict.WARN, "security modules", found, wanted, remedy),)


def check_engine_cgroup(engine: EngineFacts) -> tuple[Finding, ...]:
    """The host has version 2 of control groups: systemd and kernels are giving version 1 up."""
    wanted = "cgroup v2"
    if engine.cgroup_version != "1":
        return (Finding("engine-cgroup", Verdict.PASS, "control groups", f"v{engine.cgroup_version or '?'}", wanted),)
    remedy = "boot with systemd.unified_cgroup_hierarchy=1 on the kernel's command line"
    return (Finding("engine-cgroup", Verdict.WARN, "control groups", "v1", wanted, remedy),)


_FILES = {"elasticsearch": 65535, "opensearch": 65535, "redis": 10032, "valkey": 10032}
"""Open files that programs demand. Source: Elasticsearch's bootstrap checks; Redis' maxclients and 32 of its own."""


def check_engine_files(stack: Stack, daemon: Daemon | None) -> tuple[Finding, ...]:
    """Containers may have as many files open as the programs in them demand; they get the Engine's own limit."""
    if daemon is None or daemon.open_files is None:
        return ()
    needs = {
        service.name: need
        for service in stack.services
        for word, need in _FILES.items()
        if (service.image or "").partition(":")[0].endswith(word) and "nofile" not in (service.raw.get("ulimits") or ())
    }
    remedy = "`sudo systemctl edit docker`, add [Service] LimitNOFILE=1048576, and restart Docker"
    found = f"{daemon.open_files} open files"
    return tuple(
        Finding("engine-files", Verdict.PASS, name, found, f"{need} or more")
        if daemon.open_files >= need
        else Finding("engine-files", Verdict.WARN, name, found, f"{need} or more", remedy)
        for name, need in needs.items()
    )


def check_engine_storage(engine: EngineFacts) -> tuple[Finding, ...]:
    """The storage driver shares layers; vfs copies an image whole for every container."""
    good = engine.storage_driver in _LAYERED
    remedy = "" if good else 'set "storage-driver": "overlay2" in /etc/docker/daemon.json and restart Docker'
    verdict = Verdict.PASS if good else Verdict.WARN
    return (Finding("engine-storage", verdict, "storage driver", engine.storage_driver, "overlay2", remedy),)


def check_engine_local(engine: EngineFacts) -> tuple[Finding, ...]:
    """The Engine is on this machine: checks of disk, memory, ports and files else look at the wrong one."""
    wanted = "an Engine on this machine (unix://)"
    if engine.local:
        return (Finding("engine-local", Verdict.PASS, "Docker Engine", engine.host, wanted),)
    remedy = "run opskit on that machine; bind mounts and the checks of disk, memory, ports and files mean this one"
    return (Finding("engine-local", Verdict.WARN, "Docker Engine", engine.host, wanted, remedy),)


def check_engine_clock(engine: EngineFacts, now_s: float) -> tuple[Finding, ...]:
    """The Engine's clock agrees with this machine's: certificates, tokens and log times depend on it.

    Args:
        engine: its `time`, with Z or the offset of its own time zone; None where it does not say.
        now_s: seconds since the epoch, here, when it was asked.
    """
    wanted = f"within {_SKEW_S:g} s of this machine's"
    if engine.time is None:
        return (Finding("engine-clock", Verdict.SKIP, "clock", "the Engine does not say", wanted, required=False),)
    there = datetime.fromisoformat(_NANO.sub(lambda found: f".{found[1]:0<6}", engine.time))
    skew = abs(there.timestamp() - now_s)
    good = skew <= _SKEW_S
    remedy = "" if good else "`sudo timedatectl set-ntp true` on both machines"
    verdict = Verdict.PASS if good else Verdict.WARN
    return (Finding("engine-clock", verdict, "clock", f"{skew:.1f} s apart", wanted, remedy),)


def check_launch_free(lock: str, project: str, upgraded_from: str, env: str) -> tuple[Finding, ...]:
    """Nobody else launches this project just now, two at once leave two networks of one name; no upgrade was left half.

    Args:
        lock: who does, in words; empty where nobody does.
        project: its name.
        upgraded_from: the release that ran before an upgrade that has not ended; empty where there is none.
        env: names the environment in a command.
    """
    wanted = "one launch at a time"
    if not lock and upgraded_from:
        found, back = f"an upgrade from release {upgraded_from} was interrupted", f"`opskit rollback {env}` goes back"
        remedy = f"{back}, `opskit upgrade {env}` goes on, both with `-p confirm {project}`; so does a start"
        return (Finding("launch-free", Verdict.WARN, project, found, wanted, remedy),)
    if not lock:
        return (Finding("launch-free", Verdict.PASS, project, "none in progress", wanted),)
    remedy = "wait for its end, or end that process"
    return (Finding("launch-free", Verdict.FAIL, project, f"one in progress: {lock}", wanted, remedy),)
