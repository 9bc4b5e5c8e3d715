"""The stack's files, resolved by Compose itself: what the lint and the matrix do not say of them."""

from __future__ import annotations

import re

import pytest

from opskit.compose.client import find_compose
from opskit.compose.model import Stack
from opskit.compose.source import read_source
from opskit.environments import GpuMode, read_environments
from opskit.health.endpoints import endpoints_of
from opskit.paths import COMPOSE, ENVIRONMENTS, ROOT
from opskit.runbook.matrix import resolve as resolve_column
from opskit.secrets.policy import BY_NAME

BASE = "litellm minio multimodal-worker n8n nginx openwebui postgres qdrant redis retrieval-proxy vllm"
OWN = {"MULTIMODAL_WORKER_IMAGE", "RETRIEVAL_PROXY_IMAGE", "TLS_DIR"}
ENVIRONMENT_NAMES = [name for name, e in read_environments(ENVIRONMENTS).items() if not e.act_on]
STORES = {"postgres", "redis", "qdrant", "minio"}


def resolve(name: str, mode: GpuMode, **more: str) -> Stack:
    return resolve_column(read_environments(ENVIRONMENTS)[name], mode, find_compose(), **more).stack


@pytest.fixture(scope="module", params=["dual", "single", "cpu"])
def stack(request: pytest.FixtureRequest) -> Stack:
    return resolve("development", request.param, LITELLM_PORT="14000", POSTGRES_PORT="15432")


@pytest.fixture(scope="module", params=ENVIRONMENT_NAMES)
def any_stack(request: pytest.FixtureRequest) -> Stack:
    return resolve(request.param, "dual")


def test_the_base_stack_is_complete(stack: Stack) -> None:
    assert sorted(service.name for service in stack.services) == BASE.split()


def test_no_service_may_gain_rights_and_each_says_which_it_needs(any_stack: Stack) -> None:
    for service in any_stack.services:
        assert service.raw["security_opt"] == ["no-new-privileges:true"], service.name
        assert service.raw["cap_drop"] == ["ALL"], service.name
        assert set(service.raw.get("cap_add") or ()) <= {
            "CHOWN",
            "DAC_OVERRIDE",
            "FOWNER",
            "NET_BIND_SERVICE",
            "SETGID",
            "SETPCAP",
            "SETUID",
        }, service.name
        assert not service.raw.get("privileged"), service.name
        assert "docker.sock" not in repr(service.raw.get("volumes")), service.name


@pytest.mark.parametrize("name", ["staging", "production", "optimized"])
def test_stores_that_are_not_published_have_no_way_out(name: str) -> None:
    found = resolve(name, "dual")
    for service in found.services:
        if service.name in STORES:
            assert not service.ports, service.name
            assert set(service.raw["networks"]) == {"stores-net"}, service.name
    assert found.raw["networks"]["stores-net"]["internal"] is True


def test_no_secret_is_in_a_command_and_each_one_demanded_has_a_rule(any_stack: Stack) -> None:
    for service in any_stack.services:
        assert "value-of-" not in repr(service.raw.get("command")), service.name
    for file in COMPOSE.glob("docker-compose*.yml"):
        assert read_source([file]).demanded - OWN <= BY_NAME.keys(), file.name


def test_an_environment_demands_only_the_secrets_it_uses() -> None:
    assert read_source([COMPOSE / "docker-compose.allure.yml"]).demanded == {"ALLURE_PASSWORD", "ALLURE_JWT_SECRET_KEY"}
    assert read_source([COMPOSE / "docker-compose.jmeter.yml"]).demanded == set()


def test_ports_are_local_and_a_variable_moves_the_published_side_alone(stack: Stack) -> None:
    assert {port.host_ip for port in stack.ports} == {"127.0.0.1"}
    assert [(port.published, port.target) for port in stack.service("litellm").ports] == [(14000, 4000)]
    assert stack.service("multimodal-worker").raw["environment"]["POSTGRES_PORT"] == "5432"
    assert stack.service("litellm").raw["environment"]["DATABASE_PORT"] == "5432"


def test_every_published_port_says_what_it_is_for(any_stack: Stack) -> None:
    assert len(endpoints_of(any_stack)) == len(any_stack.ports)


def test_gpus_are_reserved_only_where_there_are_any(stack: Stack, request: pytest.FixtureRequest) -> None:
    mode = request.node.callspec.params["stack"]
    ids = {"dual": ("0", "1"), "single": ("0",), "cpu": None}[mode]
    found = {s.name: s.devices[0].device_ids for s in stack.services if s.devices}
    assert found == ({} if ids is None else {"vllm": ids, "multimodal-worker": ids})


