"""A Docker Engine for a rehearsal: the one that answers, else a private one under the project's state folder."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from opskit.engine.client import answers, connect, resolve_host
from opskit.errors import EngineUnavailableError
from opskit.files import make_folder
from opskit.rehearsal.daemon import Place, read_processes, start_daemon, stop_daemon
from opskit.rehearsal.packages import install_packages, missing_packages

if TYPE_CHECKING:
    from docker import DockerClient

_PROGRAMS = {"dockerd": "docker.io", "iptables": "iptables"}


@dataclass(frozen=True, slots=True)
class RehearsalEngine:
    """An Engine that answers. `private` means that it is ours, and takes GPU reservations unchanged."""

    host: str
    private: bool


def ensure_engine(state: Path, *, say: Callable[[str], None]) -> RehearsalEngine:
    """Find an Engine that answers, or start a private one; installs docker.io where there is no daemon to start.

    Args:
        state: the private engine lives in `state/engine`, and outlives this process.
        say: told each step that takes time.

    Raises:
        EngineUnavailableError: none answers and none can be started here; the message says what to install.
    """
    place = Place((state / "engine").resolve())
    with _locked(place):
        usual = resolve_host(None)
        if usual != place.host and answers(usual):
            return RehearsalEngine(usual, private=False)
        if not answers(place.host):
            missing = missing_packages(_PROGRAMS)
            if missing:
                install_packages(missing, say)
                if usual != place.host and answers(usual):  # where there is systemd, the package starts its daemon
                    return RehearsalEngine(usual, private=False)
            if os.geteuid() != 0:
                raise EngineUnavailableError(
                    "rehearsal: only root may start a private Docker Engine, and no other answers. " + _why_not(usual)
                )
            start_daemon(place, say)
        return RehearsalEngine(place.host, private=True)


def find_engine(state: Path) -> RehearsalEngine | None:
    """The Engine that answers: the machine's own, else the private one; None where neither does. Starts nothing."""
    place = Place((state / "engine").resolve())
    usual = resolve_host(None)
    if usual != place.host and answers(usual):
        return RehearsalEngine(usual, private=False)
    return RehearsalEngine(place.host, private=True) if answers(place.host) else None


def open_engine(state: Path, *, rehearse: bool) -> DockerClient:
    """Connect to the Engine a look is at, a rehearsal's or the usual one.

    Raises:
        EngineUnavailableError: it does not answer.
    """
    engine = find_engine(state) if rehearse else None
    return connect(resolve_host(engine.host if engine else None))


def stop_engine(state: Path, *, grace_s: float) -> bool:
    """Stop the private engine and nothing else; its containers end with it, its data stays.

    Args:
        state: as given to `ensure_engine`.
        grace_s: the daemon gives containers 15 s to end; after `grace_s` everything of it is killed.

    Returns:
        Whether there was one.

    Raises:
        EngineUnavailableError: it is root's, and this process is not root's.
    """
    place = Place((state / "engine").resolve())
    if not read_processes(place):
        return False
    if os.geteuid() != 0:
        raise EngineUnavailableError(
            "rehearsal: only root may stop the private Docker Engine. Remedy: run this as root."
        )
    with _locked(place):
        return stop_daemon(place, grace_s=grace_s)


@contextlib.contextmanager
def _locked(place: Place) -> Iterator[None]:
    lock = place.root / "lock"
    try:
        make_folder(place.root)
        held = FileLock(lock, timeout=600, mode=0o666).acquire()
    except OSError as error:
        raise EngineUnavailableError(
            f"rehearsal: {lock}: {error.strerror or error}; wanted a folder that this user may write to",
            "`ls -ld .opskit .opskit/engine`; a checkout of several users is its group's and setgid: README.md",
        ) from None
    with held:
        yield


def _why_not(host: str) -> str:
    try:
        connect(host).close()
    except EngineUnavailableError as error:
        return str(error)
    return "Try again."
