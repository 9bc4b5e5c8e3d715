from __future__ import annotations

from opskit.engine.facts import PublishedPort, _container

# One entry of GET /containers/json, Engine 20.10.24 (API 1.41), shortened.
ENTRY = {
    "Id": "fc0fd342dc54",
    "Names": ["/multimodal-development-redis-1"],
    "Image": "redis:8.10.1-alpine",
    "Status": "Up 2 minutes (healthy)",
    "State": "running",
    "Labels": {
        "com.docker.compose.project": "multimodal-development",
        "com.docker.compose.service": "redis",
        "com.docker.compose.config-hash": "099072b6",
    },
    "Ports": [
        {"IP": "127.0.0.1", "PrivatePort": 6379, "PublicPort": 6379, "Type": "tcp"},
        {"PrivatePort": 6380, "Type": "tcp"},
    ],
}


def test_only_published_ports_hold_a_port_of_the_host() -> None:
    assert _container(ENTRY).published == (PublishedPort("127.0.0.1", 6379, "tcp"),)


def test_a_container_of_compose_is_known_by_its_labels() -> None:
    fact = _container(ENTRY)
    assert (fact.name, fact.project, fact.service) == (
        "multimodal-development-redis-1",
        "multimodal-development",
        "redis",
    )


def test_a_container_without_compose_or_ports_is_read_too() -> None:
    fact = _container({**ENTRY, "Labels": None, "Ports": None, "Names": None})
    assert (fact.name, fact.project, fact.service, fact.published) == ("?", None, None, ())
