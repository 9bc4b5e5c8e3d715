"""A real Engine asks a registry of this machine that misbehaves as it is told."""

from __future__ import annotations

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from opskit.engine.client import connect
from opskit.engine.model import Pull, PullAnswer
from opskit.engine.pulls import ask_pull, read_present, take_pull
from tests.registry_server import CONFIG_DIGEST, IMAGE, INDEX, MANIFEST, Play, Registry, Reply, error, typed

if TYPE_CHECKING:
    from docker import DockerClient

pytestmark = pytest.mark.engine


def ask(engine: DockerClient, image: str, timeout_s: float = 20.0) -> Pull:
    return take_pull(ask_pull(engine, image, timeout_s=timeout_s))


def test_an_image_that_its_registry_has_is_there(engine: DockerClient, registry: Registry) -> None:
    image = registry.serve(IMAGE)
    assert ask(engine, image) == Pull(image, PullAnswer.THERE)


def test_an_image_for_other_processors_only_is_absent(engine: DockerClient, registry: Registry) -> None:
    only = {
        "mediaType": MANIFEST,
        "size": 2,
        "digest": CONFIG_DIGEST,
        "platform": {"os": "linux", "architecture": "s390x"},
    }
    pull = ask(engine, registry.serve(typed(INDEX, manifests=[only])))
    assert pull.answer is PullAnswer.ABSENT
    assert "made for: linux/s390x" in pull.reason


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        (error(404, "MANIFEST_UNKNOWN"), PullAnswer.ABSENT),
        (error(401, "UNAUTHORIZED"), PullAnswer.LOGIN),
        (error(403, "DENIED"), PullAnswer.LOGIN),
        (error(429, "TOOMANYREQUESTS"), PullAnswer.LIMITED),
        ((429, {}, b"slow down"), PullAnswer.LIMITED),
        ((404, {}, b"no"), PullAnswer.ABSENT),
        (error(500, "UNKNOWN"), PullAnswer.UNKNOWN),
        ((503, {}, b""), PullAnswer.UNKNOWN),
    ],
)
def test_a_refusal_says_why(engine: DockerClient, registry: Registry, reply: Reply, answer: PullAnswer) -> None:
    pull = ask(engine, registry.serve(reply))
    assert pull.answer is answer
    assert pull.reason


def test_a_private_image_is_there_after_a_login(
    engine_host: str, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    word = base64.b64encode(b"me:mine").decode()
    challenge = {"WWW-Authenticate": 'Basic realm="here"'}

    def guard(reply: Reply) -> Play:
        def play(request: BaseHTTPRequestHandler) -> Reply:
            return reply if request.headers["Authorization"] == f"Basic {word}" else (401, challenge, b"{}")

        return play

    image = registry.serve(guard(IMAGE))
    registry.paths |= {path: guard(reply) for path, reply in registry.paths.items() if not callable(reply)}
    registry.serve(guard(IMAGE), IMAGE[1]["Docker-Content-Digest"])
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    client = connect(engine_host)
    try:
        assert ask(client, image).answer is PullAnswer.LOGIN
        (tmp_path / "config.json").write_text(json.dumps({"auths": {registry.name: {"auth": word}}}))
        assert ask(client, image).answer is PullAnswer.THERE
    finally:
        client.close()


@pytest.mark.parametrize("image", ["127.0.0.1:1/a:1", "nowhere.invalid/a:1"])
def test_a_registry_that_is_not_there_is_unreachable(engine: DockerClient, image: str) -> None:
    assert ask(engine, image).answer is PullAnswer.UNREACHABLE


def test_a_registry_without_tls_elsewhere_is_unreachable(engine: DockerClient, registry: Registry) -> None:
    image = registry.serve(IMAGE).replace("127.0.0.1", "0.0.0.0")
    assert ask(engine, image).answer is PullAnswer.UNREACHABLE


def test_a_slow_registry_delays_no_other_and_is_unknown(engine: DockerClient, registry: Registry) -> None:
    over = threading.Event()

    def wait(_: BaseHTTPRequestHandler) -> Reply:
        over.wait(30)
        return IMAGE

    images = [registry.serve(wait, "slow"), registry.serve(IMAGE)]
    began = time.monotonic()
    try:
        asked = [ask_pull(engine, image, timeout_s=2.0) for image in images]
        pulls = tuple(map(take_pull, asked))
    finally:
        over.set()
    assert [pull.answer for pull in pulls] == [PullAnswer.UNKNOWN, PullAnswer.THERE]
    assert "no answer within 2 s" in pulls[0].reason
    assert time.monotonic() - began < 10


def test_what_is_no_name_is_absent(engine: DockerClient) -> None:
    assert ask(engine, "No name").answer is PullAnswer.ABSENT


def test_the_engine_knows_an_image_by_each_of_its_names(engine: DockerClient, busybox: str) -> None:
    names = [busybox, f"docker.io/{busybox}", "docker.io/library/not-here:1", "No name"]
    assert read_present(engine, names) == {busybox, f"docker.io/{busybox}"}
