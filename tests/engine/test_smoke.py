"""Smoke checks on a whole stack in rehearsal: all well, then one fault after the other, each named by its word and service."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import pytest

from opskit.compose.model import parse_stack
from opskit.health.smoke import plan
from opskit.health.smoke.ask import ask_services, read_mounted
from opskit.health.smoke.plan import Given, plan_probes
from opskit.health.smoke.result import Result
from opskit.preflight.archive import facts_from_json
from opskit.secrets.store import read_secrets
from opskit.secrets.value import Secret
from tests.checkout import Checkout

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]
WATCH = "docker-compose.prometheus-grafana.yml"
START = ("-p", "env", "monitoring", "-p", "rehearse", "yes")
NOT_CHECKED = {"filebeat"}


@dataclass(frozen=True)
class Running:
    """The whole stack, ready to be asked again after something of it was broken."""

    checkout: Checkout
    raw: Mapping[str, Any]
    given: Given

    def ask(self, *services: str, settings: Mapping[str, Any] | None = None, **secrets: str) -> dict[str, Result]:
        """Ask some services, with other secrets or settings than theirs where they are given; results by subject."""
        changed = {name: Secret(name, value) for name, value in secrets.items()}
        given = replace(self.given, secrets={**self.given.secrets, **changed}, **(settings or {}))
        stack = parse_stack(self.raw)
        probes = [probe for probe in plan_probes(stack, given) if probe.service in services]
        results = ask_services(self.checkout.engine, stack.project, probes)
        return {result.subject: result for result in results}

    def sql(self, statement: str, database: str = "multimodal") -> None:
        words = ["psql", "-v", "ON_ERROR_STOP=1", "-qU", "postgres", "-d", database, "-c", statement]
        done = self.box("postgres").exec_run(words)
        assert done.exit_code == 0, done.output

    def box(self, service: str) -> Any:
        return self.checkout.containers("monitoring")[service]


@pytest.fixture(scope="module")
def up(checkout: Checkout) -> Running:
    done = checkout.run("start", *START, "-p", "overlays", WATCH)
    assert done.returncode == 0, done.stdout + done.stderr
    folder, _ = checkout.last()
    facts = facts_from_json((folder / "facts-monitoring.json").read_text())
    assert not isinstance(facts.stack, str)
    raw: Mapping[str, Any] = facts.stack.raw  # type: ignore[union-attr]  # a launch that went well has a model
    given = Given(
        secrets=read_secrets(checkout.env_file("monitoring")),
        texts=read_mounted(parse_stack(raw)),
        local=True,
        rehearsal=True,
        slow_s=20,
        patience_s=40,
    )
    return Running(checkout, raw, given)


def test_a_start_asks_every_service_and_shows_a_table_with_milliseconds(up: Running) -> None:
    _, record = up.checkout.last()
    rows = {row["subject"]: row for row in record["smoke"]["rows"]}
    assert {name for name, row in rows.items() if row["kind"] == "no_check"} == NOT_CHECKED
    assert {name for name, row in rows.items() if row["kind"] == ""} == rows.keys() - NOT_CHECKED
    for service in parse_stack(up.raw).services:
        assert service.name == "elk-setup" or any(row["service"] == service.name for row in rows.values())
    assert record["smoke"]["seconds"] < 60
    folder, _ = up.checkout.last()
    shown = (folder / "start.ipynb").read_text()
    assert "refused with a wrong key" in shown
    assert "stranger refused" in shown


def test_the_command_asks_again_and_leaves_a_record_of_its_own(up: Running) -> None:
    done = up.checkout.opskit("smoke", "monitoring", "-p", "rehearse", "yes", "-p", "overlays", WATCH)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " ms  bucket made, put, get, deleted" in done.stdout
    folder, record = up.checkout.last()
    assert folder.name.endswith("-monitoring-smoke")
    assert (record["ok"], record["rehearsal"], record["act"]) == (True, True, "smoke")


def test_no_secret_is_in_what_a_smoke_check_leaves_or_shows(up: Running) -> None:
    done = up.checkout.opskit("smoke", "monitoring", "-p", "rehearse", "yes", "-p", "overlays", WATCH)
    folder, _ = up.checkout.last()
    text = done.stdout + done.stderr + "".join(path.read_text() for path in folder.iterdir())
    secrets = read_secrets(up.checkout.env_file("monitoring"))
    assert [name for name, secret in secrets.items() if secret.reveal() in text] == []


@pytest.mark.parametrize(
    ("service", "secret"),
    [
        ("minio", "MINIO_ROOT_PASSWORD"),
        ("qdrant", "QDRANT_API_KEY"),
        ("litellm", "LITELLM_MASTER_KEY"),
        ("vllm", "VLLM_API_KEY"),
        ("openwebui", "WEBUI_ADMIN_PASSWORD"),
        ("n8n", "N8N_OWNER_PASSWORD"),
        ("elasticsearch", "ELASTIC_PASSWORD"),
    ],
)
def test_a_key_that_is_not_the_one_a_service_has_is_a_wrong_key(up: Running, service: str, secret: str) -> None:
    result = up.ask(service, settings=None, **{secret: "sk-not-the-one"})[service]
    assert result.kind == "wrong_key", result
    assert "sk-not-the-one" not in repr(result)


def test_a_role_whose_password_was_changed_is_a_wrong_key_and_the_others_are_well(up: Running) -> None:
    secret = up.given.secrets["LITELLM_DB_PASSWORD"].reveal()
    up.sql("ALTER ROLE litellm PASSWORD 'another'")
    try:
        results = up.ask("postgres")
    finally:
        up.sql(f"ALTER ROLE litellm PASSWORD '{secret}'")
    assert {name: result.kind for name, result in results.items() if result.kind} == {
        "postgres as litellm": "wrong_key"
    }
    assert up.ask("postgres")["postgres as litellm"].kind == ""


@pytest.mark.parametrize(
    ("broken", "undone", "subject", "kind", "holds"),
    [
        (
            "ALTER TABLE images RENAME TO gone",
            "ALTER TABLE gone RENAME TO images",
            "postgres as multimodal",
            "missing_table",
            "images",
        ),
        (
            "REVOKE INSERT ON videos FROM multimodal",
            "GRANT INSERT ON videos TO multimodal",
            "postgres as multimodal",
            "missing_right",
            "videos",
        ),
        (
            "GRANT CONNECT ON DATABASE n8n TO litellm",
            "REVOKE CONNECT ON DATABASE n8n FROM litellm",
            "postgres as litellm",
            "not_separated",
            "n8n",
        ),
        (
            "GRANT SELECT ON documents TO monitor",
            "REVOKE SELECT ON documents FROM monitor",
            "postgres as monitor",
            "not_separated",
            "documents",
        ),
    ],
)
def test_what_a_role_lacks_or_has_too_much_is_named(  # noqa: PLR0917
    up: Running, broken: str, undone: str, subject: str, kind: str, holds: str
) -> None:
    owner = "SET ROLE postgres; "
    up.sql(owner + broken)
    try:
        results = up.ask("postgres")
    finally:
        up.sql(owner + undone)
    assert {name: result.kind for name, result in results.items() if result.kind} == {subject: kind}
    assert holds in results[subject].text


def test_a_row_that_a_smoke_check_wrote_is_not_there_afterwards(up: Running) -> None:
    up.ask("postgres")
    query = "DO $$ BEGIN ASSERT (SELECT count(*) = 0 FROM documents WHERE filename = 'opskit smoke'); END $$"
    up.sql(query)
    up.sql("DO $$ BEGIN ASSERT to_regclass('public.opskit_smoke') IS NULL; END $$", "litellm")


@contextlib.contextmanager
def redis_password(up: Running, password: str) -> Iterator[None]:
    right = up.given.secrets["REDIS_PASSWORD"].reveal()

    def set_password(now: str, then: str) -> None:
        words = ["redis-cli", "config", "set", "requirepass", then]
        done = up.box("redis").exec_run(words, environment={"REDISCLI_AUTH": now} if now else {})
        assert b"OK" in done.output, done.output

    set_password(right, password)
    try:
        yield
    finally:
        set_password(password, right)


@pytest.mark.parametrize(("password", "kind"), [("another", "wrong_key"), ("", "unguarded")])
def test_redis_with_another_password_or_none_is_named(up: Running, password: str, kind: str) -> None:
    with redis_password(up, password):
        assert up.ask("redis")["redis"].kind == kind
    assert up.ask("redis")["redis"].kind == ""


def test_a_model_that_is_not_served_is_missing_everywhere(up: Running) -> None:
    services = {**up.raw["services"]}
    command = ["other-llm" if word == "local-llm" else word for word in services["vllm"]["command"]]
    changed = replace(up, raw={**up.raw, "services": {**services, "vllm": {**services["vllm"], "command": command}}})
    results = changed.ask("vllm", "litellm", "openwebui")
    assert {name: result.kind for name, result in results.items()} == dict.fromkeys(results, "model_missing")
    assert "wanted other-llm" in results["litellm"].text


def test_a_model_that_answers_late_is_slow_and_one_that_never_does_is_not(up: Running) -> None:
    server = up.box("vllm")
    server.pause()
    wake = threading.Timer(4, server.unpause)
    wake.start()
    try:
        late = up.ask("litellm", settings={"slow_s": 1, "patience_s": 30})["litellm"]
    finally:
        wake.join()
    assert late.kind == "slow", late
    assert " ms" in late.text
    server.pause()
    try:
        never = up.ask("litellm", settings={"slow_s": 1, "patience_s": 3})["litellm"]
    finally:
        server.unpause()
    assert never.kind == "no_answer", never


def test_a_route_whose_service_is_gone_is_dead_and_so_is_the_service(up: Running) -> None:
    up.box("retrieval-proxy").stop(timeout=5)
    try:
        results = up.ask("nginx", "retrieval-proxy")
    finally:
        up.box("retrieval-proxy").start()
    assert (results["nginx"].kind, results["nginx"].at) == ("dead_route", "/api/search/opskit-smoke")
    assert results["retrieval-proxy"].kind == "not_running"


def test_a_target_that_is_down_is_named_with_its_job(
    up: Running, until: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "_TARGETS_S", 1.0)
    up.box("redis-exporter").stop(timeout=5)
    found: list[Result] = []

    def down() -> bool:
        found[:] = [up.ask("prometheus")["prometheus"]]
        return "redis at redis-exporter:9121 is down" in found[0].text

    try:
        until(down, 40.0)
    finally:
        up.box("redis-exporter").start()
    assert found[0].kind == "target_down"
    until(lambda: not up.ask("prometheus")["prometheus"].kind, 60.0)


def test_an_exporter_that_reaches_no_store_is_not_ready(up: Running) -> None:
    with redis_password(up, "another"):
        result = up.ask("redis-exporter")["redis-exporter"]
    assert (result.kind, result.at) == ("not_ready", "redis_up 1")


def test_a_log_line_that_does_not_arrive_is_lost(up: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "_LOGS_S", 5.0)
    up.box("filebeat").pause()
    try:
        assert up.ask("elasticsearch")["elasticsearch"].kind == "log_lost"
    finally:
        up.box("filebeat").unpause()


def test_without_the_gateway_the_others_are_asked_from_another_container(up: Running) -> None:
    up.box("litellm").stop(timeout=5)
    try:
        results = up.ask("litellm", "elasticsearch", "openwebui")
    finally:
        up.box("litellm").start()
    assert results["litellm"].kind == "not_running"
    assert (results["elasticsearch"].kind, results["elasticsearch"].place) == ("", "multimodal-worker")
    assert results["openwebui"].kind


def test_a_launch_whose_webhooks_are_off_and_whose_strangers_may_sign_up_is_a_failed_launch(
    up: Running, undo: ExitStack
) -> None:
    """The variables are the programs' own; the files under test still say that strangers are refused."""
    overlay = up.checkout.root / "compose/docker-compose.broken.yml"
    overlay.write_text('services: {n8n: {environment: {N8N_DISABLE_PRODUCTION_MAIN_PROCESS: "true"}}}\n')
    undo.callback(overlay.unlink)
    done = up.checkout.run("start", *START, "-p", "overlays", f"{WATCH},{overlay.name}", ENABLE_SIGNUP="true")
    assert done.returncode == 1, done.stdout
    assert "is up, but does not do its work" in done.stderr
    assert "[webhook_off] n8n: webhook: found status 404" in done.stderr
    assert "Remedy:" in done.stderr
    _, record = up.checkout.last()
    assert record["ok"] is False
    assert [(f["kind"], f["service"]) for f in record["smoke"]["failures"]] == [("webhook_off", "n8n")]
    stranger = up.ask("openwebui")["openwebui"]
    assert (stranger.kind, stranger.at) == ("sign_up_open", "stranger refused")


def test_smoke_checks_of_what_is_not_up_name_the_way_to_start_it(up: Running) -> None:
    done = up.checkout.run("stop", "-p", "env", "monitoring", "-p", "rehearse", "yes")
    assert done.returncode == 0, done.stderr
    before = time.monotonic()
    failed = up.checkout.opskit("smoke", "monitoring", "-p", "rehearse", "yes")
    assert failed.returncode == 1
    assert "nothing of it is up. Remedy: `opskit start monitoring -p rehearse yes`" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert time.monotonic() - before < 60
    refused = up.checkout.opskit("smoke", "nowhere")
    assert refused.returncode == 2
    assert "no environment" in refused.stderr
