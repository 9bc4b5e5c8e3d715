"""First launches whose images come slowly, not at all, or only when asked again; the registry is on this machine."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from opskit.compose.model import parse_stack
from opskit.compose.progress import ComposeEvent
from opskit.health.images import bring_images
from opskit.health.outcome import LaunchEvent, Outcome, PullProgress
from opskit.launch import launch_project
from tests.checkout import remove_project
from tests.registry_server import Registry, Reply, error, paced

if TYPE_CHECKING:
    from docker import DockerClient

pytestmark = pytest.mark.engine
Launch = Callable[..., tuple[Outcome, list[LaunchEvent]]]


@pytest.fixture
def launch(tmp_path: Path, engine: DockerClient, engine_host: str) -> Iterator[Launch]:
    name = f"opskit-test-{uuid.uuid4().hex[:8]}"
    images = []

    def run(image: str, **more: float) -> tuple[Outcome, list[LaunchEvent]]:
        images.append(image)
        file, events = tmp_path / "compose.yml", list[LaunchEvent]()
        file.write_text(f"services:\n  a: {{image: '{image}', stop_grace_period: 0s}}\n")
        return launch_project(file, name, engine_host=engine_host, on_event=events.append, **more), events  # type: ignore[arg-type]

    yield run
    remove_project(engine, name)
    for image in engine.images.list():
        if set(image.tags) & set(images):
            engine.images.remove(str(image.id), force=True)


def test_a_slow_pull_takes_nothing_of_the_deadline_and_tells_how_far_it_is(
    launch: Launch, registry: Registry, program: bytes
) -> None:
    image = registry.serve_program(program, padding=4_000_000, pace=paced(20, 0.4))
    outcome, events = launch(image, deadline_s=6)
    assert outcome.ok, outcome
    assert outcome.pull_seconds > 6
    pulls = [event for event in events if isinstance(event, PullProgress)]
    assert [p.got for p in pulls] == sorted(p.got for p in pulls)
    assert len({p.got for p in pulls}) >= 4
    assert pulls[-1].ready == pulls[-1].images == 1
    assert any(p.whole > 4_000_000 and p.rate and "s left" in str(p) for p in pulls)
    first = next(number for number, event in enumerate(events) if isinstance(event, ComposeEvent))
    assert first > events.index(pulls[-1]), "nothing is created before its image is there"


def test_a_pull_that_stalls_is_given_up_with_what_it_had(launch: Launch, registry: Registry, program: bytes) -> None:
    over = threading.Event()

    def stall(body: bytes) -> Iterator[bytes]:
        yield body[: len(body) // 2]
        over.wait(30)

    image = registry.serve_program(program, padding=4_000_000, pace=stall)
    began = time.monotonic()
    outcome, events = launch(image, stall_s=3)
    over.set()
    assert 3 <= time.monotonic() - began < 15
    (failure,) = outcome.failures
    assert (failure.kind, failure.service) == ("pull_stalled", "a")
    assert image in failure.message
    assert "no byte for 3 s" in failure.message
    assert not [event for event in events if isinstance(event, ComposeEvent)]


def test_a_busy_registry_is_asked_again(launch: Launch, registry: Registry, program: bytes) -> None:
    image = registry.serve_program(program)
    reply, asked = registry.paths["/v2/a/manifests/1"], []

    def busy(_: object) -> Reply:
        asked.append(time.monotonic())
        assert not callable(reply)
        return error(429, "TOOMANYREQUESTS") if len(asked) < 3 else reply

    registry.paths["/v2/a/manifests/1"] = busy
    outcome, events = launch(image)
    assert outcome.ok, outcome
    notes = [event.note for event in events if isinstance(event, PullProgress) and event.note]
    assert "toomanyrequests" in notes[0]
    assert "asked again in 2 s" in notes[0]


def test_a_registry_that_wants_a_login_is_named_at_once(launch: Launch, registry: Registry) -> None:
    outcome, _ = launch(registry.serve(error(401, "UNAUTHORIZED")))
    (failure,) = outcome.failures
    assert (failure.kind, failure.service) == ("registry_auth", "a")
    assert "docker login" in failure.remedy
    assert "tries" not in failure.message, "no other try gets past a login"


def test_a_registry_that_keeps_failing_is_given_up_after_its_tries(engine: DockerClient, registry: Registry) -> None:
    images = [registry.serve(error(503, "UNAVAILABLE"), tag) for tag in "1234"]
    services = {f"s{number}": {"image": image} for number, image in enumerate(images)}
    failures = bring_images(
        engine, parse_stack({"name": "p", "services": services}), lambda _: None, backoff_s=(0.1, 0.1)
    )
    assert {failure.service for failure in failures} == {"s0", "s1", "s2", "s3"}
    assert all("(3 tries)" in failure.message for failure in failures)
