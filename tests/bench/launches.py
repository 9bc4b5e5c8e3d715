"""Launches beside `docker compose up -d --wait`, interleaved in one run: `python tests/bench/launches.py`.

Twelve services with health checks of a second, on the Engine that answers, else a private one.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opskit import launch_project
from opskit.compose.client import Project, find_compose
from opskit.engine.client import connect
from opskit.engine.listed import read_states
from opskit.paths import AUDIT, ROOT, STATE
from opskit.rehearsal.engine import find_engine
from opskit.rehearsal.images import ensure_images

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

ROUNDS = int(os.environ.get("OPSKIT_ROUNDS", "9"))
SERVICES = 12
CONTAINERS = 300
STATUS_AGE_S = 5.0
HEALTHY = {"test": ["CMD", "true"], "interval": "1s", "start_period": "5s", "retries": 3}


def write_project(folder: Path, image: str) -> Path:
    """Twelve services: each third needs the one before it to be healthy."""
    services = {}
    for number in range(SERVICES):
        service = {"image": image, "command": ["sleep", "600"], "init": True, "healthcheck": HEALTHY}
        if number % 3 == 2:
            service["depends_on"] = {f"s{number - 1:02}": {"condition": "service_healthy"}}
        services[f"s{number:02}"] = service
    file = folder / "compose.yml"
    file.write_text(json.dumps({"services": services}))
    return file


def timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def ratio(what: str, ours: list[float], theirs: list[float]) -> None:
    each = [a / b for a, b in zip(ours, theirs, strict=True)]
    print(
        f"{what}: {statistics.median(ours) / statistics.median(theirs):.2f} "
        f"({statistics.median(ours):.2f} s / {statistics.median(theirs):.2f} s; pairs {min(each):.2f}-{max(each):.2f})",
        flush=True,
    )


def main() -> None:
    """Print every ratio."""
    engine = find_engine(STATE)
    if engine is None:
        sys.exit("no Docker Engine answers")
    os.environ["DOCKER_HOST"] = engine.host
    client = connect(engine.host)
    image = ensure_images(client, ["nginx"], cache=STATE / "cache", say=print)["nginx"]
    with tempfile.TemporaryDirectory() as folder:
        file = write_project(Path(folder), image)
        measure_launch(file, engine.host)
        measure_events(client, file, engine.host, "health_status: healthy", SERVICES)
        file.write_text(json.dumps({"services": {"a": {"image": image, "command": ["false"], "restart": "always"}}}))
        measure_events(client, file, engine.host, "die", 3)
        measure_status(client, image)
        measure_start(Path(folder))


def measure_launch(file: Path, host: str) -> None:
    """Fresh and converged, in this process and as a process of its own, beside Compose's own waiting."""
    name = f"opskit-bench-{uuid.uuid4().hex[:8]}"
    project = Project(find_compose(), name, (file,), engine_host=host)
    code = f"import opskit, sys; sys.exit(not opskit.launch_project({str(file)!r}, {name!r}).ok)"

    def up() -> None:
        subprocess.run(project.words("up", "-d", "--wait"), check=True, capture_output=True)

    def ours() -> None:
        outcome = launch_project(file, name, engine_host=host)
        assert outcome.ok, outcome

    def process() -> None:
        subprocess.run([sys.executable, "-c", code], check=True)

    def down() -> None:
        subprocess.run(project.words("down", "-v", "-t", "0"), check=True, capture_output=True)

    fresh: dict[str, list[float]] = {"up": [], "ours": []}
    converged: dict[str, list[float]] = {"up": [], "ours": [], "process": []}
    try:
        ours()
        for number in range(ROUNDS):
            for act in (up, ours) if number % 2 else (ours, up):
                down()
                fresh[act.__name__].append(timed(act))
            for act in (up, ours, process) if number % 2 else (process, ours, up):
                converged[act.__name__].append(timed(act))
    finally:
        down()
    print(f"medians of {ROUNDS}, {SERVICES} services with health checks, beside `docker compose up -d --wait`")
    ratio("launch_project, fresh", fresh["ours"], fresh["up"])
    ratio("launch_project, converged", converged["ours"], converged["up"])
    ratio("a Python process that launches, converged", converged["process"], converged["up"])


