"""A Docker Engine for a rehearsal: the one that answers, else a private one under the project's state folder."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
from filelock import FileLock

from opskit import process
from opskit.engine.client import answers, connect, resolve_host
from opskit.errors import EngineUnavailableError
from opskit.rehearsal.packages import find_program, install_packages, missing_packages

_START_S = 60.0
_LONGEST_SOCKET = 107
"""Bytes a Unix socket's path may have (sun_path, less its final zero)."""

_PROGRAMS = {"dockerd": "docker.io", "iptables": "iptables"}
_HOOK = """#!/bin/sh
# Does nothing: with it on the daemon's PATH, Engine 20.10 accepts `driver: nvidia` on a machine without GPUs.
exit 0
"""


@dataclass(frozen=True, slots=True)
class RehearsalEngine:
    """An Engine that answers. `private` means that it is ours, and takes GPU reservations unchanged."""

    host: str
    private: bool


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


def ensure_engine(state: Path, *, say: Callable[[str], None]) -> RehearsalEngine:
    """Find an Engine that answers, or start a private one; installs docker.io where there is no daemon to start.

    Args:
        state: the private engine lives in `state/engine`, and outlives this process.
        say: told each step that takes time.

    Raises:
        EngineUnavailableError: none answers and none can be started here; the message says what to install.
    """
    place = Place((state / "engine").resolve())
    place.root.mkdir(parents=True, exist_ok=True)
    with FileLock(place.root / "lock", timeout=600):
        usual = resolve_host(None)
        if usual != place.host and answers(usual):
            return RehearsalEngine(usual, private=False)
        if not answers(place.host):
            missing = missing_packages(_PROGRAMS)
            if missing:
                install_packages(missing, say)
                if usual != place.host and answers(usual):  # where there is systemd, the package starts its daemon
                    return RehearsalEngine(usual, private=False)
            _start(place, usual, say)
        return RehearsalEngine(place.host, private=True)


def find_engine(state: Path) -> RehearsalEngine | None:
    """The Engine that answers: the machine's own, else the private one; None where neither does. Starts nothing."""
    place = Place((state / "engine").resolve())
    usual = resolve_host(None)
    if usual != place.host and answers(usual):
        return RehearsalEngine(usual, private=False)
    return RehearsalEngine(place.host, private=True) if answers(place.host) else None


def stop_engine(state: Path, *, grace_s: float) -> bool:
    """Stop the private engine and nothing else; its containers end with it, its data stays.

    Args:
        state: as given to `ensure_engine`.
        grace_s: the daemon gives containers 15 s to end; after `grace_s` everything of it is killed.

    Returns:
        Whether there was one.
    """
    place = Place((state / "engine").resolve())
    if not place.root.is_dir():
        return False
    with FileLock(place.root / "lock", timeout=600):
        return _stop(place, grace_s)


def _stop(place: Place, grace_s: float) -> bool:
    ours = _processes(place)
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
    return bool(ours)


def _processes(place: Place) -> list[psutil.Process]:
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
    except OSError:  # it ended just now, or is another user's
        return False


def _start(place: Place, usual: str, say: Callable[[str], None]) -> None:
    if os.geteuid() != 0:
        raise EngineUnavailableError(
            f"rehearsal: only root may start a private Docker Engine, and no other answers. {_why_not(usual)}"
        )
    _stop(place, grace_s=5.0)  # one that hangs, or whose folder was deleted under it
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
    pid_file.unlink(missing_ok=True)
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
            last = "\n  ".join(place.log.read_text(errors="replace").splitlines()[-8:])
            raise EngineUnavailableError(
                f"rehearsal: the private Docker Engine did not come up. Its log, {place.log}, ends:\n  {last}\n"
                "Remedy: mend what it says, or start an Engine of your own (`systemctl start docker`)."
            )
        time.sleep(0.1)


def _why_not(host: str) -> str:
    try:
        connect(host).close()
    except EngineUnavailableError as error:
        return str(error)
    return "Try again."
