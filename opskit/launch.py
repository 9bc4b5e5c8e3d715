"""Launches any Compose project and says what came of it."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from opskit.compose.client import Project, find_compose
from opskit.compose.faults import Failure
from opskit.compose.model import Stack
from opskit.engine.client import connect, read_id, resolve_host
from opskit.errors import ComposeMissingError, EngineUnavailableError, LockHeldError, OpskitError
from opskit.health.diagnosis import cancelled
from opskit.health.images import STALL_S
from opskit.health.outcome import LaunchEvent, Outcome, Sink
from opskit.health.waiting import launch
from opskit.lock import hold_project

_KINDS: dict[type[OpskitError], str] = {
    EngineUnavailableError: "engine_unreachable",
    ComposeMissingError: "compose_missing",
    LockHeldError: "launch_in_progress",
}


def _drop(_: LaunchEvent) -> None:
    """Nobody listens."""


def launch_project(
    files: Sequence[str | Path] | str | Path,
    project: str,
    *,
    deadline_s: float = 600.0,
    stall_s: float = STALL_S,
    wait_lock_s: float = 0.0,
    env_file: str | Path | None = None,
    environ: Mapping[str, str] | None = None,
    engine_host: str | None = None,
    on_event: Sink = _drop,
) -> Outcome:
    """Bring any Compose project up, wait until it is truly ready, and return what came of it.

    Ready means: healthy where there is a health check; else running for `opskit.stable_s` seconds (label, 4 by
    default) without a death; a one-shot ended with 0. A crash loop, an unhealthy service, an out-of-memory kill or a
    failed one-shot ends the wait at once.

    Args:
        files: Compose files in the order they are merged; one path is enough.
        project: the Compose project name.
        deadline_s: seconds until a service that is not ready is called late, counted from when its images are there.
        stall_s: seconds without a byte after which the pull of an image is given up.
        wait_lock_s: seconds to wait for another launch of the project that is in progress.
        env_file: passed as `--env-file`; None leaves Compose its own rule (`.env` beside the first file).
        environ: variables for interpolation; they win over the env file.
        engine_host: such as `unix:///run/docker.sock`; None takes DOCKER_HOST or the current Docker context.
        on_event: called with every event of the launch, from this thread.

    Returns:
        The outcome; faults of the project, the Engine or Compose are its `failures`, nothing is raised for them.
    """
    paths = (files,) if isinstance(files, str | Path) else tuple(files)
    try:
        with _terminated_as_interrupted():
            host = resolve_host(engine_host)
            resolved = Project(
                compose=find_compose(),
                name=project,
                files=tuple(Path(file) for file in paths),
                env_file=Path(env_file) if env_file is not None else None,
                environ=dict(environ or {}),
                engine_host=host,
            )
            client = connect(host)
            with contextlib.closing(client), hold_project(project, engine=read_id(client), wait_s=wait_lock_s):
                stack = resolved.read_stack()
                if isinstance(stack, Failure):
                    return failed(project, stack)
                if unread := _refused_labels(stack):
                    return failed(project, *unread)
                return launch(resolved, stack, client, deadline_s=deadline_s, stall_s=stall_s, sink=on_event)
    except KeyboardInterrupt:
        return failed(project, cancelled(project))
    except tuple(_KINDS) as error:
        kind = next(kind for raised, kind in _KINDS.items() if isinstance(error, raised))
        return failed(project, Failure(kind, None, str(error), (), "see the message"))


@contextlib.contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM ends the launch as Ctrl-C does, where the caller has no handler of its own."""
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _refused_labels(stack: Stack) -> tuple[Failure, ...]:
    return tuple(
        Failure("bad_label", service.name, f"services/{service.name}/labels/{name}: found {value!r}; wanted {wanted}",
                (), "correct the label, or remove it")
        for service in stack.services
        for name, value, wanted in service.labels.faults
    )  # fmt: skip


def failed(project: str, *failures: Failure) -> Outcome:
    """The outcome of a launch that ended before it began."""
    return Outcome(ok=False, project=project, failures=failures, services=(), seconds=0.0)
