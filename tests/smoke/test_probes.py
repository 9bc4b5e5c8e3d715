"""The probes against servers that refuse as the real programs do: fine where all is well, else the right word."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from opskit.health.smoke.probe import COMMAND, PROBES, VARIABLE, pack, run_probe
from tests.smoke.fake import KEY, Answer, N8n, Qdrant, Request, Webui, served

OWNER = {"email": "admin@opskit.local", "password": KEY}
CHAT = {**OWNER, "model": "local-llm", "closed": True, "slow_s": 5, "patience_s": 5}


@pytest.fixture
def qdrant() -> Iterator[tuple[Qdrant, str]]:
    fake = Qdrant()
    with served(fake) as url:
        yield fake, url


@pytest.fixture
def webui() -> Iterator[tuple[Webui, str]]:
    fake = Webui()
    with served(fake) as url:
        yield fake, url


@pytest.fixture
def n8n() -> Iterator[tuple[N8n, str]]:
    fake = N8n()
    with served(fake) as url:
        yield fake, url


def test_a_probe_needs_nothing_but_the_standard_library_and_shows_no_secret_among_its_words(
    qdrant: tuple[Qdrant, str],
) -> None:
    _, url = qdrant
    environment = {**os.environ, VARIABLE: pack("qdrant", {"url": url, "key": KEY})}
    words = [sys.executable, "-I", "-S", *COMMAND[1:]]
    done = subprocess.run(words, env=environment, cwd="/", capture_output=True, text=True, check=True)
    printed = json.loads(done.stdout)
    assert (printed["kind"], printed["left"]) == ("", [])
    assert [name for name, _ in printed["done"]] == ["collection made", "upsert", "search", "refused without a key"]
    assert KEY not in " ".join(COMMAND)


def test_a_probe_fits_in_one_variable_of_the_environment() -> None:
    assert len(pack("qdrant", {"url": "", "key": ""})) < 100_000, "Linux takes 128 KiB"


def test_qdrant_that_stores_and_refuses_is_fine_and_empty_afterwards(qdrant: tuple[Qdrant, str]) -> None:
    fake, url = qdrant
    assert run_probe("qdrant", {"url": url, "key": KEY})["kind"] == ""
    assert fake.collections == {}


@pytest.mark.parametrize(
    ("key", "fault", "kind", "at"),
    [
        ("another", "", "wrong_key", "collection made"),
        (KEY, "unguarded", "unguarded", "refused without a key"),
        (KEY, "forgets", "bad_answer", "search"),
    ],
)
def test_qdrant_is_named_by_the_right_word_and_empty_afterwards(
    qdrant: tuple[Qdrant, str], key: str, fault: str, kind: str, at: str
) -> None:
    fake, url = qdrant
    fake.fault = fault
    result = run_probe("qdrant", {"url": url, "key": key})
    assert (result["kind"], result["at"]) == (kind, at)
    assert fake.collections == {}, "a failure in the middle leaves nothing behind either"


def test_what_cannot_be_taken_away_is_named(qdrant: tuple[Qdrant, str]) -> None:
    fake, url = qdrant
    fake.fault = "keeps"
    result = run_probe("qdrant", {"url": url, "key": KEY})
    (name,) = fake.collections
    assert result["kind"] == "left_behind"
    assert name in result["text"]


def test_a_chat_is_asked_for_as_the_page_does_and_leaves_nothing(webui: tuple[Webui, str]) -> None:
    fake, url = webui
    result = run_probe("openwebui", {"url": url, **CHAT})
    assert (result["kind"], len(result["done"])) == ("", 4)
    (chat,) = [request.json for request in fake.asked if request.path == "/api/chat/completions"]
    assert chat["session_id"], "with it the page's tools are added"
    assert "chat_id" not in chat, "with it the chat would be kept"
    assert chat["stream"] is True
    assert fake.users == ["admin@opskit.local"]


@pytest.mark.parametrize(
    ("values", "fault", "kind", "at"),
    [
        ({"password": "another"}, "", "wrong_key", "sign in"),
        ({}, "no model", "model_missing", "model list"),
        ({}, "tools", "bad_answer", "chat, first word"),
        ({}, "silent", "bad_answer", "chat, first word"),
        ({}, "open", "sign_up_open", "stranger refused"),
    ],
)
def test_the_chat_is_named_by_the_right_word(
    webui: tuple[Webui, str], values: dict[str, str], fault: str, kind: str, at: str
) -> None:
    fake, url = webui
    fake.fault = fault
    result = run_probe("openwebui", {"url": url, **CHAT, **values})
    assert (result["kind"], result["at"]) == (kind, at)
    assert fake.users == ["admin@opskit.local"], "the stranger's address can be none, so that no account is made"


def test_a_webhook_answers_and_its_workflow_is_gone_afterwards(n8n: tuple[N8n, str]) -> None:
    fake, url = n8n
    assert run_probe("n8n", {"url": url, **OWNER})["kind"] == ""
    assert fake.flows == {}


@pytest.mark.parametrize(
    ("values", "fault", "kind", "at"),
    [
        ({"password": "another"}, "", "wrong_key", "login"),
        ({}, "not ready", "not_ready", "readiness"),
        ({}, "webhook off", "webhook_off", "webhook"),
    ],
)
def test_n8n_is_named_by_the_right_word_and_its_workflow_is_gone_afterwards(  # noqa: PLR0917
    n8n: tuple[N8n, str], values: dict[str, str], fault: str, kind: str, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opskit.health.smoke.n8n._SOON_S", 0.2)
    fake, url = n8n
    fake.fault = fault
    result = run_probe("n8n", {"url": url, **OWNER, **values})
    assert (result["kind"], result["at"]) == (kind, at)
    assert fake.flows == {}


def gateway(fault: str) -> Callable[[Request], None]:
    """LiteLLM 1.104.2; without its database it answers 400 to a key that is not the master key."""

    def answer(request: Request) -> None:
        key = request.headers["Authorization"]
        if key is None:
            raise Answer(401, {"error": {"message": "Authentication Error, No api key passed in."}})
        if key != f"Bearer {KEY}":
            raise Answer(400, {"error": {"message": "No connected db."}})
        if request.path == "/v1/models":
            raise Answer(200, {"data": [{"id": "other" if fault == "other model" else "local-llm"}]})
        if fault == "slow":
            time.sleep(0.3)
        if fault == "vllm refuses":
            raise Answer(401, {"error": {"message": "litellm.AuthenticationError: Unauthorized"}})
        raise Answer(200, {"choices": [{"message": {"content": None if fault == "empty" else "Yes"}}]})

    return answer


@pytest.mark.parametrize(
    ("key", "fault", "kind", "at"),
    [
        (KEY, "", "", "completion"),
        ("another", "", "wrong_key", "model list"),
        (KEY, "other model", "model_missing", "model list"),
        (KEY, "slow", "slow", "completion"),
        (KEY, "vllm refuses", "wrong_key", "completion"),
        (KEY, "empty", "bad_answer", "completion"),
    ],
)
def test_the_gateway_is_named_by_the_right_word(key: str, fault: str, kind: str, at: str) -> None:
    values = {"key": key, "model": "local-llm", "slow_s": 0.2, "patience_s": 5}
    with served(gateway(fault)) as url:
        result = run_probe("litellm", {"url": url, **values})
    assert (result["kind"], result["at"]) == (kind, at)
    if kind == "slow":
        assert "ms" in result["text"]


def test_a_model_that_never_answers_is_told_apart_from_a_slow_one() -> None:
    def hang(request: Request) -> None:
        if request.method == "POST":
            time.sleep(0.5)
        gateway("")(request)

    with served(hang) as url:
        result = run_probe("litellm", {"url": url, "key": KEY, "model": "local-llm", "slow_s": 0.1, "patience_s": 0.2})
    assert result["kind"] == "no_answer"
    assert "no answer within 0.2 s" in result["text"]


def proxy(request: Request) -> None:
    """Nginx before services of which one is gone, and without a location for another path."""
    if request.path.startswith("/dead"):
        raise Answer(502, "<html><center><h1>502 Bad Gateway</h1></center><hr><center>nginx</center></html>")
    if request.path.startswith("/none"):
        raise Answer(404, "<html><center><h1>404 Not Found</h1></center><hr><center>nginx</center></html>")
    if request.path.startswith("/keyed") and request.headers["X-API-Key"] != KEY:
        raise Answer(401, "{}", {"WWW-Authenticate": 'Bearer realm="stack"'})
    if request.path == "/own":
        raise Answer(200, "ok")


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/v1/opskit-smoke", None, ""),
        ("/keyed/x", None, ""),
        ("/open/x", None, "open_route"),
        ("/own", 200, ""),
        ("/dead/x", None, "dead_route"),
        ("/none/x", None, "dead_route"),
        ("/own", 404, "bad_answer"),
    ],
)
def test_a_route_is_dead_where_nginx_answers_itself_and_not_the_service(
    path: str, status: int | None, kind: str
) -> None:
    with served(proxy) as url:
        routes = [["/own", 200, False], [path, status, path.startswith(("/keyed", "/open"))]]
        result = run_probe("nginx", {"url": url, "routes": routes, "key": KEY})
        another = run_probe("nginx", {"url": url, "routes": [["/keyed/x", None, True]], "key": "another"})
    assert another["kind"] == "wrong_key"
    assert result["kind"] == kind
    if kind:
        assert result["at"] == path


def target(health: str, error: str = "") -> dict[str, Any]:
    return {"labels": {"job": "redis", "instance": "redis:9121"}, "health": health, "lastError": error}


@pytest.mark.parametrize(
    ("targets", "managers", "kind", "holds"),
    [
        ([target("up")], [{"url": "http://alertmanager:9093"}], "", ""),
        ([target("up"), target("down", "connection refused")], [], "target_down", "redis at redis:9121 is down"),
        ([target("unknown")], [], "target_down", "not scraped yet"),
        ([], [], "target_down", "no target"),
        ([target("up")], [], "no_alertmanager", "wanted an active Alertmanager"),
    ],
)
def test_prometheus_is_named_by_the_target_that_is_down(
    targets: list[Any], managers: list[Any], kind: str, holds: str
) -> None:
    def answer(request: Request) -> None:
        if request.path == "/api/v1/targets":
            raise Answer(200, {"data": {"activeTargets": targets}})
        raise Answer(200, {"data": {"activeAlertmanagers": managers}})

    with served(answer) as url:
        result = run_probe("prometheus", {"url": url, "alertmanager": True, "wait_s": 0.1})
    assert result["kind"] == kind
    assert holds in result["text"]


@pytest.mark.parametrize(("keeps", "kind"), [(True, ""), (False, "alert_lost")])
def test_an_alert_is_fired_seen_and_resolved(keeps: bool, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opskit.health.smoke.watch._ALERT_S", 0.2)
    alerts: list[Any] = []

    def answer(request: Request) -> None:
        if request.path == "/api/v2/alerts" and request.method == "POST":
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            alerts[:] = [alert for alert in request.json if alert["endsAt"] > now and keeps]
            raise Answer(200)
        raise Answer(200, alerts)

    with served(answer) as url:
        result = run_probe("alertmanager", {"url": url, "fire": True})
    assert result["kind"] == kind
    assert alerts == []


@pytest.mark.parametrize(
    ("password", "arrives", "kind"),
    [(KEY, True, ""), (KEY, False, "log_lost"), ("another", True, "wrong_key")],
)
def test_a_marked_line_of_nginx_is_found_in_elasticsearch(password: str, arrives: bool, kind: str) -> None:
    lines: list[str] = []

    def search(request: Request) -> None:
        if "ZWxhc3RpYzp0aGUta2V5LXRoYXQtaXQtaGFz" not in request.headers["Authorization"]:
            raise Answer(401, {"error": {"type": "security_exception"}})
        wanted = request.json["query"]["match_phrase"]["message"] if request.body else ""
        hits = [line for line in lines if wanted in line] if arrives else []
        raise Answer(200, {"hits": {"hits": hits}})

    def log(request: Request) -> None:
        lines.append(f'"{request.method} {request.path}" 404')

    with served(search) as url, served(log) as nginx:
        values = {"url": url, "password": password, "nginx": nginx, "wait_s": 0.2}
        assert run_probe("elasticsearch", values)["kind"] == kind


def test_a_page_must_hold_what_it_should() -> None:
    def answer(_: Request) -> None:
        raise Answer(200, "# HELP pg_up\npg_up 0\n")

    with served(answer) as url:
        assert run_probe("page", {"url": url})["kind"] == ""
        assert run_probe("page", {"url": url, "holds": "pg_up 1"})["kind"] == "not_ready"


def own_values(url: str) -> dict[str, Any]:
    keys = {"key": KEY, "qdrant_key": KEY, "s3_user": "u", "s3_key": KEY, "hears": True}
    return {"worker": f"{url}/w", "search": f"{url}/s", "qdrant": f"{url}/q", "s3": f"{url}/o", **keys}


@pytest.mark.parametrize(
    ("broken", "kind"),
    [
        ("", ""),
        ("open", "unguarded"),
        ("not found", "not_found"),
        ("cut short", "bad_answer"),
        ("point left", "left_behind"),
        ("object left", "bad_answer"),
        ("no route", "bad_answer"),
    ],
)
def test_what_the_own_services_take_in_is_found_read_and_gone(broken: str, kind: str) -> None:
    held: dict[str, bytes] = {}

    def form(body: bytes) -> bytes:
        return body.split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n--", 1)[0] if b"\r\n\r\n" in body else b""

    def answer(request: Request) -> None:
        path = request.path
        if path.startswith(("/w", "/s")) and broken != "open" and request.headers.get("X-API-Key") != KEY:
            raise Answer(401, {})
        if path.startswith("/w/process/"):
            if broken == "no route":
                raise Answer(404, {"detail": "Not Found"})
            text = path.endswith("text")
            held["d"] = request.json["text"].encode() if text else form(request.body)
            raise Answer(200, {"document_id": "d", "content_hash": "h"})
        if path == "/s/search":
            raise Answer(200, {"results": [{"document_id": "d"}] if "d" in held and broken != "not found" else []})
        if path.startswith("/s/artifacts/") and "d" in held:
            raise Answer(200, held["d"][: 1 if broken == "cut short" else None])
        if path == "/w/documents/d":
            held.clear()
            raise Answer(204)
        if path.startswith("/q/"):
            raise Answer(200, {"result": {"count": int(broken == "point left")}})
        raise Answer(200 if path.startswith("/o/") and broken == "object left" else 404, {})

    with served(answer) as url:
        result = run_probe("own", own_values(url))
        assert result["kind"] == kind, result
        assert not held, "also after a failure nothing is left"


@pytest.mark.parametrize("probe", sorted(set(PROBES) - {"port", "nginx"}))
def test_a_service_that_is_not_there_does_not_answer(probe: str) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{holder.getsockname()[1]}"
        values: dict[str, Any] = {
            "key": KEY,
            "user": "u",
            "model": "m",
            "fire": False,
            "nginx": "",
            "alertmanager": False,
            "wait_s": 0.1,
            **CHAT,
            **own_values(url),
        }
        wanted = PROBES[probe].__kwdefaults__ or {}
        names = PROBES[probe].__code__.co_varnames[1 : 1 + PROBES[probe].__code__.co_kwonlyargcount]
        values["url"] = url
        result = run_probe(probe, {name: values[name] for name in names if name not in wanted})
    assert result["kind"] == "no_answer"
    assert url in result["text"]


def test_an_answer_of_another_program_is_a_bad_answer_and_no_traceback() -> None:
    def answer(_: Request) -> None:
        raise Answer(200, [1, 2])

    with served(answer) as url:
        assert run_probe("vllm", {"url": url, "key": KEY, "model": "m"})["kind"] == "bad_answer"

    def page(_: Request) -> None:
        raise Answer(200, "<html>welcome</html>")

    with served(page) as url:
        result = run_probe("vllm", {"url": url, "key": KEY, "model": "m"})
    assert result["kind"] == "bad_answer"
    assert "<html>welcome</html>" in result["text"]
