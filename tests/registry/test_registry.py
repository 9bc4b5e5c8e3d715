"""Real HTTP with a registry of this machine that misbehaves as it is told."""

from __future__ import annotations

import json
import platform
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from opskit.engine.manifest import Answer, Pull, goarch, pull_bytes
from opskit.engine.registry import read_pulls

MINE = goarch(platform.machine())
OTHER = "s390x"
DIGEST = "sha256:" + "a" * 64
LAYERS = {"layers": [{"digest": "sha256:1", "size": 40}, {"digest": "sha256:2", "size": 2}]}

Reply = tuple[int, dict[str, str], bytes]
Play = Callable[[BaseHTTPRequestHandler], Reply]


def said(body: object = None, status: int = 200, **headers: str) -> Reply:
    return status, {name.replace("_", "-"): value for name, value in headers.items()}, json.dumps(body).encode()


class Server(ThreadingHTTPServer):
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        """Let a client go that gives up."""


class Registry:
    """Answers by path; `heard` are the requests, `paths` may be a reply, or a play that looks at the request."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.paths: dict[str, Reply | Play] = {"/v2/": said({})}
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                registry.heard.append(f"{self.command} {self.path}")
                play = registry.paths.get(path, said(status=404))
                status, headers, body = play(self) if callable(play) else play
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)
                if "Content-Length" in headers:
                    self.close_connection = True

            do_HEAD = do_GET  # noqa: N815  the name http.server wants

            def log_message(self, *_: object) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.name = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def manifest(self, reply: Reply | Play, version: str = "1") -> None:
        self.paths[f"/v2/a/manifests/{version}"] = reply

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def registry() -> Iterator[Registry]:
    made = Registry()
    yield made
    made.close()


@pytest.fixture
def look(registry: Registry, tmp_path: Path) -> Callable[..., Pull]:
    def look(version: str = "1", timeout_s: float = 10.0) -> Pull:
        mark = "@" if ":" in version else ":"
        (pull,) = read_pulls([f"{registry.name}/a{mark}{version}"], cache=tmp_path / "sizes.json", timeout_s=timeout_s)
        return pull

    return look


Look = Callable[..., Pull]


def test_an_image_costs_what_its_layers_are(registry: Registry, look: Look) -> None:
    registry.manifest(said(LAYERS, Docker_Content_Digest=DIGEST))
    pull = look()
    assert (pull.answer, pull.reason, pull.digest) == (Answer.THERE, "", DIGEST)
    assert pull_bytes([pull]) == 42


def test_of_an_index_this_machines_processor_counts(registry: Registry, look: Look) -> None:
    both = [{"digest": f"sha256:{name}", "platform": {"os": "linux", "architecture": name}} for name in (OTHER, MINE)]
    registry.manifest(said({"manifests": both}))
    registry.manifest(said({"layers": [{"digest": "sha256:9", "size": 999}]}), f"sha256:{OTHER}")
    registry.manifest(said(LAYERS), f"sha256:{MINE}")
    assert pull_bytes([look()]) == 42


def test_an_image_for_other_processors_only_is_absent(registry: Registry, look: Look) -> None:
    other = {"digest": "sha256:9", "platform": {"os": "linux", "architecture": OTHER}}
    registry.manifest(said({"manifests": [other]}))
    pull = look()
    assert pull.answer is Answer.ABSENT
    assert f"linux/{MINE}" in pull.reason
    assert OTHER in pull.reason


def guarded(registry: Registry, token: Reply) -> Play:
    """A manifest for which a token must be fetched first."""
    registry.paths["/token"] = token
    realm = f'Bearer realm="http://{registry.name}/token",service="me",scope="repository:a:pull"'
    registry.paths["/v2/"] = said(status=401, WWW_Authenticate=realm)

    def play(request: BaseHTTPRequestHandler) -> Reply:
        if request.headers["Authorization"] == "Bearer of-mine":
            return said(LAYERS, Docker_Content_Digest=DIGEST)
        return said(status=401, WWW_Authenticate=realm)

    return play


@pytest.mark.parametrize("name", ["token", "access_token"])
def test_a_registry_that_asks_who_is_there_gives_anybody_a_token(registry: Registry, look: Look, name: str) -> None:
    registry.manifest(guarded(registry, said({name: "of-mine"})))
    assert pull_bytes([look()]) == 42
    asked = [line for line in registry.heard if "/token" in line]
    assert asked == ["GET /token?scope=repository%3Aa%3Apull&service=me"]


def test_a_registry_that_gives_anonymous_people_nothing_wants_a_login(registry: Registry, look: Look) -> None:
    registry.manifest(guarded(registry, said({"token": "of somebody else"})))
    assert look().answer is Answer.LOGIN


@pytest.mark.parametrize("token", [said(status=401), said(status=403)])
def test_a_token_that_is_refused_wants_a_login(registry: Registry, look: Look, token: Reply) -> None:
    registry.manifest(guarded(registry, token))
    assert look().answer is Answer.LOGIN


@pytest.mark.parametrize("token", [said(status=500), said([]), said({"token": 1}), (200, {}, b"{")])
def test_a_token_server_that_is_broken_says_nothing_of_the_image(registry: Registry, look: Look, token: Reply) -> None:
    registry.manifest(guarded(registry, token))
    assert look().answer is Answer.UNKNOWN


def test_a_registry_that_wants_a_password_wants_a_login(registry: Registry, look: Look) -> None:
    registry.paths["/v2/"] = said(status=401, WWW_Authenticate='Basic realm="me"')
    registry.manifest(said(status=401, WWW_Authenticate='Basic realm="me"'))
    assert look().answer is Answer.LOGIN


def test_no_login_is_taken_from_netrc(
    registry: Registry, look: Look, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password mine\n")
    monkeypatch.setenv("NETRC", str(netrc))
    sent: list[str | None] = []

    def play(request: BaseHTTPRequestHandler) -> Reply:
        sent.append(request.headers["Authorization"])
        return said(LAYERS)

    registry.manifest(play)
    look()
    assert sent == [None, None]


def test_behind_a_redirect_the_token_is_shown_again(registry: Registry, look: Look) -> None:
    behind = Registry()
    try:
        behind.manifest(guarded(behind, said({"token": "of-mine"})))
        registry.manifest(said(status=307, Location=f"http://{behind.name}/v2/a/manifests/1"))
        assert pull_bytes([look()]) == 42
    finally:
        behind.close()


@pytest.mark.parametrize(
    ("status", "answer"),
    [(404, Answer.ABSENT), (403, Answer.LOGIN), (429, Answer.LIMITED), (500, Answer.UNKNOWN), (503, Answer.UNKNOWN)],
)
def test_a_manifest_that_is_refused_says_why(registry: Registry, look: Look, status: int, answer: Answer) -> None:
    registry.manifest(said(status=status))
    pull = look()
    assert pull.answer is answer
    assert pull.layers is None
    assert pull.reason


@pytest.mark.parametrize(
    ("status", "answer"),
    [(429, Answer.LIMITED), (500, Answer.UNREACHABLE), (404, Answer.UNREACHABLE), (403, Answer.UNREACHABLE)],
)
def test_a_registry_that_is_broken_is_asked_for_nothing_more(
    registry: Registry, look: Look, status: int, answer: Answer
) -> None:
    registry.paths["/v2/"] = said(status=status)
    registry.manifest(said(LAYERS))
    pull = look()
    assert pull.answer is answer
    assert str(status) in pull.reason
    assert registry.heard == ["GET /v2/"]


def by_method(head: Reply, get: Reply) -> Play:
    return lambda request: head if request.command == "HEAD" else get


@pytest.mark.parametrize(
    ("get", "answer", "reason"),
    [
        ((200, {}, b"{"), Answer.THERE, "no JSON"),
        ((200, {}, b"[" * 100_000), Answer.THERE, "no JSON"),
        ((200, {}, b"x" * (4 * 1024**2 + 1)), Answer.THERE, "longer than"),
        ((200, {"Content-Length": "500"}, b'{"layers": ['), Answer.THERE, "cut off"),
        (said({"schemaVersion": 1}), Answer.THERE, "no layers"),
        (said(status=500), Answer.THERE, "HTTP 500"),
        (said(status=429), Answer.LIMITED, "HTTP 429"),
        (said(status=404), Answer.ABSENT, "no such tag"),
    ],
)
def test_what_is_there_without_a_sound_manifest_has_no_size(
    registry: Registry, look: Look, get: Reply, answer: Answer, reason: str
) -> None:
    registry.manifest(by_method(said(LAYERS), get))
    pull = look()
    assert (pull.answer, pull.layers) == (answer, None)
    assert reason in pull.reason


def test_a_registry_elsewhere_must_speak_tls(registry: Registry, tmp_path: Path) -> None:
    elsewhere = registry.name.replace("127.0.0.1", "0.0.0.0")  # leads here, and is no loopback address
    (pull,) = read_pulls([f"{elsewhere}/a"], cache=tmp_path / "sizes.json")
    assert pull.answer is Answer.UNREACHABLE
    assert pull.reason.startswith("TLS: ")
    assert registry.heard == []


def test_a_host_that_no_name_server_knows_is_told(tmp_path: Path) -> None:
    (pull,) = read_pulls(["nowhere.invalid/a"], cache=tmp_path / "sizes.json", timeout_s=30)
    assert pull.answer is Answer.UNREACHABLE
    assert pull.reason in {"no such host", "no name server answers"}


def test_a_registry_that_is_not_there_refuses(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        (pull,) = read_pulls([f"127.0.0.1:{free.getsockname()[1]}/a"], cache=tmp_path / "sizes.json")
    assert (pull.answer, pull.reason) == (Answer.UNREACHABLE, "connection refused")


def test_a_slow_registry_delays_nobody_beyond_the_limit(registry: Registry, tmp_path: Path) -> None:
    slow, over = Registry(), threading.Event()

    def wait(_: BaseHTTPRequestHandler) -> Reply:
        over.wait(30)
        return said({})

    slow.paths["/v2/"] = wait
    registry.manifest(wait, "slow")
    registry.manifest(said(LAYERS))
    names = [f"{slow.name}/a:1", f"{registry.name}/a:slow", f"{registry.name}/a:1"]
    began = time.monotonic()
    try:
        pulls = read_pulls(names, cache=tmp_path / "sizes.json", timeout_s=0.5)
        took = time.monotonic() - began
    finally:
        over.set()
        slow.close()
    assert [(pull.answer, pull.reason) for pull in pulls] == [
        (Answer.UNREACHABLE, "no answer in time"),
        (Answer.UNKNOWN, "no answer in time"),
        (Answer.THERE, ""),
    ]
    assert took < 1.5


def test_a_manifest_that_comes_by_drops_is_given_up(registry: Registry, look: Look) -> None:
    def drip(request: BaseHTTPRequestHandler) -> Reply:
        if request.command == "GET":
            request.send_response(200)
            request.send_header("Content-Length", "1000")
            request.end_headers()
            for _ in range(20):
                request.wfile.write(b" ")
                time.sleep(0.05)
            request.close_connection = True
        return said(LAYERS)

    registry.manifest(drip)
    pull = look(timeout_s=0.4)
    assert (pull.layers, pull.reason) == (None, "no answer in time")


def test_a_size_is_asked_for_once(registry: Registry, look: Look) -> None:
    registry.manifest(said(LAYERS, Docker_Content_Digest=DIGEST))
    first = look()
    registry.heard.clear()
    assert look() == first
    assert registry.heard == ["GET /v2/", "HEAD /v2/a/manifests/1"]


def test_a_tag_that_moved_is_asked_for_again(registry: Registry, look: Look) -> None:
    registry.manifest(said(LAYERS, Docker_Content_Digest=DIGEST), "latest")
    look("latest")
    moved = {"layers": [{"digest": "sha256:3", "size": 7}]}
    registry.manifest(said(moved, Docker_Content_Digest="sha256:" + "b" * 64), "latest")
    assert pull_bytes([look("latest")]) == 7


def test_a_tag_whose_digest_is_not_told_is_not_remembered(registry: Registry, look: Look, tmp_path: Path) -> None:
    registry.manifest(said(LAYERS))
    assert pull_bytes([look()]) == 42
    assert not (tmp_path / "sizes.json").exists()
    registry.manifest(said(LAYERS), DIGEST)
    assert look(DIGEST).digest == DIGEST
    assert DIGEST in (tmp_path / "sizes.json").read_text()


@pytest.mark.parametrize("damage", ["", "{", "[]", "null", '{"a": 1}', f'{{"{DIGEST} linux/{MINE}": {{"layers": 1}}}}'])
def test_damaged_sizes_are_written_anew(registry: Registry, look: Look, tmp_path: Path, damage: str) -> None:
    cache = tmp_path / "sizes.json"
    cache.write_text(damage)
    registry.manifest(said(LAYERS, Docker_Content_Digest=DIGEST))
    assert pull_bytes([look()]) == 42
    assert DIGEST in json.loads(cache.read_text()).popitem()[0]
    assert [path.name for path in tmp_path.iterdir()] == ["sizes.json"]


def test_sizes_that_cannot_be_kept_are_told_all_the_same(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    registry.manifest(said(LAYERS, Docker_Content_Digest=DIGEST))
    assert pull_bytes(read_pulls([f"{registry.name}/a:1"], cache=tmp_path / "file" / "sizes.json")) == 42


@pytest.mark.parametrize(("left", "asked"), [("50;w=21600", True), ("49;w=21600", False)])
def test_sizes_do_not_cost_the_last_pulls(registry: Registry, look: Look, left: str, asked: bool) -> None:
    registry.manifest(said(LAYERS, RateLimit_Remaining=left))
    pull = look()
    assert pull.answer is Answer.THERE
    assert (pull.layers is not None) == asked
    assert ("GET /v2/a/manifests/1" in registry.heard) == asked


def test_with_no_pull_left_there_is_nothing_to_pull_with(registry: Registry, look: Look) -> None:
    registry.manifest(said(LAYERS, RateLimit_Remaining="0;w=21600"))
    assert look().answer is Answer.LIMITED


def test_what_is_no_name_is_not_asked_for(tmp_path: Path) -> None:
    (pull,) = read_pulls(["No name"], cache=tmp_path / "sizes.json")
    assert (pull.answer, pull.registry) == (Answer.ABSENT, "")


def test_images_are_asked_for_eight_at_a_time(registry: Registry, tmp_path: Path) -> None:
    together = threading.Barrier(8, timeout=20)

    def play(request: BaseHTTPRequestHandler) -> Reply:
        if request.command == "HEAD":
            together.wait()
        return said(LAYERS)

    for number in range(24):
        registry.manifest(play, str(number))
    names = [f"{registry.name}/a:{number}" for number in range(24)]
    pulls = read_pulls(names, cache=tmp_path / "sizes.json", timeout_s=30)
    assert [pull.reference for pull in pulls] == names
    assert {pull.answer for pull in pulls} == {Answer.THERE}


def test_nothing_asked_is_nothing_told(tmp_path: Path) -> None:
    answers: tuple[Any, ...] = read_pulls([], cache=tmp_path / "sizes.json")
    assert answers == ()
