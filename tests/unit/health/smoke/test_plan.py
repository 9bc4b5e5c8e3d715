"""Each service of a project gets the probe of its own protocol, or is seen to have none."""

from __future__ import annotations

from typing import Any

from opskit.compose.model import Stack, parse_stack
from opskit.health.smoke.plan import INIT_SQL, NGINX_CONF, Given, Probe, plan_probes
from opskit.secrets.value import Secret

NAMES = """LITELLM_MASTER_KEY VLLM_API_KEY MINIO_ROOT_PASSWORD QDRANT_API_KEY REDIS_PASSWORD ELASTIC_PASSWORD
STACK_API_KEY WEBUI_ADMIN_PASSWORD N8N_OWNER_PASSWORD MULTIMODAL_DB_PASSWORD MONITOR_DB_PASSWORD"""
SECRETS = {name: Secret(name, f"value-of-{name}") for name in NAMES.split()}
TEXTS = {INIT_SQL: "CREATE TABLE IF NOT EXISTS documents (", NGINX_CONF: "location /v1/ { proxy_pass x; }"}
GIVEN = Given(SECRETS, TEXTS, local=True, rehearsal=False, slow_s=10, patience_s=30)
VLLM = {"command": ["--model", "Qwen/Qwen2.5", "--served-model-name", "local-llm"]}


def stack(**services: dict[str, Any]) -> Stack:
    return parse_stack({"name": "p", "services": services})


def plan(given: Given = GIVEN, **services: dict[str, Any]) -> tuple[Probe, ...]:
    return plan_probes(stack(**services), given)


def published(target: int, host_ip: str = "127.0.0.1") -> dict[str, Any]:
    return {"ports": [{"target": target, "published": "4444", "host_ip": host_ip, "protocol": "tcp"}]}


def test_a_published_port_is_asked_from_this_machine_as_users_do() -> None:
    (probe,) = plan(n8n=published(5678, "0.0.0.0"))
    assert (probe.here, probe.values["url"]) == (True, "http://127.0.0.1:4444")


def test_without_one_or_where_the_engine_is_elsewhere_it_is_asked_inside_the_network() -> None:
    elsewhere = Given(SECRETS, TEXTS, local=False, rehearsal=False, slow_s=10, patience_s=30)
    for probes in (plan(n8n={}), plan(n8n=published(9999)), plan(elsewhere, n8n=published(5678))):
        assert (probes[0].here, probes[0].values["url"]) == (False, "http://n8n:5678")


def test_each_role_of_the_databases_is_asked_with_its_own_password() -> None:
    environment = {"MULTIMODAL_DB_PASSWORD": "x", "MONITOR_DB_PASSWORD": "y", "POSTGRES_PASSWORD": "z"}
    probes = plan(postgres={"environment": environment})
    assert [probe.subject for probe in probes] == ["postgres as multimodal", "postgres as monitor"]
    assert [probe.values["PGPASSWORD"] for probe in probes] == [
        SECRETS["MULTIMODAL_DB_PASSWORD"],
        SECRETS["MONITOR_DB_PASSWORD"],
    ]
    assert probes[0].role is not None
    assert probes[0].role.tables == ("documents",)


def test_the_model_that_is_served_is_what_gateway_and_page_must_list() -> None:
    for probe in plan(vllm=VLLM, litellm={}, openwebui={}):
        assert probe.values["model"] == "local-llm"
    (server,) = plan(vllm={"command": ["--model", "Qwen/Qwen2.5"]})
    assert server.values["model"] == "Qwen/Qwen2.5"


def test_a_model_is_waited_for_longer_than_the_bound_after_which_it_is_slow() -> None:
    _, probe = plan(vllm=VLLM, litellm={})
    assert probe.values["slow_s"] < probe.values["patience_s"] < probe.within_s


def test_strangers_must_be_refused_where_the_files_say_so() -> None:
    for value, closed in (("false", True), ("False", True), ("true", False)):
        (probe,) = plan(openwebui={"environment": {"ENABLE_SIGNUP": value}})
        assert probe.values["closed"] is closed


def test_an_alert_is_fired_in_a_rehearsal_alone() -> None:
    rehearsal = Given(SECRETS, TEXTS, local=True, rehearsal=True, slow_s=10, patience_s=30)
    assert [plan(given, alertmanager={})[0].values["fire"] for given in (GIVEN, rehearsal)] == [False, True]


def test_prometheus_is_asked_for_an_alertmanager_where_there_is_one() -> None:
    assert plan(prometheus={})[0].values["alertmanager"] is False
    assert plan(alertmanager={}, prometheus={})[1].values["alertmanager"] is True


def test_a_log_line_is_looked_for_where_nginx_writes_one() -> None:
    (alone,) = plan(elasticsearch={})
    assert alone.values["nginx"] == ""
    probe = plan(elasticsearch=published(9200), nginx=published(80))[0]
    assert (probe.here, probe.values["nginx"]) == (False, "http://nginx")


def test_nginx_is_asked_for_every_route_of_the_file_that_it_mounts() -> None:
    (probe,) = plan(nginx=published(80))
    assert probe.values["routes"] == [("/v1/opskit-smoke", None, False)]
    assert (probe.values["url"], probe.values["key"]) == ("http://127.0.0.1:4444", SECRETS["STACK_API_KEY"])


def test_nginx_is_asked_by_https_where_it_listens_for_that() -> None:
    both = {"ports": published(80)["ports"] + published(443)["ports"]}
    assert plan(nginx=both)[0].values["url"] == "https://127.0.0.1:4444"


def test_a_service_without_a_probe_is_seen_and_one_that_ends_or_has_no_replica_is_not() -> None:
    ended = {"depends_on": {"setup": {"condition": "service_completed_successfully"}}}
    probes = plan(
        other=ended,
        setup={},
        jmeter={"labels": {"opskit.role": "oneshot"}},
        qdrant={"deploy": {"replicas": 0}},
    )
    assert [(probe.service, probe.check) for probe in probes] == [("other", "none")]


def test_a_plan_shows_no_secret() -> None:
    services: dict[str, Any] = {
        name: {} for name in ("litellm", "minio", "qdrant", "redis", "openwebui", "n8n", "elasticsearch")
    }
    shown = repr(plan(vllm=VLLM, **services))
    assert "Secret(QDRANT_API_KEY)" in shown
    assert "value-of-" not in shown
