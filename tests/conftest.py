"""A real Docker Engine for the tests: the one that answers, else the private one, stopped again if it was started here."""

from __future__ import annotations

import http.client
import os
import shutil
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from opskit.engine.client import answers, connect
from opskit.errors import EngineUnavailableError
from opskit.rehearsal.daemon import Place
from opskit.rehearsal.engine import RehearsalEngine, ensure_engine, stop_engine
from opskit.rehearsal.images import ensure_images
from tests.checkout import Checkout, make_checkout
from tests.registry_server import Registry, build_program

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

settings.register_profile("opskit", deadline=None)  # no test is about how quick the machine is
settings.load_profile("opskit")
STATE = Path(__file__).resolve().parents[1] / ".opskit"
BOXES = pytest.StashKey[list[Any]]()
MARK = {"opskit.test": "true"}


@pytest.fixture(scope="session")
def rehearsal_engine() -> Iterator[RehearsalEngine]:
    was_there = answers(Place((STATE / "engine").resolve()).host)
    try:
        found = ensure_engine(STATE, say=print)
    except EngineUnavailableError as error:
        if os.environ.get("OPSKIT_REQUIRE_ENGINE"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    yield found
    if found.private and not was_there:
        stop_engine(STATE, grace_s=20)


@pytest.fixture(scope="session")
def gcc() -> str:
    found = shutil.which("gcc")
    if found is None:
        if os.environ.get("OPSKIT_REQUIRE_ENGINE"):
            pytest.fail("gcc is not on PATH; apt-get install gcc libc6-dev")
        pytest.skip("gcc is not on PATH: the stand-in for NVML cannot be compiled; apt-get install gcc libc6-dev")
    return found


@pytest.fixture
def registry() -> Iterator[Registry]:
    made = Registry()
    yield made
    made.close()


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory, gcc: str) -> bytes:
    """A static program, for an image of the registry."""
    return build_program(gcc, tmp_path_factory.mktemp("program"))


@pytest.fixture(scope="session")
def engine_host(rehearsal_engine: RehearsalEngine) -> str:
    return rehearsal_engine.host


@pytest.fixture(scope="session")
def engine(engine_host: str) -> Iterator[DockerClient]:
    client = connect(engine_host)
    yield client
    client.close()


@pytest.fixture(scope="session")
def image_of(engine: DockerClient) -> Callable[[str], str]:
    """The rehearsal's image of a service."""
    return lambda service: ensure_images(engine, [service], cache=STATE / "cache", say=print)[service]


@pytest.fixture(scope="session")
def busybox(image_of: Callable[[str], str]) -> str:
    """An image with sh, sleep and the like, and no entrypoint."""
    return image_of("nginx")


def name() -> str:
    return f"opskit-test-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def undo() -> Iterator[ExitStack]:
    """Removes what a test made, the last first: containers before their volumes and networks."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def start(engine: DockerClient, undo: ExitStack, request: pytest.FixtureRequest) -> Callable[..., Container]:
    """Start a container, its ports published at random on 127.0.0.1."""
    boxes: list[Container] = request.node.stash.setdefault(BOXES, [])

    def run(image: str, command: list[str] | None = None, *, ports: tuple[int, ...] = (), **more: object) -> Container:
        published = {f"{port}/tcp": ("127.0.0.1", None) for port in ports}
        more = {"name": name(), "labels": MARK, "security_opt": ["no-new-privileges:true"], "ports": published, **more}
        box: Container = engine.containers.create(image, command, **more)  # type: ignore[arg-type]
        boxes.append(box)
        undo.callback(box.remove, force=True, v=True)
        box.start()
        return box

    return run


@pytest.fixture
def volume(engine: DockerClient, undo: ExitStack) -> str:
    made = engine.volumes.create(name(), labels=MARK)
    undo.callback(made.remove)
    return str(made.name)


@pytest.fixture
def network(engine: DockerClient, undo: ExitStack) -> str:
    made = engine.networks.create(name(), labels=MARK)
    undo.callback(made.remove)
    return str(made.name)


@pytest.fixture(scope="session")
def until() -> Callable[..., None]:
    """Wait until a look finds something; a failure at the deadline."""

    def wait(look: Callable[[], object], deadline_s: float = 20.0) -> None:
        end = time.monotonic() + deadline_s
        while not look():
            if time.monotonic() > end:
                pytest.fail(f"not so within {deadline_s:g} s")
            time.sleep(0.05)

    return wait


@pytest.fixture(scope="session")
def ask(until: Callable[..., None]) -> Callable[..., tuple[int, str, str]]:
    """Ask a published port by HTTP, once it is open; returns status, the X-Opskit header and the body."""

    def ask(
        box: Container, port: int, path: str, method: str = "GET", *, body: str | None = None, key: str | None = None
    ) -> tuple[int, str, str]:
        box.reload()
        published = int((box.ports[f"{port}/tcp"] or [])[0]["HostPort"])
        answer: list[tuple[int, str, str]] = []
        headers = {"Authorization": f"Bearer {key}"} if key else {}

        def once() -> bool:
            link = http.client.HTTPConnection("127.0.0.1", published, timeout=5)
            try:
                link.request(method, path, body, headers)
                reply = link.getresponse()
                answer.append((reply.status, reply.getheader("X-Opskit", ""), reply.read().decode()))
            except (OSError, http.client.HTTPException):
                return False
            finally:
                link.close()
            return True

        until(once)
        return answer[0]

    return ask


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the logs of a failed test's containers."""
    report = yield
    if report.when == "call" and report.failed:
        for box in item.stash.get(BOXES, []):
            report.sections.append((f"logs of {box.name}, {box.image}", box.logs(tail=40).decode(errors="replace")))
    return report


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, engine: DockerClient, engine_host: str) -> Iterator[Checkout]:
    """A copy with a project, ports and records of its own."""
    yield from make_checkout(tmp_path_factory.mktemp("checkout"), engine, engine_host)
