"""Ratios within one run, medians: `python tests/bench/bench.py`. The second part needs a Docker Engine that answers."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from opskit.audit.journal import Journal
from opskit.engine.client import connect, resolve_host
from opskit.environments import read_environments
from opskit.paths import ENVIRONMENTS, STATE
from opskit.rehearsal.engine import find_engine
from opskit.site import read_site

ROUNDS = 7


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


def main() -> None:
    """Print every ratio."""
    bare = median_s(importing("sys"))
    say("import opskit", median_s(importing("opskit")), "import docker", median_s(importing("docker")))
    say(
        "import opskit.gpu.nvml", median_s(importing("opskit.gpu.nvml")), "import pynvml", median_s(importing("pynvml"))
    )
    print(f"(a bare interpreter: {bare * 1000:.0f} ms)")
    engine = find_engine(STATE)
    if engine is None:
        print("no Docker Engine answers: preflight was not measured")
        return
    environment = read_environments(ENVIRONMENTS)["development"]
    journal = Journal.of_this_run()
    client = connect(resolve_host(engine.host))
    print(f"{len(client.api.containers())} containers run on {engine.host}")

    def preflight() -> object:
        site = read_site(environment, gpu="auto", ports="keep", rehearse=True, journal=journal)
        return site.check(accept=(), who="bench")

    site = read_site(environment, gpu="auto", ports="keep", rehearse=True, journal=journal)

    def by_hand() -> None:
        subprocess.run(["docker", "-H", engine.host, "info"], check=True, capture_output=True)
        site.project.read_stack()

    say("facts and checks", median_s(preflight), "docker info + compose config", median_s(by_hand))


if __name__ == "__main__":
    main()
