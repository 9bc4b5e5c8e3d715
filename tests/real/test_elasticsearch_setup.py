"""configs/elk/setup.sh, run by bash with the real curl, against a server that takes only what Elasticsearch takes."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from tests.checkout import ROOT
from tests.real.report import Real, debian_version

REAL = Real(
    "curl and bash, against a stand-in for the security API",
    "Debian curl",
    "configs/elk/setup.sh",
    "sent each call; the stand-in parses JSON and refuses what Elasticsearch refuses",
    debian_version("curl"),
)

SCRIPT = ROOT / "configs/elk/setup.sh"
GENERATED = {name: f"{name.lower()}_of-43-characters" for name in ("ELASTIC", "KIBANA", "LOGSTASH")}
BY_HAND = {"ELASTIC": r'quote " and \ backslash', "KIBANA": "it's $1 #2 %20", "LOGSTASH": 'a "b" \\n c'}
CLUSTER = {"monitor", "manage_index_templates"}
INDICES = {"auto_configure", "create_doc", "create_index", "view_index_metadata"}


class Elasticsearch(BaseHTTPRequestHandler):
    """The security API as far as the script needs it. STAND-IN: it refuses what the real one refuses.

    Source: Elasticsearch's REST reference, security APIs: 401 without the user, 406 without a JSON content type, 400 for
    a body that is no JSON, an unknown privilege or a password under 6 characters.
    """

    password = ""
    calls: list[tuple[str, str, Any]]

    def do_POST(self) -> None:
        self._take({"/_security/user/kibana_system/_password": {"password"}})

    def do_PUT(self) -> None:
        self._take(
            {
                "/_security/role/logstash_writer": {"cluster", "indices"},
                "/_security/user/logstash_writer": {"password", "roles"},
            }
        )

    def _take(self, routes: Mapping[str, set[str]]) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self._judge(routes, body)
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def _judge(self, routes: Mapping[str, set[str]], body: bytes) -> int:
        credentials = base64.b64encode(f"elastic:{self.password}".encode()).decode()
        if self.headers["Authorization"] != f"Basic {credentials}":
            return 401
        if self.headers["Content-Type"] != "application/json":
            return 406
        try:
            content = json.loads(body)
        except ValueError:
            return 400
        keys = routes.get(self.path)
        sound = keys == set(content) and len(content.get("password", "unknown")) >= 6 and self._known(content)
        if keys is None or not sound:
            return 400 if keys else 404
        self.calls.append((self.command, self.path, content))
        return 200

    @staticmethod
    def _known(content: Mapping[str, Any]) -> bool:
        indices = content.get("indices", ())
        return set(content.get("cluster", ())) <= CLUSTER and all(set(i["privileges"]) <= INDICES for i in indices)

    def log_message(self, *_: object) -> None:
        """Keeps quiet."""


@pytest.fixture
def setup(
    program: Callable[[str, str], str], serve: Callable[[type[BaseHTTPRequestHandler]], int], tmp_path: Path
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the script; its curl reaches the stand-in under Elasticsearch's name."""
    for name in ("bash", "curl"):
        program(name, name)
    Elasticsearch.calls = []
    port = serve(Elasticsearch)
    (tmp_path / ".curlrc").write_text(f'connect-to = "elasticsearch:9200:127.0.0.1:{port}"\n')

    def run(passwords: Mapping[str, str], real: str | None = None) -> subprocess.CompletedProcess[str]:
        Elasticsearch.password = real or passwords["ELASTIC"]
        given = {f"{name}_PASSWORD": value for name, value in passwords.items()}
        environ = {**os.environ, **given, "CURL_HOME": str(tmp_path)}
        return subprocess.run(["bash", str(SCRIPT)], env=environ, capture_output=True, text=True, check=False)

    return run


@pytest.mark.parametrize("passwords", [GENERATED, BY_HAND], ids=["generated", "by hand"])
def test_every_body_is_json_and_says_what_was_meant_and_again(
    passwords: dict[str, str], setup: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    role = {
        "cluster": ["monitor", "manage_index_templates"],
        "indices": [{"names": ["logs-*"], "privileges": sorted(INDICES)}],
    }
    for _ in range(2):
        done = setup(passwords)
        assert done.returncode == 0, done.stderr
        assert Elasticsearch.calls[-3:] == [
            ("POST", "/_security/user/kibana_system/_password", {"password": passwords["KIBANA"]}),
            ("PUT", "/_security/role/logstash_writer", role),
            (
                "PUT",
                "/_security/user/logstash_writer",
                {"password": passwords["LOGSTASH"], "roles": ["logstash_writer"]},
            ),
        ]
        assert not any(value in done.stdout + done.stderr for value in passwords.values())


def test_a_wrong_password_ends_it_and_sets_nothing(setup: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = setup(GENERATED, real="another")
    assert done.returncode == 22
    assert "401" in done.stderr
    assert Elasticsearch.calls == []


def test_no_argument_shows_a_password(
    setup: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "arguments"
    (tmp_path / "curl").write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {log}\n')
    (tmp_path / "curl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert setup(GENERATED).returncode == 0
    arguments = log.read_text()
    assert "_security/user/logstash_writer" in arguments
    assert not any(value in arguments for value in GENERATED.values())
