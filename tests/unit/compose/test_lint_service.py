from __future__ import annotations

from typing import Any

import pytest

from tests.judged import breaks, places, sound

LOCAL = {"target": 80, "published": "8080", "host_ip": "127.0.0.1"}


def test_a_container_name_is_for_one_replica() -> None:
    assert breaks("container-name-replicated", container_name="web", scale=2)
    assert breaks("container-name-replicated", container_name="web", deploy={"replicas": 2})
    assert not breaks("container-name-replicated", container_name="web", scale=1)
    assert not breaks("container-name-replicated", scale=2)


def test_a_fixed_port_is_for_one_replica() -> None:
    assert breaks("fixed-port-replicated", ports=[LOCAL], scale=2)
    assert not breaks("fixed-port-replicated", ports=[LOCAL], scale=1)
    assert not breaks("fixed-port-replicated", ports=[{**LOCAL, "published": ""}], scale=2)


@pytest.mark.parametrize(
    ("host_ip", "broken"), [("", True), ("0.0.0.0", True), ("::", True), ("127.0.0.1", False), ("10.0.0.1", False)]
)
def test_a_port_is_on_an_address_that_was_chosen(host_ip: str, broken: bool) -> None:
    assert breaks("port-open", ports=[{**LOCAL, "host_ip": host_ip}]) is broken


@pytest.mark.parametrize(
    ("value", "broken"),
    [
        ('""', True),
        ('"x"', True),
        ("'x'", True),
        ('"a\nb"', True),
        ('"', False),
        ("\"x'", False),
        ('x"', False),
        (None, False),
    ],
)
def test_a_value_keeps_no_quotes_around_it(value: str | None, broken: bool) -> None:
    assert breaks("environment-quoted", environment={"A": value}) is broken


def test_a_quoted_value_is_not_shown() -> None:
    assert places("environment-quoted", {"web": sound(environment={"A": '"hush"'})}) == ["services/web/environment/A"]


def test_a_memory_limit_is_wanted() -> None:
    assert breaks("memory-limit-missing", mem_limit=None)
    assert breaks("memory-limit-missing", mem_limit="0")
    assert not breaks("memory-limit-missing", mem_limit=None, deploy={"resources": {"limits": {"memory": "1"}}})


def test_a_health_check_is_wanted_of_what_stays() -> None:
    assert breaks("health-check-missing", healthcheck=None)
    assert breaks("health-check-missing", healthcheck={"test": ["NONE"]})
    assert breaks("health-check-missing", healthcheck=None, restart=None)
    assert not breaks("health-check-missing", healthcheck=None, restart="no")
    assert not breaks("health-check-missing", healthcheck=None, restart="on-failure:3")
    assert not breaks("health-check-missing", healthcheck=None, labels={"opskit.role": "oneshot"})


def test_a_service_whose_end_is_waited_for_needs_no_health_check() -> None:
    waiting = sound(depends_on={"job": {"condition": "service_completed_successfully"}})
    assert not places("health-check-missing", {"job": sound(healthcheck=None), "web": waiting})


def test_a_restart_policy_is_wanted_in_either_form() -> None:
    assert breaks("restart-policy-missing", restart=None)
    assert not breaks("restart-policy-missing", restart="no")
    assert not breaks("restart-policy-missing", restart=None, deploy={"restart_policy": {"condition": "any"}})


@pytest.mark.parametrize(
    ("logging", "broken"),
    [
        (None, True),
        ({"driver": "json-file"}, True),
        ({"driver": "json-file", "options": {"max-file": "3"}}, True),
        ({"options": {"max-size": "1m"}}, False),
        ({"driver": "journald"}, False),
        ({"driver": "local"}, False),  # 100 MB at most by itself
    ],
)
def test_json_logs_have_a_limit(logging: dict[str, Any] | None, broken: bool) -> None:
    assert breaks("log-limit-missing", logging=logging) is broken


@pytest.mark.parametrize(
    ("period", "interval", "broken"),
    [
        ("59s", "1m0s", True),
        ("1m0s", "1m0s", False),
        (None, "5s", True),
        ("5s", None, False),
        ("1h0m1s", "1h0m0.5s", False),
        ("900ms", "1s", True),
    ],
)
def test_a_start_period_holds_one_start_interval(period: str | None, interval: str | None, broken: bool) -> None:
    times = {"start_period": period, "start_interval": interval}
    check = {"test": ["CMD", "true"], **{key: value for key, value in times.items() if value}}
    assert breaks("start-period-short", healthcheck=check) is broken


def gpus(**device: Any) -> dict[str, Any]:
    return {"resources": {"reservations": {"devices": [{"driver": "nvidia", "capabilities": ["gpu"], **device}]}}}


@pytest.mark.parametrize(
    ("words", "device", "broken"),
    [
        (["--tensor-parallel-size", "2"], {"device_ids": ["0", "1"]}, False),
        (["--tensor-parallel-size", "2"], {"device_ids": ["0"]}, True),
        (["--tensor-parallel-size=1"], {"device_ids": ["0", "1"]}, True),
        (["-tp", "2"], {"count": 2}, False),
        (["-tp", "2", "-pp", "2"], {"count": 4}, False),
        (["-tp", "2"], {"count": "all"}, False),
        (["--model", "x"], {"count": 2}, False),
    ],
)
def test_a_model_server_splits_over_the_gpus_it_is_given(
    words: list[str], device: dict[str, Any], broken: bool
) -> None:
    assert breaks("gpu-count-mismatch", command=words, deploy=gpus(**device)) is broken


def test_a_command_without_gpus_is_not_judged() -> None:
    assert not breaks("gpu-count-mismatch", command=["--tensor-parallel-size", "2"])