def measure_events(client: DockerClient, file: Path, host: str, action: str, count: int) -> None:
    """Milliseconds from the last event that counts to the launch's answer."""
    taken = []
    for _ in range(ROUNDS):
        name = f"opskit-bench-{uuid.uuid4().hex[:8]}"
        filters = {"label": f"com.docker.compose.project={name}", "event": action.partition(":")[0]}
        stream = client.events(decode=True, filters=filters)
        seen: list[float] = []

        def note(stream: Any = stream, seen: list[float] = seen) -> None:
            seen.extend(event["timeNano"] / 1e9 for event in stream if event["Action"] == action)

        reader = threading.Thread(target=note, daemon=True)
        reader.start()
        launch_project(file, name, engine_host=host)
        taken.append(time.time())
        stream.close()
        reader.join(2)
        taken[-1] -= sorted(seen)[count - 1]
        subprocess.run(Project(find_compose(), name, (file,), engine_host=host).words("down", "-t", "0"), check=True,
                       capture_output=True)  # fmt: skip
    print(
        f"event {count} of {action!r} -> return: {statistics.median(taken) * 1000:.0f} ms (most {max(taken) * 1000:.0f} ms)",
        flush=True,
    )


def measure_status(client: DockerClient, image: str) -> None:
    """How 300 containers of a project stand, beside `docker ps -a`; they run for some seconds first."""
    name = f"opskit-bench-{uuid.uuid4().hex[:8]}"
    labels = {"com.docker.compose.project": name, "com.docker.compose.oneoff": "False"}
    boxes: list[Container] = []
    try:
        for _ in range(CONTAINERS):
            box = client.containers.create(image, ["sleep", "3600"], labels=labels, network_mode="none")
            boxes.append(box)
            box.start()
        time.sleep(STATUS_AGE_S)
        ours, theirs = [], []
        for _ in range(ROUNDS):
            ours.append(timed(lambda: read_states(client, name, now_s=time.time())))
            theirs.append(timed(lambda: subprocess.run(["docker", "ps", "-a"], check=True, capture_output=True)))
        ratio(f"status of {CONTAINERS} containers / docker ps -a", ours, theirs)
    finally:
        for box in boxes:
            box.remove(force=True)


def measure_start(folder: Path) -> None:
    """A headless start of the converged rehearsal, beside an empty papermill notebook and its own launch and checks."""
    empty = folder / "empty.ipynb"
    cell: dict[str, object] = {"cell_type": "code", "id": "a", "metadata": {"tags": ["parameters"]}, "execution_count": None,
            "outputs": [], "source": "env = ''"}  # fmt: skip
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    empty.write_text(json.dumps({"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}))
    start = [sys.executable, "-m", "opskit", "run", "start", "-p", "env", "development", "-p", "rehearse", "true"]
    papermill = [sys.executable, "-m", "papermill", "-p", "env", "development", str(empty), str(folder / "out.ipynb")]

    def run(words: list[str]) -> float:
        return timed(lambda: subprocess.run(words, check=True, capture_output=True, cwd=ROOT, stdin=subprocess.DEVNULL))

    run(start)
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(run(start))
        newest = max(AUDIT.rglob("record.json"), key=lambda path: path.stat().st_mtime)
        seconds = json.loads(newest.read_text(encoding="utf-8"))["seconds"]
        theirs.append(run(papermill) + sum(seconds[part] for part in ("compose", "containers", "verify", "smoke")))
    ratio("headless converged start / (an empty papermill notebook + launch and checks)", ours, theirs)


if __name__ == "__main__":
    main()
