from __future__ import annotations

import pytest

from tests.judged import faults, places


def service(line: str) -> str:
    return f"services:\n  web:\n    {line}\n"


@pytest.mark.parametrize(
    ("value", "blank"),
    [
        ("${A}", True),
        ("$A", True),
        ("x-$A-y", True),
        ("${A:-${B}}", True),
        ("${A:-b}", False),
        ("${A-b}", False),
        ("${A:-}", False),
        ("${A:?why}", False),
        ("${A?}", False),
        ("${A:+b}", False),
        ("$$A", False),
        ("$${A}", False),
        ("$$$A", True),
        ("costs 5$", False),
    ],
)
def test_a_variable_is_never_silently_blank(value: str, blank: bool) -> None:
    found = places("interpolation-blank", text=service(f"environment: {{X: '{value}'}}"))
    assert found == (["c.yml: line 3"] if blank else [])


def test_a_comment_may_name_a_variable() -> None:
    assert not places("interpolation-blank", text=service("image: redis:8  # not ${A}"))


def test_what_is_aliased_is_judged_where_it_is_used() -> None:
    text = "x-env: &env {A: $A}\nservices:\n  web:\n    environment: {<<: *env}\n  unused: {}\n"
    (fault,) = faults(text=text)
    assert (fault.place, fault.message.split(";")[0]) == (
        "c.yml: line 1",
        "found A with neither a default nor a demand in services/web/environment/A",
    )


def test_a_tag_of_compose_is_read_over() -> None:
    assert faults(text=service("mem_limit: !reset null")) == ()


@pytest.mark.parametrize(
    "image",
    [
        "redis",
        "redis:latest",
        "redis:alpine",
        "localhost:5000/redis",
        "ghcr.io/berriai/litellm:main-latest",
        "open-webui:main",
        "vllm:nightly-cu129",
        "redis:${TAG:-latest}",
    ],
)
def test_an_image_without_a_version_is_a_fault(image: str) -> None:
    assert places("image-floating", text=service(f'image: "{image}"')) == ["c.yml: line 3"]


@pytest.mark.parametrize(
    "image",
    [
        "redis:8",
        "localhost:5000/redis:8.10.1-alpine",
        "redis:latest@sha256:" + "0" * 64,
        "pgsty/silo:RELEASE.2026-09-16T00-00-00Z",
        "${OWN:?set it}",
        "own/worker:${TAG?}",
        "redis:${TAG:-8.10.1}",
    ],
)
def test_an_image_of_a_version_a_digest_or_the_operators_is_sound(image: str) -> None:
    assert not places("image-floating", text=service(f'image: "{image}"'))


PORTS = [
    '"127.0.0.1:${P:-80}:80"',
    '"${P:-80}:80"',
    '"[::1]:${P:-80}:80/tcp"',
    '{host_ip: "${H:-::1}", published: "${P:-80}", target: 80}',
]


@pytest.mark.parametrize("port", PORTS)
@pytest.mark.parametrize(
    ("line", "inside"),
    [
        ("environment: {DSN: 'db:${P:-80}'}", True),
        ("environment: ['PORT=${P:-80}']", True),
        ("command: [serve, '${P:-80}']", True),
        ("entrypoint: serve ${P:-80}", True),
        ("expose: ['${P:-80}']", True),
        ("healthcheck: {test: [CMD, curl, 'http://127.0.0.1:${P:-80}/']}", True),
        ("environment: {URL: 'http://127.0.0.1:${P:-80}/'}", False),
        ("environment: ['URL=http://localhost:${P:-80}/']", False),
        ("environment: {H: '${H:-::1}', Q: '${Q:-80}'}", False),
        ("labels: {shown: '${P:-80}'}", False),
    ],
)
def test_a_published_ports_variable_stays_outside_the_network(port: str, line: str, inside: bool) -> None:
    text = f"{service(line)}  db:\n    ports: [{port}]\n"
    assert places("published-variable-reused", text=text) == (["c.yml: line 3"] if inside else [])


@pytest.mark.parametrize(
    "port", ['"${P:-80}:${P:-80}"', '"127.0.0.1:${P:-80}:${P:-80}"', '{published: "${P:-80}", target: "${P:-80}"}']
)
def test_a_published_ports_variable_is_not_the_target(port: str) -> None:
    assert places("published-variable-reused", text=service(f"ports: [{port}]")) == ["c.yml: line 3"]


def test_a_service_on_the_hosts_network_dials_what_is_published() -> None:
    text = service("environment: {PORT: '${P:-80}'}") + "    network_mode: host\n  db:\n    ports: ['${P:-80}:80']\n"
    assert not places("published-variable-reused", text=text)


def test_a_port_that_only_names_its_target_publishes_no_variable() -> None:
    text = service('ports: ["${P:-80}"]') + "    command: serve ${P:-80}\n"
    assert not places("published-variable-reused", text=text)


@pytest.mark.parametrize(
    "line",
    [
        "command: redis-server --requirepass ${REDIS_PASSWORD:?}",
        "command: [redis-server, '${REDIS_PASSWORD:?}']",
        "entrypoint: [sh, -c, 'x $REDIS_PASSWORD']",
        "healthcheck: {test: [CMD, redis-cli, -a, '${REDIS_PASSWORD:-x}', ping]}",
    ],
)
def test_a_secret_is_in_no_command(line: str) -> None:
    assert places("secret-in-command", text=service(line)) == ["c.yml: line 3"]


@pytest.mark.parametrize(
    "line",
    [
        "command: [sh, -c, 'x $$REDIS_PASSWORD $${REDIS_PASSWORD}']",
        "command: [serve, '${REDIS_PASSWORD_FILE:-/x}']",
        "environment: {REDIS_PASSWORD: '${REDIS_PASSWORD:?}'}",
    ],
)
def test_a_secret_that_the_container_reads_is_sound(line: str) -> None:
    assert not places("secret-in-command", text=service(line))
