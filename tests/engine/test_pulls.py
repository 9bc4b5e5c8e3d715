"""A real Engine asks a registry of this machine that misbehaves as it is told."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from opskit.engine.client import connect
from opskit.engine.model import Pull, PullAnswer
from opskit.engine.pulls import ask_pull, read_present, take_pull

if TYPE_CHECKING:
    from docker import DockerClient

pytestmark = pytest.mark.engine
Reply = tuple[int, dict[str, str], bytes]
Play = Callable[[BaseHTTPRequestHandler], Reply]
CONFIG = b"{}"
CONFIG_DIGEST = f"sha256:{hashlib.sha256(CONFIG).hexdigest()}"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def typed(kind: str, **fields: object) -> Reply:
    body = json.dumps({"schemaVersion": 2, "mediaType": kind, **fields}).encode()
    digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
    return 200, {"Content-Type": kind, "Docker-Content-Digest": digest}, body


def error(status: int, code: str) -> Reply:
    return status, {}, json.dumps({"errors": [{"code": code, "message": "refused"}]}).encode()


IMAGE = typed(MANIFEST, config={"mediaType": "application/json", "size": 2, "digest": CONFIG_DIGEST}, layers=[])


class Registry:
    """Answers by path: a reply, or a play that looks at the request."""

    def __init__(self) -> None:
        self.paths: dict[str, Reply | Play] = {
            "/v2/": (200, {}, b"{}"),
            f"/v2/a/blobs/{CONFIG_DIGEST}": (200, {}, CONFIG),
        }
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                play = registry.paths.get(self.path.partition("?")[0], error(404, "MANIFEST_UNKNOWN"))
                status, headers, body = play(self) if callable(play) else play
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            do_HEAD = do_GET  # noqa: N815  the name http.server wants

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.name = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def serve(self, reply: Reply | Play, tag: str = "1") -> str:
        """PullAnswer for a tag, and for the digest of what it answers; returns the image's name."""
        self.paths[f"/v2/a/manifests/{tag}"] = reply
        if not callable(reply):
            self.paths[f"/v2/a/manifests/{reply[1].get('Docker-Content-Digest', '-')}"] = reply
        return f"{self.name}/a:{tag}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def registry() -> Iterator[Registry]:
    made = Registry()
    yield made
    made.close()


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
