"""Real HTTP with a hub of this machine that answers with the status codes and headers of the real one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from opskit.llm.huggingface import read_hub

TOKEN, UNACCEPTED = "hf_accepted", "hf_unaccepted"


class _Stand(BaseHTTPRequestHandler):
    """A stand-in for huggingface.co: HEAD of config.json of one open, one gated and no private model.

    Source of codes and headers: huggingface_hub 2.4.0 `hf_raise_for_status`.
    """

    def do_HEAD(self) -> None:
        name = self.path.strip("/").removesuffix("/resolve/main/config.json")
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if token and token not in {TOKEN, UNACCEPTED}:
            self._say(401, X_Error_Message="Invalid credentials in Authorization header")
        elif name == "Qwen/open" or (name == "meta/gated" and token == TOKEN):
            self._say(307, Location="/api/resolve-cache/models/x/config.json")
        elif name == "meta/gated":
            self._say(403 if token else 401, X_Error_Code="GatedRepo", X_Error_Message="Access is restricted.")
        elif name == "busy/busy":
            self._say(503)
        elif token:
            self._say(404, X_Error_Code="RepoNotFound", X_Error_Message="Repository not found")
        else:
            self._say(401, X_Error_Message="Invalid username or password.")

    def _say(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Stand)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("name", "token", "refusal"),
    [
        ("Qwen/open", "", ""),
        ("Qwen/open", TOKEN, ""),
        ("Qwen/opne", "", "unknown"),
        ("Qwen/opne", TOKEN, "unknown"),
        ("meta/gated", "", "gated"),
        ("meta/gated", UNACCEPTED, "gated"),
        ("meta/gated", TOKEN, ""),
        ("Qwen/open", "hf_mistyped", "bad token"),
    ],
)
def test_the_hub_says_whether_it_gives_the_model(endpoint: str, name: str, token: str, refusal: str) -> None:
    hub = read_hub(name, {"HF_ENDPOINT": f"{endpoint}/", "HF_TOKEN": token})
    assert (hub.address, hub.silent, hub.refusal, hub.token) == (endpoint, "", refusal, bool(token))
    assert not token or token not in repr(hub)


def test_a_hub_in_trouble_is_silent_and_says_nothing_of_the_model(endpoint: str) -> None:
    hub = read_hub("busy/busy", {"HF_ENDPOINT": endpoint})
    assert (hub.silent, hub.refusal) == (f"{endpoint}: HTTP 503", "")
