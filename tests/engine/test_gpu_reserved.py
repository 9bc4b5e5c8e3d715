"""Which containers an environment's files reserve GPUs for, as the Engine itself keeps it; nothing is started."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from opskit import process
from opskit.audit.journal import Journal
from opskit.compose.client import find_compose
from opskit.environments import read_environments
from opskit.gpu.placement import WORKER_GPUS, place
from opskit.paths import ENVIRONMENTS
from opskit.rehearsal.gpus import recorded_inventory
from opskit.secrets.value import Secret
from opskit.target.machine import Machine
from opskit.target.project import EnvFile, draft_project
from tests.conftest import name

if TYPE_CHECKING:
    from docker import DockerClient

pytestmark = pytest.mark.engine


def reserved(env: str, env_file: EnvFile, client: DockerClient, undo: ExitStack) -> list[list[str]]:
    """The ids of the device requests of the worker's container, made by Compose from the files of a placement."""
    prefix = name()
    environment = read_environments(ENVIRONMENTS)[env].model_copy(update={"prefix": prefix})
    visible = env_file.find_setting(WORKER_GPUS, environment)
    overlays, workers = dict(environment.gpu.items()), dict(environment.worker_gpu.items())
    placement = place("dual", recorded_inventory(), overlays, workers=workers, visible=visible)  # type: ignore[arg-type]
    draft = draft_project(environment, env_file, placement, Machine(level="no", journal=Journal(None)), {})
    project = replace(draft.project, compose=find_compose())
    undo.callback(partial(process.run, project.words("down", "-v"), timeout_s=60, env=project.environment))
    words = project.words("up", "--no-start", "--no-deps", "--scale", "multimodal-worker=1", "multimodal-worker")
    done = process.run(words, timeout_s=60, env=project.environment)
    assert done.rc == 0, done.stderr
    label = f"com.docker.compose.project={project.name}"
    (worker,) = client.containers.list(all=True, filters={"label": label})
    return [request["DeviceIDs"] for request in worker.attrs["HostConfig"]["DeviceRequests"] or ()]


@pytest.fixture(autouse=True)
def _of_the_tests(engine_host: str, image_of: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", engine_host)
    monkeypatch.delenv(WORKER_GPUS, raising=False)
    for variable in ("MULTIMODAL_WORKER_IMAGE", "RETRIEVAL_PROXY_IMAGE"):
        monkeypatch.setenv(variable, image_of("nginx"))


def test_a_worker_on_the_cpu_reserves_no_gpu(engine: DockerClient, undo: ExitStack) -> None:
    assert reserved("staging", EnvFile({}), engine, undo) == []


def test_a_worker_on_the_gpus_reserves_those_of_the_placement(engine: DockerClient, undo: ExitStack) -> None:
    ids = [gpu.device_id for gpu in recorded_inventory().gpus]
    assert reserved("development", EnvFile({}), engine, undo) == [ids]


def test_the_env_file_wins_over_the_environment_s_settings(engine: DockerClient, undo: ExitStack) -> None:
    written = EnvFile({WORKER_GPUS: Secret(WORKER_GPUS, "0,1")})
    assert len(reserved("staging", written, engine, undo)) == 1


def test_an_empty_variable_of_the_shell_wins_over_all(
    engine: DockerClient, undo: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WORKER_GPUS, "")
    written = EnvFile({WORKER_GPUS: Secret(WORKER_GPUS, "0,1")})
    assert reserved("development", written, engine, undo) == []
