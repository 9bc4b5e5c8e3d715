from __future__ import annotations

from typing import Any

import pytest

from tests.judged import places, sound


def port(host_ip: str = "127.0.0.1", published: str = "8080", protocol: str = "tcp") -> dict[str, Any]:
    return sound(ports=[{"target": 80, "published": published, "host_ip": host_ip, "protocol": protocol}])


@pytest.mark.parametrize(
    ("other", "clash"),
    [
        (port(), True),
        (port("0.0.0.0"), True),
        (port("::"), True),
        (port("127.0.0.2"), False),
        (port(published="8081"), False),
        (port(protocol="udp"), False),
        (port(published=""), False),
    ],
)
def test_a_port_of_the_host_is_one_services(other: dict[str, Any], clash: bool) -> None:
    assert places("port-published-twice", {"one": port(), "two": other}) == (["services/two/ports/0"] if clash else [])


def bind(source: str) -> dict[str, Any]:
    return {"web": sound(volumes=[{"type": "bind", "source": source, "target": "/x"}])}


@pytest.mark.parametrize(
    ("source", "inside"),
    [("/project", True), ("/project/a", True), ("/project-2/a", False), ("/project/../etc", False), ("/etc", False)],
)
def test_what_is_mounted_is_in_the_project(source: str, inside: bool) -> None:
    assert places("host-path-outside", bind(source)) == ([] if inside else ["services/web/volumes/0"])


def test_a_volume_is_no_path() -> None:
    volume = {"type": "volume", "source": "data", "target": "/x"}
    assert not places("host-path-outside", {"web": sound(volumes=[volume])})


def test_what_is_mounted_is_there() -> None:
    assert places("host-path-missing", bind("/project/a"), present={"/project/a": False}) == ["services/web/volumes/0"]
    assert not places("host-path-missing", bind("/project/a"), present={"/project/a": True})
    assert not places("host-path-missing", bind("/project/a"), present=None)


@pytest.mark.parametrize("section", ["configs", "secrets"])
def test_a_secret_file_and_a_config_file_are_mounts_too(section: str) -> None:
    file = {section: {"key": {"file": "/elsewhere/key"}, "env": {"environment": "KEY"}}}
    assert places("host-path-outside", **file) == [f"{section}/key"]
    assert places("host-path-missing", present={"/elsewhere/key": False}, **file) == [f"{section}/key"]


@pytest.mark.parametrize("section", ["networks", "volumes"])
def test_a_network_and_a_volume_are_the_projects_own(section: str) -> None:
    assert places("external-resource", **{section: {"a": {"external": True}}}) == [f"{section}/a"]
    assert not places("external-resource", **{section: {"a": None, "b": {"name": "b"}}})


def test_a_network_is_accepted_by_a_service_in_it() -> None:
    labels = {"opskit.accept.external-resource": "the site's proxy is on it"}
    services = {"web": sound(networks={"a": None}, labels=labels)}
    assert not places("accept-stale", services, networks={"a": {"external": True}})


def test_a_subnet_is_left_to_the_engine() -> None:
    fixed = {"ipam": {"config": [{"subnet": "172.25.0.0/24"}]}}
    assert places("subnet-fixed", networks={"a": fixed}) == ["networks/a/ipam"]
    assert not places(
        "subnet-fixed", networks={"a": {"ipam": {}}, "b": {"ipam": {"config": [{"gateway": "10.0.0.1"}]}}}
    )


def needing(condition: str, **changed: Any) -> dict[str, Any]:
    waiting = sound(depends_on={"other": {"condition": f"service_{condition}"}})
    return {"other": sound(**changed), "web": waiting}


PLACE = ["services/web/depends_on/other"]


def test_a_service_with_a_health_check_is_waited_for() -> None:
    assert places("dependency-unready", needing("started")) == PLACE
    assert not places("dependency-unready", needing("healthy"))
    assert not places("dependency-unready", needing("started", healthcheck=None))


ONE_SHOT = {"healthcheck": None, "restart": "no"}


@pytest.mark.parametrize("condition", ["started", "healthy"])
@pytest.mark.parametrize(
    "changed", [ONE_SHOT, {**ONE_SHOT, "restart": "on-failure"}, {"labels": {"opskit.role": "oneshot"}}]
)
def test_a_one_shots_end_is_waited_for(condition: str, changed: dict[str, Any]) -> None:
    assert places("one-shot-unfinished", needing(condition, **changed)) == PLACE
    assert not places("dependency-unready", needing(condition, **changed))


def test_a_one_shot_whose_end_is_waited_for_is_sound() -> None:
    assert not places("one-shot-unfinished", needing("completed_successfully", **ONE_SHOT))


def test_one_that_restarts_is_no_one_shot() -> None:
    assert not places("one-shot-unfinished", needing("started", healthcheck=None))


def test_a_service_that_is_not_in_the_stack_is_left_to_compose() -> None:
    assert not places("dependency-unready", {"web": needing("started")["web"]})