@pytest.mark.parametrize("mode", ["dual", "single"])
def test_by_hand_the_gpu_overlay_gives_gpus_to_the_model_server_alone(mode: GpuMode) -> None:
    environment = read_environments(ENVIRONMENTS)["development"].model_copy(update={"worker_gpu": {}})
    by_hand = resolve_column(environment, mode, find_compose()).stack
    assert [service.name for service in by_hand.services if service.devices] == ["vllm"]


def test_two_gpus_split_each_layer_by_hand_too_and_all_else_of_the_command_stays() -> None:
    # An empty variable takes the default of the file, as where nobody sets it.
    by_hand = resolve("development", "dual", TENSOR_PARALLEL_SIZE="")
    command = by_hand.service("vllm").raw["command"]
    assert command[-3:] == ["--tensor-parallel-size", "2", "--no-disable-custom-all-reduce"]
    assert command[:-3] == resolve("development", "single").service("vllm").raw["command"][:-2]


def test_the_placement_s_word_switches_the_custom_all_reduce_off() -> None:
    settings = {"VLLM_CUSTOM_ALL_REDUCE": "--disable-custom-all-reduce", "NCCL_P2P_DISABLE": "1"}
    vllm = resolve("production", "dual", **settings).service("vllm")
    assert vllm.raw["command"][-1] == "--disable-custom-all-reduce"
    assert vllm.options["tensor-parallel-size"] == "2"
    assert "disable-custom-all-reduce" in vllm.options
    assert vllm.raw["environment"]["NCCL_P2P_DISABLE"] == "1"


def test_the_gpu_exporter_is_there_only_with_gpus() -> None:
    assert any(service.name == "dcgm-exporter" for service in resolve("production", "single").services)
    assert not any(service.name == "dcgm-exporter" for service in resolve("production", "cpu").services)


def test_only_nginx_in_production_is_open_to_the_network() -> None:
    opened = {
        (name, port.service)
        for name in ENVIRONMENT_NAMES
        for port in resolve(name, "dual").ports
        if port.host_ip != "127.0.0.1"
    }
    assert opened == {("production", "nginx")}


def test_the_watching_overlay_goes_on_any_environment_with_the_base_services() -> None:
    environment = read_environments(ENVIRONMENTS)["staging"]
    more = environment.model_copy(update={"compose": (*environment.compose, "docker-compose.prometheus-grafana.yml")})
    names = {service.name for service in resolve_column(more, "single", find_compose()).stack.services}
    assert {"prometheus", "alertmanager", "grafana", "postgres-exporter", "redis-exporter", "dcgm-exporter"} <= names


def test_what_qdrant_writes_is_on_its_volume(any_stack: Stack) -> None:
    for service in (service for service in any_stack.services if service.name == "qdrant"):
        (volume,) = [mount.target for mount in service.mounts if mount.kind == "volume"]
        assert service.raw["environment"]["QDRANT__STORAGE__SNAPSHOTS_PATH"].startswith(f"{volume}/")


MODES: tuple[GpuMode, ...] = ("dual", "single", "cpu")
IMAGES = (ROOT / "docs/images.md").read_text()


def test_every_image_of_every_environment_is_documented_with_its_memory_limits() -> None:
    limits: dict[str, set[float]] = {}
    for name in ENVIRONMENT_NAMES:
        for mode in MODES:
            for service in resolve(name, mode, **dict.fromkeys(OWN, "ours")).services:
                memory = int(service.raw["deploy"]["resources"]["limits"]["memory"])
                limits.setdefault(service.image or "", set()).add(memory / 1024**3)
    del limits["ours"]
    rows = re.findall(r"^\| `([^`]+)` \| .+ \| .+ \| .+ \| ([\d., ]+) \| .+ \|$", IMAGES, re.MULTILINE)
    assert {image: {float(word) for word in cell.split(",")} for image, cell in rows} == limits


def test_what_the_two_own_images_are_given_is_documented() -> None:
    contract = IMAGES.partition("## The stack's own two images")[2]
    names = {re.sub(r"^POSTGRES_", "", word) for word in re.findall(r"`([A-Z_]+)`", contract)}
    for name in ENVIRONMENT_NAMES:
        for service in resolve(name, "dual").services:
            if service.name in ("multimodal-worker", "retrieval-proxy"):
                given = {re.sub(r"^POSTGRES_", "", word).removeprefix("_") for word in service.raw["environment"]}
                assert given <= {word.removeprefix("_") for word in names} | {"CUDA_DEVICE_ORDER"}, service.name
