"""The private Docker Engine's daemon: where it lives, starting it, and ending it with all that is under it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from opskit import process
from opskit.engine.client import answers
from opskit.errors import EngineUnavailableError
from opskit.rehearsal.packages import find_program

_START_S = 60.0
_LONGEST_SOCKET = 107
"""Bytes a Unix socket's path may have (sun_path, less its final zero)."""

_HOOK = """#!/bin/sh
# Does nothing: with it on the daemon's PATH, Engine 20.10 accepts `driver: nvidia` on a machine without GPUs.
exit 0
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the private engine lives; its sockets move to /run where the state folder's path is too long for them."""

    root: Path

    @property
    def run(self) -> Path:
        """The folder of the sockets, the Engine's own and those of its containerd."""
        longest = self.root / "exec/containerd/containerd.sock.ttrpc"
        if len(os.fsencode(longest)) <= _LONGEST_SOCKET:
            return self.root
        return Path("/run") / f"opskit-{hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]}"

    @property
    def host(self) -> str:
        """The Engine's address."""
        return f"unix://{self.run / 'docker.sock'}"

    @property
    def log(self) -> Path:
        """What the daemon says."""
        return self.root / "dockerd.log"


def start_daemon(place: Place, say: Callable[[str], None]) -> None:
    """Start the daemon and wait until it answers; it outlives this process. As root, and under a lock.

    Raises:
        EngineUnavailableError: it does not come up; the message ends with its log.
    """
    stop_daemon(place, grace_s=5.0)  # one that hangs, or whose folder was deleted under it
    say("starting a private Docker Engine" + ("" if place.run == place.root else f"; its sockets are in {place.run}"))
    hooks = place.root / "bin"
    for folder in (hooks, place.run):
        folder.mkdir(exist_ok=True)
    hook = hooks / "nvidia-container-runtime-hook"
    hook.write_text(_HOOK)
    hook.chmod(0o755)
    config = place.root / "daemon.json"
    config.write_text("{}\n")  # the machine's own /etc/docker/daemon.json is for another daemon
    pid_file = place.root / "docker.pid"
    # A daemon that was killed leaves both behind, and a pid is used again (or is a zombie's): dockerd would trust them.
    for stale in (pid_file, place.run / "exec/containerd/containerd.pid"):
        stale.unlink(missing_ok=True)
    words = (
        find_program("dockerd") or "dockerd",
        f"--data-root={place.root / 'data'}",
        f"--exec-root={place.run / 'exec'}",
        f"--pidfile={pid_file}",
        f"--host={place.host}",
        f"--config-file={config}",
    )
    path = f"{hooks}:{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/usr/bin:/bin"
    place.log.unlink(missing_ok=True)
    pid = process.spawn_daemon(words, log=place.log, env={"PATH": path, "DOCKER_HOST": None})
    deadline = time.monotonic() + _START_S
    while not answers(place.host):
        if time.monotonic() > deadline or not psutil.pid_exists(pid):
            stop_daemon(place, grace_s=5.0)
            last = "\n  ".join(place.log.read_text(errors="replace").splitlines()[-8:])
            raise EngineUnavailableError(
                f"rehearsal: the private Docker Engine did not come up. Its log, {place.log}, ends:\n  {last}\n"
                "Remedy: fix what it says, or start an Engine of your own (`systemctl start docker`)."
            )
        time.sleep(0.1)


def stop_daemon(place: Place, *, grace_s: float) -> bool:
    """End the daemon and everything under it, and unmount its folders. Returns whether there was one."""
    ours = read_processes(place)
    daemons = [one for one in ours if one.info["name"] == "dockerd"]
    for daemon in daemons:
        with contextlib.suppress(psutil.NoSuchProcess):
            daemon.terminate()
    _, left = psutil.wait_procs(ours, timeout=grace_s if daemons else 0)
    # A daemon that does not end in time leaves its containerd, the shims and what runs under them.
    for one in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in [*one.children(recursive=True), one]:
                child.kill()
    psutil.wait_procs(left, timeout=5)
    # What was killed unmounts nothing, and a folder with a mount in it cannot be deleted. A disk mounted there stays.
    for part in sorted(psutil.disk_partitions(all=True), key=lambda part: part.mountpoint, reverse=True):
        if part.mountpoint.startswith((f"{place.root}/", f"{place.run}/")) and not _is_disk(part.mountpoint, place):
            process.run(("umount", part.mountpoint), timeout_s=10)
    if place.run != place.root:
        shutil.rmtree(place.run, ignore_errors=True)  # sockets only
    return bool(ours)


def _is_disk(mount: str, place: Place) -> bool:
    """Whether another disk is mounted at the data root; the daemon mounts it onto itself, on the same disk."""
    return Path(mount) == place.root / "data" and Path(mount).stat().st_dev != place.root.stat().st_dev


def read_processes(place: Place) -> list[psutil.Process]:
    """The private engine's own processes, told by their command line: a pid file outlives its pid, or is lost."""
    found = []
    for one in psutil.process_iter(["name", "cmdline"]):
        if one.info["name"].startswith(("dockerd", "containerd")):
            words = [f"{word.removeprefix('--exec-root=')}/" for word in one.info["cmdline"] or ()]
            if any(word.startswith(f"{place.run}/exec/") for word in words) and _is_near(one.pid):
                found.append(one)
    return found


def _is_near(pid: int) -> bool:
    """Whether a process is in our own pid namespace: an engine inside some container may have the same paths."""
    try:
        return Path(f"/proc/{pid}/ns/pid").readlink() == Path("/proc/self/ns/pid").readlink()
    except PermissionError:  # root's, seen by another user
        return True
    except OSError:  # it ended just now
        return False
