"""Prometheus's own tools read its configuration, try every alert, and the real exporters make what the alerts ask for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from opskit.compose.client import find_compose
from opskit.environments import read_environments
from opskit.paths import ENVIRONMENTS
from opskit.runbook.matrix import resolve
from tests.checkout import ROOT
from tests.real.report import Real, debian_version

if TYPE_CHECKING:
    from docker.models.containers import Container

REAL = Real(
    "Prometheus, its exporters and promtool",
    "Debian prometheus*",
    "configs/prometheus*.yml, dashboards",
    "checked the files, tried every alert, made the metrics",
    debian_version("prometheus"),
)

CONFIGS = ROOT / "configs"
MOUNTS = {
    str(CONFIGS / "prometheus.yml"): {"bind": "/etc/prometheus/prometheus.yml", "mode": "ro"},
    str(CONFIGS / "prometheus_alerts.yml"): {"bind": "/etc/prometheus/alerts.yml", "mode": "ro"},
    str(CONFIGS): {"bind": "/configs", "mode": "ro"},
    str(ROOT / "tests/data"): {"bind": "/tests", "mode": "ro"},
}
EXPORTED = {
    "Prometheus itself": {"up"},
    "vLLM 0.30.0: its /metrics, run on a CPU with these flags": {
        "vllm:num_requests_running",
        "vllm:num_requests_waiting",
        "vllm:prompt_tokens_total",
        "vllm:generation_tokens_total",
        "vllm:time_to_first_token_seconds_bucket",
        "vllm:kv_cache_usage_perc",
    },
    "LiteLLM 1.104.2: its /metrics, run with these files": {"litellm_proxy_total_requests_metric_total"},
    "postgres_exporter 0.20.1: collectors of its source; 0.11 below": {
        "pg_up",
        "pg_stat_activity_count",
        "pg_settings_max_connections",
    },
    "redis_exporter 1.89.0: its source; 1.45 below": {
        "redis_up",
        "redis_evicted_keys_total",
        "redis_memory_used_bytes",
        "redis_memory_max_bytes",
    },
    "dcgm-exporter 4.5.2: etc/default-counters.csv": {
        "DCGM_FI_DEV_GPU_TEMP",
        "DCGM_FI_DEV_GPU_UTIL",
        "DCGM_FI_DEV_POWER_USAGE",
        "DCGM_FI_DEV_FB_USED",
        "DCGM_FI_DEV_FB_FREE",
        "DCGM_FI_DEV_XID_ERRORS",
        "DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL",
    },
}
"""Each metric that alerts and dashboards name, by what makes it and where that was seen."""
WORDS = {"sum", "max", "group", "rate", "histogram_quantile", "last_over_time", "unless", "on", "by", "offset"}
LABELS = {"le", "job", "gpu", "err_code", "datname"}


def expressions() -> list[str]:
    """What alerts and dashboards ask Prometheus for."""
    rules = yaml.safe_load((CONFIGS / "prometheus_alerts.yml").read_text())
    panels = [p for file in CONFIGS.glob("grafana/dashboards/*.json") for p in json.loads(file.read_text())["panels"]]
    asked = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    return asked + [target["expr"] for panel in panels for target in panel["targets"]]


def names() -> set[str]:
    """The metrics in them: every word but labels, durations, functions and operators."""
    bare = [re.sub(r"\{[^}]*\}|\[[^]]*\]|\b\d\w*", " ", expression) for expression in expressions()]
    return {word for text in bare for word in re.findall(r"[A-Za-z_:][\w:]*", text)} - WORDS - LABELS


@pytest.mark.engine
@pytest.mark.parametrize(
    "words",
    [
        "check config /etc/prometheus/prometheus.yml",
        "check rules /etc/prometheus/alerts.yml",
        "test rules /tests/alerts.yml",
    ],
)
def test_promtool_takes_config_and_rules_and_every_alert_fires_and_ends(
    words: str, start: Callable[..., Container], image_of: Callable[[str], str]
) -> None:
    line = f": > /tmp/qdrant_api_key; exec promtool {words}"
    box = start(image_of("prometheus"), ["-c", line], entrypoint=["sh"], volumes=MOUNTS)
    assert box.wait()["StatusCode"] == 0, box.logs()
    assert b"SUCCESS" in box.logs()


def test_each_alert_has_a_test_in_which_it_fires() -> None:
    rules = yaml.safe_load((CONFIGS / "prometheus_alerts.yml").read_text())
    tests = yaml.safe_load((ROOT / "tests/data/alerts.yml").read_text())["tests"]
    cases: list[dict[str, Any]] = [case for test in tests for case in test["alert_rule_test"]]
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    assert {case["alertname"] for case in cases if case.get("exp_alerts")} == alerts
    assert {case["alertname"] for case in tests[0]["alert_rule_test"]} == alerts, "silent on a healthy stack"


def test_every_metric_that_alerts_and_dashboards_name_is_made_by_something() -> None:
    assert names() == set().union(*EXPORTED.values())


def test_a_target_without_dns_is_a_service_wherever_prometheus_is() -> None:
    jobs = yaml.safe_load((CONFIGS / "prometheus.yml").read_text())["scrape_configs"]
    fixed = {t.split(":")[0] for job in jobs for c in job.get("static_configs", ()) for t in c["targets"]} - {
        "127.0.0.1"
    }
    by_dns = {name for job in jobs for c in job.get("dns_sd_configs", ()) for name in c["names"]}
    environments = read_environments(ENVIRONMENTS)
    watched = ("docker-compose.prometheus-grafana.yml",)
    for name in ("development", "staging", "optimized", "production"):
        environment = environments[name]
        more = () if name == "production" else watched
        merged = environment.model_copy(update={"compose": (*environment.compose, *more)})
        stack = resolve(merged, "cpu", find_compose()).stack
        services = {service.name: service for service in stack.services}
        assert fixed <= services.keys(), name
        assert {service for service in fixed if services[service].replicas > 1} == set(), "each replica is a target"
        prometheus = set(services["prometheus"].raw["networks"])
        for target in (fixed | by_dns) & services.keys():
            assert prometheus & set(services[target].raw["networks"]), f"{name}: Prometheus cannot reach {target}"
    assert not by_dns & {"multimodal-worker", "retrieval-proxy", "openwebui"}, "they have no /metrics"


@pytest.mark.engine
def test_the_exporters_make_what_is_asked_of_postgres_and_redis(
    start: Callable[..., Container], image_of: Callable[[str], str], network: str, ask: Callable[..., Any], until: Any
) -> None:
    postgres = start(
        image_of("postgres"), network=network, environment={"POSTGRES_USER": "postgres", "POSTGRES_PASSWORD": "p"}
    )
    redis = start(image_of("redis"), ["redis-server", "--requirepass", "p"], network=network)
    until(lambda: postgres.exec_run(["pg_isready", "-q", "-h", "127.0.0.1"]).exit_code == 0)
    source = {
        "DATA_SOURCE_URI": f"{postgres.name}:5432/postgres?sslmode=disable",
        "DATA_SOURCE_USER": "postgres",
        "DATA_SOURCE_PASS": "p",
    }
    exporters = {
        "pg_": (start(image_of("postgres-exporter"), network=network, environment=source, ports=(9187,)), 9187),
        "redis_": (
            start(
                image_of("redis-exporter"),
                network=network,
                environment={"REDIS_ADDR": f"redis://{redis.name}:6379", "REDIS_PASSWORD": "p"},
                ports=(9121,),
            ),
            9121,
        ),
    }
    for prefix, (box, port) in exporters.items():
        text = ask(box, port, "/metrics")[2]
        made = set(re.findall(r"^(\w+)", text, re.MULTILINE))
        wanted = {name for name in names() if name.startswith(prefix)}
        assert len(wanted) >= 3
        assert wanted <= made, prefix
        assert f"\n{prefix}up 1" in text
