"""The stack's files, resolved by Compose itself: what the environments are, cell by cell."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from opskit.compose.cli import Project, find_compose
from opskit.compose.model import Stack
from opskit.compose.variables import read_demanded
from opskit.environments import GpuMode, read_environments
from opskit.health.probe import endpoints_of
from opskit.paths import COMPOSE, ENVIRONMENTS
from opskit.secrets.policy import BY_NAME

BASE = "litellm minio multimodal-worker n8n nginx openwebui postgres qdrant redis retrieval-proxy vllm"
OWN = {"MULTIMODAL_WORKER_IMAGE": "own/worker:1", "RETRIEVAL_PROXY_IMAGE": "own/proxy:1"}


def resolve(name: str, mode: GpuMode, **more: str) -> Stack:
    environment = read_environments(ENVIRONMENTS)[name]
    files = tuple(COMPOSE / file for file in (*environment.compose, environment.gpu[mode]))
    values = {name: f"value-of-{name}" for name in read_demanded(files) - OWN.keys()}
    environ = {**environment.settings, **values, **OWN, **more}
    resolved = Project(find_compose(), environment.project, files, environ=environ).read_stack()
    assert isinstance(resolved, Stack), resolved
    return resolved


@pytest.fixture(scope="module", params=["dual", "single", "cpu"])
def stack(request: pytest.FixtureRequest) -> Stack:
    return resolve("development", request.param, LITELLM_PORT="14000", POSTGRES_PORT="15432")


@pytest.fixture(scope="module", params=["development", "staging", "production", "optimized"])
def any_stack(request: pytest.FixtureRequest) -> Stack:
    return resolve(request.param, "dual")


def test_the_base_stack_is_complete(stack: Stack) -> None:
    assert sorted(service.name for service in stack.services) == BASE.split()


def test_every_image_is_pinned(any_stack: Stack) -> None:
    for service in any_stack.services:
        assert re.search(r":[\w.-]*\d", service.image or ""), service.image
        assert not (service.image or "").endswith((":latest", ":main"))


def test_every_service_is_watched_limited_and_restarted(any_stack: Stack) -> None:
    for service in any_stack.services:
        assert service.healthcheck, service.name
        assert service.memory_limit_bytes, service.name
        assert service.restart == "unless-stopped", service.name
        assert service.raw["logging"]["options"]["max-size"] == "10m", service.name
        assert service.raw["security_opt"] == ["no-new-privileges:true"], service.name
        assert "container_name" not in service.raw, service.name


def test_no_secret_is_in_a_command_and_each_one_demanded_has_a_rule(stack: Stack) -> None:
    for service in stack.services:
        assert "value-of-" not in repr(service.raw.get("command")), service.name
    demanded = read_demanded([COMPOSE / "docker-compose.yml"]) - OWN.keys()
    assert demanded <= BY_NAME.keys()


def test_ports_are_local_and_a_variable_moves_the_published_side_alone(stack: Stack) -> None:
    assert {port.host_ip for port in stack.ports} == {"127.0.0.1"}
    assert [(port.published, port.target) for port in stack.service("litellm").ports] == [(14000, 4000)]
    assert stack.service("multimodal-worker").raw["environment"]["POSTGRES_PORT"] == "5432"
    assert stack.service("litellm").raw["environment"]["DATABASE_PORT"] == "5432"


def test_every_published_port_says_what_it_is_for(any_stack: Stack) -> None:
    assert len(endpoints_of(any_stack)) == len(any_stack.ports)


def test_no_network_or_volume_is_somebody_elses(any_stack: Stack) -> None:
    for section in ("networks", "volumes"):
        for entry in any_stack.raw[section].values():
            assert not (entry or {}).get("external")
            assert not (entry or {}).get("ipam")


def test_gpus_are_reserved_only_where_there_are_any(stack: Stack, request: pytest.FixtureRequest) -> None:
    mode = request.node.callspec.params["stack"]
    ids = {"dual": ("0", "1"), "single": ("0",), "cpu": None}[mode]
    found = {s.name: s.devices[0].device_ids for s in stack.services if s.devices}
    assert found == ({} if ids is None else {"vllm": ids, "multimodal-worker": ids})


def test_every_mounted_file_is_in_the_project(any_stack: Stack) -> None:
    for owner, path in any_stack.bind_sources:
        assert Path(path).exists(), (owner, path)


def test_what_is_scaled_has_no_port_of_the_host(any_stack: Stack) -> None:
    for service in any_stack.services:
        assert service.replicas == 1 or not service.ports, service.name


GIB = 1024**3


@pytest.mark.parametrize(
    ("name", "replicas", "postgres_gib", "redis_mib", "utilisation", "without"),
    [
        ("staging", {"multimodal-worker": 2, "retrieval-proxy": 2}, 2, 512, "0.85", {"nginx"}),
        ("production", {"multimodal-worker": 3, "retrieval-proxy": 3, "litellm": 2}, 4, 1024, "0.90", set()),
        ("optimized", {"multimodal-worker": 3, "retrieval-proxy": 2}, 4, 2048, "0.90", {"openwebui", "n8n"}),
    ],
)
def test_each_environment_is_as_the_matrix_says(  # noqa: PLR0917
    name: str,
    replicas: dict[str, int],
    postgres_gib: int,
    redis_mib: int,
    utilisation: str,
    without: set[str],
) -> None:
    found = resolve(name, "dual")
    assert {s.name: s.replicas for s in found.services if s.replicas > 1} == replicas
    assert found.service("postgres").memory_limit_bytes == postgres_gib * GIB
    assert found.service("redis").memory_limit_bytes == redis_mib * 1024**2
    command = found.service("vllm").raw["command"]
    assert command[command.index("--gpu-memory-utilization") + 1] == utilisation
    names = {service.name for service in found.services}
    assert set(BASE.split()) - names == without
    assert ({"prometheus", "grafana"} <= names) == (name == "production")


def test_only_nginx_in_production_is_open_to_the_network() -> None:
    for name in ("development", "staging", "production", "optimized"):
        opened = {port.service for port in resolve(name, "dual").ports if port.host_ip != "127.0.0.1"}
        assert opened == ({"nginx"} if name == "production" else set()), name
