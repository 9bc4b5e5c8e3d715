"""Medians within one run: `python tests/bench/bench.py`. A part that needs gcc or a Docker Engine says where there is none."""

from __future__ import annotations

import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from opskit.audit.journal import Journal
from opskit.compose.model import Stack
from opskit.engine.client import connect
from opskit.engine.facts import EngineFacts
from opskit.environments import read_environments
from opskit.paths import ENVIRONMENTS, ROOT, STATE
from opskit.preflight.checks.image import missing_images
from opskit.preflight.report import Report
from opskit.rehearsal.engine import find_engine
from opskit.rehearsal.images import ensure_images
from opskit.target.collect import collect_here
from opskit.target.target import Target

if TYPE_CHECKING:
    from docker import DockerClient

ROUNDS = 7
CONTAINERS = 30
ENVIRONMENT = read_environments(ENVIRONMENTS)["development"]
READ_GPUS = f"""
import statistics, time
from opskit.host.nvml import read_inventory
taken = []
for _ in range({ROUNDS} + 1):
    began = time.perf_counter()
    inventory = read_inventory()
    taken.append(time.perf_counter() - began)
print(len(inventory.gpus), len(inventory.links), statistics.median(taken[1:]) * 1000)
"""


def median_s(act: Callable[[], object], rounds: int = ROUNDS) -> float:
    """The median of some rounds, in seconds, after one that is not counted."""
    act()
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        act()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def importing(module: str) -> Callable[[], object]:
    """A fresh interpreter that imports it."""
    return lambda: subprocess.run([sys.executable, "-c", f"import {module}"], check=True)


def say(what: str, ours: float, other: str, theirs: float) -> None:
    """One line: a ratio and the two medians."""
    print(f"{what} / {other}: {ours / theirs:.2f}  ({ours * 1000:.0f} ms / {theirs * 1000:.0f} ms)")


def read_gpus() -> None:
    """One line: a whole inventory of eight GPUs on a switch, told by the tests' stand-in for NVIDIA's library."""
    gcc = shutil.which("gcc")
    if gcc is None:
        print("gcc is not on PATH: the inventory of eight GPUs was not measured")
        return
    with tempfile.TemporaryDirectory() as folder:
        words = (gcc, "-shared", "-fPIC", "-O1", "-o", f"{folder}/libnvidia-ml.so.1", ROOT / "tests/data/nvml/nvml.c")
        subprocess.run(words, check=True)
        eight = {"NVML_GPUS": "8", "NVML_LINKS": "/".join(["S" * 12] * 8), "LD_LIBRARY_PATH": folder}
        reading = (sys.executable, "-c", READ_GPUS)
        said = subprocess.run(reading, env={**os.environ, **eight}, check=True, capture_output=True, text=True)
    gpus, links, taken_ms = said.stdout.split()
    print(f"inventory of {gpus} GPUs with {links} NVLinks: {float(taken_ms):.1f} ms")


def main() -> None:
    """Print every figure."""
    bare = median_s(importing("sys"))
    say("import opskit", median_s(importing("opskit")), "import docker", median_s(importing("docker")))
    say(
        "import opskit.host.nvml",
        median_s(importing("opskit.host.nvml")),
        "import pynvml",
        median_s(importing("pynvml")),
    )
    print(f"(a bare interpreter: {bare * 1000:.0f} ms)")
    read_gpus()
    engine = find_engine(STATE)
    if engine is None:
        print("no Docker Engine answers: preflight was not measured")
        return
    os.environ["DOCKER_HOST"] = engine.host
    client = connect(engine.host)
    with busy(client):
        measure_preflight(engine.host)


def measure_preflight(host: str) -> None:
    """Facts and checks against what they are built on, on this machine as it is: no rehearsal."""
    journal = Journal(None)
    targets: list[Target] = []

    def preflight() -> None:
        targets.append(collect_here(ENVIRONMENT, gpu="cpu", level="no", journal=journal))
        Report.from_facts(targets[-1].facts)

    def by_hand() -> None:
        subprocess.run(["docker", "-H", host, "info"], check=True, capture_output=True)
        targets[-1].project.read_stack()

    ours = median_s(preflight)
    slowest = statistics.median(max(target.facts.seconds.values()) for target in targets)
    names = Counter(max(target.facts.seconds, key=target.facts.seconds.__getitem__) for target in targets)
    say("facts and checks", ours, f"the slowest fact ({names.most_common(1)[0][0]})", slowest)
    say("facts and checks", ours, "docker info + compose config", median_s(by_hand))


@contextlib.contextmanager
def busy(client: DockerClient) -> Iterator[None]:
    """Thirty running containers on the Engine, and every image of the measured environment by name."""
    target = collect_here(ENVIRONMENT, gpu="cpu", level="no", journal=Journal(None))
    stack, engine = target.facts.stack, target.facts.engine
    both = isinstance(stack, Stack) and isinstance(engine, EngineFacts)
    names = missing_images(stack, engine.images or ()) if both else ()  # type: ignore[arg-type, union-attr]
    image = ensure_images(client, ["nginx"], cache=STATE / "cache", say=print)["nginx"]
    boxes = [client.containers.create(image, ["sleep", "600"], network_mode="none") for _ in range(CONTAINERS)]
    try:
        for name in names:
            client.api.tag(image, name)
        for box in boxes:
            box.start()
        print(f"{len(client.api.containers())} containers run on {client.api.base_url}")
        yield
    finally:
        for box in boxes:
            box.remove(force=True)
        for name in names:
            client.api.remove_image(name)


if __name__ == "__main__":
    main()
