"""A Docker Engine for a rehearsal: the one that answers, else a private one under the project's state folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
from filelock import FileLock

from opskit import process
from opskit.engine.client import answers, resolve_host
from opskit.errors import EngineUnavailableError

_START_S = 60.0
_LONGEST_SOCKET = 107
"""Bytes a Unix socket's path may have (sun_path, less its final zero)."""

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
class _Place:
    """Where the private engine lives; its socket moves to /run where the state folder's path is too long for one."""

    root: Path

    @property
    def socket(self) -> Path:
        near = self.root / "docker.sock"
        if len(str(near).encode()) <= _LONGEST_SOCKET:
            return near
        return Path("/run") / f"opskit-{hashlib.sha256(str(self.root).encode()).hexdigest()[:12]}.sock"

    @property
    def host(self) -> str:
        return f"unix://{self.socket}"

    @property
    def pid_file(self) -> Path:
        return self.root / "docker.pid"

    @property
    def log(self) -> Path:
        return self.root / "dockerd.log"


def ensure_engine(state: Path, *, say: Callable[[str], None]) -> RehearsalEngine:
    """Find an Engine that answers, or start a private one; installs docker.io where there is no daemon to start.

    Args:
        state: the private engine lives in `state/engine`, and outlives this process.
        say: told each step that takes time.

    Raises:
        EngineUnavailableError: none answers and none can be started here; the message says what to install.
    """
    place = _Place((state / "engine").resolve())
    place.root.mkdir(parents=True, exist_ok=True)
    with FileLock(place.root / "lock", timeout=600):
        usual = resolve_host(None)
        if usual != place.host and answers(usual):
            return RehearsalEngine(usual, private=False)
        if not answers(place.host):
            _install(say)
            _start(place, say)
        return RehearsalEngine(place.host, private=True)


def stop_engine(state: Path, *, grace_s: float) -> bool:
    """Stop the private engine and nothing else. Returns whether there was one; its containers end with it."""
    place = _Place((state / "engine").resolve())
    daemon = _daemon(place)
    if daemon is None:
        return False
    daemon.terminate()
    try:
        daemon.wait(grace_s)
    except psutil.TimeoutExpired:
        daemon.kill()
        daemon.wait(5)
    return True


def _daemon(place: _Place) -> psutil.Process | None:
    """The private daemon's process; the pid file alone is no proof, a pid is used again."""
    try:
        daemon = psutil.Process(int(place.pid_file.read_text()))
        return daemon if str(place.pid_file) in " ".join(daemon.cmdline()) else None
    except (OSError, ValueError, psutil.Error):
        return None


def _install(say: Callable[[str], None]) -> None:
    packages = [
        package for program, package in (("dockerd", "docker.io"), ("iptables", "iptables")) if not _which(program)
    ]
    if packages:
        install_packages(packages, say)


def install_packages(packages: list[str], say: Callable[[str], None]) -> None:
    """Install Debian packages, as root.

    Raises:
        EngineUnavailableError: not root, no apt-get, or apt-get failed; the message says what to install.
    """
    command = f"apt-get install {' '.join(packages)}"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise EngineUnavailableError(
            f"rehearsal: found no Docker Engine that answers, and {' and '.join(packages)} may not be installed from "
            f"here (root on Debian or Ubuntu may). Remedy: `sudo {command}`, and for an Engine of your own `sudo "
            "systemctl start docker`; then try again."
        )
    say(f"installing {', '.join(packages)}")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    process.run(("apt-get", "update", "-qq"), timeout_s=300, env=quiet)
    words = ("apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages)
    done = process.run(words, timeout_s=900, env=quiet)
    if done.rc != 0:
        raise EngineUnavailableError(f"rehearsal: `{command}` failed: {' '.join(done.stderr.split()[-60:])}")


def _start(place: _Place, say: Callable[[str], None]) -> None:
    if os.geteuid() != 0:
        raise EngineUnavailableError(
            "rehearsal: no Docker Engine answers, and only root may start a private one. Remedy: `sudo systemctl start "
            "docker`, or run this as root."
        )
    say("starting a private Docker Engine")
    hooks = place.root / "bin"
    hooks.mkdir(exist_ok=True)
    hook = hooks / "nvidia-container-runtime-hook"
    hook.write_text(_HOOK)
    hook.chmod(0o755)
    config = place.root / "daemon.json"
    config.write_text("{}\n")  # the machine's own /etc/docker/daemon.json is for another daemon
    place.pid_file.unlink(missing_ok=True)
    words = (
        _which("dockerd") or "dockerd",
        f"--data-root={place.root / 'data'}",
        f"--exec-root={place.root / 'exec'}",
        f"--pidfile={place.pid_file}",
        f"--host={place.host}",
        f"--config-file={config}",
    )
    path = f"{hooks}:{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/usr/bin:/bin"
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


def _which(program: str) -> str | None:
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
