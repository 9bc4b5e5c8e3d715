"""Each stand-in, run as its image runs it, refuses what the real program refuses."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.checkout import ROOT, free_ports

FOLDER = ROOT / "opskit/rehearsal/data/standin"
Ask = Callable[..., tuple[int, Any]]
ON_PORT = """
import importlib.util, sys
sys.path.insert(0, "{folder}")
spec = importlib.util.spec_from_file_location("standin", "{folder}/__main__.py")
standin = importlib.util.module_from_spec(spec)
spec.loader.exec_module(standin)
standin.SERVICES["{service}"] = (({port},), standin.SERVICES["{service}"][1])
standin.main()
"""
HELLO = [{"role": "user", "content": "hello there"}]
FLAGS = ("--served-model-name", "local-llm", "--max-model-len", "64")
CALLS = ("--enable-auto-tool-choice", "--tool-call-parser", "hermes")


@pytest.fixture
def run() -> Iterator[Callable[..., Ask]]:
    """Start a stand-in on a free port; returns what asks it: status and body."""
    with ExitStack() as stack:

        def begin(service: str, *arguments: str, **environ: str) -> Ask:
            (port,) = free_ports(1)
            code = ON_PORT.format(folder=FOLDER, service=service, port=port)
            words = [sys.executable, "-c", code, service, *arguments]
            process = stack.enter_context(subprocess.Popen(words, env={"PATH": "/usr/bin:/bin", **environ}))
            stack.callback(process.terminate)
            ask = asking(port)
            end = time.monotonic() + 10
            while ask("GET", "/")[0] == 0 and time.monotonic() < end:
                time.sleep(0.05)
            return ask

        yield begin


def asking(port: int) -> Ask:
    def ask(method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, named, method=method)
        try:
            with urllib.request.urlopen(request, timeout=5) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    return ask


def test_a_service_without_a_stand_in_is_one_sentence_and_no_traceback() -> None:
    done = subprocess.run([sys.executable, str(FOLDER), "mongodb"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("the rehearsal has no stand-in for 'mongodb'; it has those of: allure")
    assert len(done.stderr.splitlines()) == 1


def test_qdrant_wants_its_key_everywhere_but_at_its_health_checks_and_vectors_of_one_size(
    run: Callable[..., Ask], tmp_path: Path
) -> None:
    ask = run("qdrant", QDRANT__SERVICE__API_KEY="k", QDRANT__STORAGE__STORAGE_PATH=str(tmp_path / "storage"))
    assert [ask("GET", path)[0] for path in ("/", "/healthz", "/readyz")] == [200, 200, 200]
    assert [ask("GET", path)[0] for path in ("/collections", "/metrics")] == [401, 401]
    assert ask("GET", "/collections", Authorization="Bearer k")[0] == 200
    assert ask("PUT", "/collections/c", {"vectors": {}}, api_key="k")[0] == 400
    assert ask("PUT", "/collections/c", {"vectors": {"size": 2}}, api_key="k")[0] == 200
    assert ask("PUT", "/collections/c", {"vectors": {"size": 2}}, api_key="k")[0] == 409
    points = [{"id": 1, "vector": [1, 0]}, {"id": 2, "vector": [0, 1]}]
    assert ask("PUT", "/collections/c/points", {"points": points}, api_key="k")[0] == 200
    assert ask("PUT", "/collections/c/points", {"points": [{"id": 3, "vector": [1]}]}, api_key="k")[0] == 400
    _, found = ask("POST", "/collections/c/points/query", {"query": [0, 2], "limit": 1}, api_key="k")
    assert [point["id"] for point in json.loads(found)["result"]["points"]] == [2]
    assert ask("POST", "/collections/d/points/query", {"query": [0, 2]}, api_key="k")[0] == 404


def test_vllm_refuses_another_model_tools_without_its_flags_and_what_is_too_long(run: Callable[..., Ask]) -> None:
    plain, calling = run("vllm", *FLAGS, VLLM_API_KEY="k"), run("vllm", *FLAGS, *CALLS)
    chat, key = "/v1/chat/completions", {"Authorization": "Bearer k"}
    body = {"model": "local-llm", "messages": HELLO}
    assert plain("POST", chat, body)[0] == 401
    assert plain("POST", chat, {**body, "model": "other"}, **key)[0] == 404
    status, text = plain("POST", chat, {**body, "tools": [{"type": "function"}]}, **key)
    assert (status, "--enable-auto-tool-choice" in text) == (400, True)
    assert calling("POST", chat, {**body, "tools": [{"type": "function"}]})[0] == 200
    status, text = plain("POST", chat, {**body, "max_tokens": 64}, **key)
    assert (status, "maximum context length is 64 tokens" in text) == (400, True)
    streamed = plain("POST", chat, {**body, "stream": True, "stream_options": {"include_usage": True}}, **key)[1]
    assert streamed.endswith("data: [DONE]\n\n")
    assert '"total_tokens"' in streamed


def test_open_webui_lets_in_whom_it_knows_and_no_stranger(run: Callable[..., Ask]) -> None:
    admin = {"WEBUI_ADMIN_EMAIL": "a@b.c", "WEBUI_ADMIN_PASSWORD": "p"}
    closed, open_ = run("openwebui", ENABLE_SIGNUP="false", **admin), run("openwebui", ENABLE_SIGNUP="true", **admin)
    stranger = {"name": "s", "email": "s@t.r", "password": "x"}
    assert closed("POST", "/api/v1/auths/signin", {"email": "a@b.c", "password": "q"})[0] == 400
    assert closed("POST", "/api/v1/auths/signin", {"email": "a@b.c", "password": "p"})[0] == 200
    assert closed("GET", "/api/models")[0] == 401
    assert closed("POST", "/api/v1/auths/signup", stranger)[0] == 403
    assert json.loads(open_("POST", "/api/v1/auths/signup", stranger)[1])["role"] == "pending"


def test_open_webui_without_an_administrator_makes_the_first_visitor_one(run: Callable[..., Ask]) -> None:
    ask = run("openwebui", ENABLE_SIGNUP="false")
    status, text = ask("POST", "/api/v1/auths/signup", {"name": "s", "email": "s@t.r", "password": "x"})
    assert (status, json.loads(text)["role"]) == (200, "admin")


def test_n8n_wants_its_owner_and_its_database(run: Callable[..., Ask]) -> None:
    done = subprocess.run(
        ["perl", "-e", 'print crypt("p", q($2b$10$) . "." x 22)'], capture_output=True, text=True, check=True
    )
    ask = run("n8n", N8N_INSTANCE_OWNER_EMAIL="a@b.c", N8N_INSTANCE_OWNER_PASSWORD_HASH=done.stdout)
    login = {"emailOrLdapLoginId": "a@b.c", "password": "q"}
    assert ask("POST", "/rest/login", login)[0] == 401
    assert ask("POST", "/rest/login", {**login, "password": "p"})[0] == 200
    assert ask("POST", "/rest/workflows", {})[0] == 401
    status, text = ask("POST", "/webhook/mine", {})
    assert (status, "is not registered" in text) == (404, True)
    assert ask("GET", "/healthz/readiness")[0] == 503
    assert ask("GET", "/metrics")[0] == 404


def test_elasticsearch_wants_a_user_and_json(run: Callable[..., Ask]) -> None:
    ask = run("elasticsearch", ELASTIC_PASSWORD="e")
    key = {"Authorization": "Basic ZWxhc3RpYzpl"}
    assert ask("GET", "/")[0] == 401
    assert ask("GET", "/", **key)[0] == 200
    assert ask("PUT", "/_security/user/one", {"password": "another"}, **key)[0] == 200
    assert ask("GET", "/", Authorization="Basic b25lOmFub3RoZXI=")[0] == 200
