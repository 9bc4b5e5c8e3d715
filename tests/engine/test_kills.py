"""A launch that is killed at any moment leaves no process, and the next one brings everything up again."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from opskit.launch import launch_project
from tests.checkout import remove_project

if TYPE_CHECKING:
    from docker import DockerClient

pytestmark = pytest.mark.engine

KILLS = int(os.environ.get("OPSKIT_KILLS", "6"))
"""`OPSKIT_KILLS=50 pytest tests/engine/test_kills.py` for the long series."""
SERVICES = ("a", "b", "c")


@pytest.fixture
def project(engine: DockerClient) -> Iterator[str]:
    name = f"opskit-test-{uuid.uuid4().hex[:8]}"
    yield name
    remove_project(engine, name)


def text(image: str, number: int) -> str:
    service = (
        f"image: '{image}', command: [sleep, '600'], stop_grace_period: 0s, labels: {{opskit.stable_s: '0.5'}}, "
        f"environment: {{N: '{number}'}}"
    )
    return f"services: {{a: {{{service}}}, b: {{{service}, depends_on: [a]}}, c: {{{service}, depends_on: [b]}}}}"


def of_project(project: str) -> list[psutil.Process]:
    """Processes whose command line names the project, this one's own left out."""
    return [p for p in psutil.process_iter(["cmdline"]) if project in (p.info["cmdline"] or ())]


def test_a_launch_killed_at_any_moment_is_taken_up_by_the_next(
    project: str, engine: DockerClient, engine_host: str, busybox: str, tmp_path: Path
) -> None:
    draw = random.Random(os.environ.get("OPSKIT_SEED", "opskit"))  # noqa: S311  not for secrets
    file = tmp_path / "compose.yml"
    code = (
        f"from opskit.launch import launch_project; print('now', flush=True); "
        f"launch_project({str(file)!r}, {project!r}, engine_host={engine_host!r})"
    )
    for number in range(KILLS):
        recreating = bool(number % 2)
        if not recreating:
            for container in engine.containers.list(
                all=True, filters={"label": f"com.docker.compose.project={project}"}
            ):
                container.remove(force=True)
        file.write_text(text(busybox, number))
        sent = draw.choice((signal.SIGINT, signal.SIGTERM, signal.SIGKILL))
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(draw.uniform(0.0, 1.8))
            process.send_signal(sent)
            process.wait(30)
        until = time.monotonic() + 10
        while (left := of_project(project)) and time.monotonic() < until:
            time.sleep(0.1)
        assert not left, (number, sent, left)
        outcome = launch_project(file, project, deadline_s=30, engine_host=engine_host)
        assert outcome.ok, (number, sent, recreating, outcome)
        label: dict[str, str | list[str] | bool] = {"label": f"com.docker.compose.project={project}"}
        running = engine.containers.list(filters=label)
        assert sorted(c.labels["com.docker.compose.service"] for c in running) == list(SERVICES)
        assert len(engine.containers.list(all=True, filters=label)) == len(SERVICES), "no half replaced one is left"
