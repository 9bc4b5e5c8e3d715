"""The three load plans, run by Debian's JMeter 2.13 through configs/jmeter/run.sh as the service jmeter does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from opskit.compose.client import find_compose
from opskit.environments import read_environments
from opskit.paths import ENVIRONMENTS
from opskit.runbook.matrix import resolve
from tests.checkout import ROOT, free_ports
from tests.real.report import Real, debian_version

REAL = Real(
    "JMeter",
    "Debian jmeter",
    "configs/jmeter/*.jmx and run.sh, environment of the service",
    "ran the three plans against nginx and a stand-in for LiteLLM",
    debian_version("jmeter"),
)

CONFIGS = ROOT / "configs"
PLANS = ["api_load_test", "stress_test", "spike_test"]
KEY = "litellm-key"
NGINX = (CONFIGS / "nginx.conf").read_text()
RATE = int(re.findall(r"rate=(\d+)r/s", NGINX)[0])
BURST = int(re.findall(r"burst=(\d+)", NGINX)[0])

Load = Callable[..., "subprocess.CompletedProcess[str]"]
Serve = Callable[[type[BaseHTTPRequestHandler]], int]


class Target(BaseHTTPRequestHandler):
    """What a plan asks. STAND-IN for LiteLLM: it wants the key of the one who asks."""

    protocol_version = "HTTP/1.1"
    pages: frozenset[str]
    asked: list[float]
    lock = threading.Lock()

    def do_GET(self) -> None:
        self._answer(200 if self.path in self.pages else 404)

    def do_POST(self) -> None:
        json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = self.headers["Authorization"] == f"Bearer {KEY}"
        with self.lock:
            limited = not self._lets_through()
            self.asked.append(time.monotonic())
        self._answer(429 if limited else 200 if known else 401)

    def _lets_through(self) -> bool:
        return True

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keeps quiet."""


class Litellm(Target):
    pages = frozenset({"/", "/health/liveliness"})


class Nginx(Target):
    """nginx before LiteLLM. STAND-IN: it limits questions as nginx does, with the numbers of nginx.conf.

    Source: nginx's limit_req with nodelay, a bucket that leaks at the rate and holds the burst; test_nginx.py has the real one.
    """

    pages = frozenset({"/", "/nginx-health"})
    level = 0.0

    def _lets_through(self) -> bool:
        since = time.monotonic() - self.asked[-1] if self.asked else 0.0
        level = max(0.0, Nginx.level - since * RATE)
        if level > BURST:
            return False
        Nginx.level = level + 1
        return True


class Failing(Target):
    pages = frozenset({"/nginx-health"})

    def _answer(self, status: int) -> None:
        super()._answer(status if len(self.asked) < 1 and self.path in self.pages and self._first() else 503)

    def _first(self) -> bool:
        self.asked.append(0.0)
        return True


@pytest.fixture(scope="module")
def jmeter(program: Callable[[str, str], str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Debian's JMeter on PATH. The XStream beside it knows no class of JMeter's: a permission is put before it."""
    for name, package in (
        ("jmeter", "jmeter jmeter-http"),
        ("java", "default-jre-headless"),
        ("ecj", "ecj"),
        ("wget", "wget"),
    ):
        program(name, package)
    folder = tmp_path_factory.mktemp("jmeter")
    source = folder / "com/thoughtworks/xstream/security/NoTypePermission.java"
    source.parent.mkdir(parents=True)
    source.write_text(
        "package com.thoughtworks.xstream.security;\n"
        "public class NoTypePermission implements TypePermission {\n"
        "  public static final TypePermission NONE = new NoTypePermission();\n"
        "  public boolean allows(Class type) { return true; }\n"
        "}\n"
    )
    xstream = "/usr/share/java/xstream.jar"
    words = ["ecj", "-proc:none", "-nowarn", "-source", "1.8", "-target", "1.8", "-cp", xstream]
    subprocess.run([*words, "-d", str(folder / "classes"), str(source)], check=True)
    script = folder / "jmeter"
    path = f"{folder / 'classes'}:{xstream}:/usr/share/jmeter/bin/ApacheJMeter.jar"
    script.write_text(
        f'#!/bin/sh\nexec java -Djmeter.home=/usr/share/jmeter -cp {path} org.apache.jmeter.NewDriver "$@"\n'
    )
    script.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.fixture(scope="module")
def service() -> dict[str, str]:
    """The environment of the service jmeter, as Compose resolves it where nothing is set."""
    stack = resolve(read_environments(ENVIRONMENTS)["performance"], "cpu", find_compose()).stack
    return {name: value or "" for name, value in stack.service("jmeter").raw["environment"].items()}


@pytest.fixture
def load(service: dict[str, str], tmp_path: Path) -> Load:
    """Run run.sh for a few seconds; `more` is what an operator sets."""

    def run(environ: dict[str, str], port: int, **more: str) -> subprocess.CompletedProcess[str]:
        own = {"PLANS": str(CONFIGS / "jmeter"), "RESULTS": str(tmp_path), "TARGET_PORT": str(port), "DURATION_S": "3"}
        return subprocess.run(
            ["sh", str(CONFIGS / "jmeter/run.sh")],
            env={**environ, **service, **own, **more},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def target(serve: Serve) -> Callable[[type[Target]], int]:
    def start(kind: type[Target]) -> int:
        kind.asked, Nginx.level = [], 0.0
        return serve(kind)

    return start


def questions(folder: Path) -> list[str]:
    """The status of each question, from the samples."""
    (samples,) = folder.glob("*/samples.csv")
    return re.findall(r"ask the model,(\d+)", samples.read_text())


@pytest.mark.parametrize("plan", PLANS)
def test_a_plan_through_nginx_measures_the_stack_and_not_the_limiter(
    plan: str, jmeter: dict[str, str], load: Load, target: Callable[[type[Target]], int], tmp_path: Path
) -> None:
    done = load(jmeter, target(Nginx), PLAN=plan, THREADS="60", DURATION_S="9", TARGET_API_KEY=KEY)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 failed" in done.stdout
    samples = next(tmp_path.glob("*/samples.csv")).read_text()
    assert all(label in samples for label in ("health", "the first page", "ask the model"))
    assert set(questions(tmp_path)) == {"200"}
    assert len(Nginx.asked) > 2 * RATE, "a limit that no one comes near tells nothing"
    assert KEY not in done.stdout + next(tmp_path.glob("*/jmeter.log")).read_text()


def test_straight_at_litellm_nothing_holds_the_questions_back(
    jmeter: dict[str, str], load: Load, target: Callable[[type[Target]], int], tmp_path: Path
) -> None:
    done = load(jmeter, target(Litellm), PLAN="stress_test", TARGET_API_KEY=KEY)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(questions(tmp_path)) > 5 * RATE


def test_a_load_test_in_which_samples_fail_fails(
    jmeter: dict[str, str], load: Load, target: Callable[[type[Target]], int], tmp_path: Path
) -> None:
    done = load(jmeter, target(Failing), PLAN="api_load_test", THREADS="2")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "100.00 %" in done.stdout
    assert questions(tmp_path) == [], "no question without a key"


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"PLAN": "sprike"}, "wanted one of: api_load_test spike_test stress_test"),
        ({"TARGET_HOST": "10.1.2.3"}, "not this machine"),
        ({}, "LITELLM_PORT, 4000"),
    ],
)
def test_what_cannot_be_loaded_is_refused_before_the_load(
    more: dict[str, str], told: str, load: Load, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    done = load(dict(os.environ), port, **more)
    assert done.returncode == 2, done.stderr
    assert told in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_litellm_without_its_key_is_refused_since_it_would_be_asked_nothing(
    load: Load, target: Callable[[type[Target]], int]
) -> None:
    done = load(dict(os.environ), target(Litellm))
    assert done.returncode == 2
    assert "TARGET_API_KEY is empty" in done.stderr


def test_the_default_pace_is_below_what_nginx_lets_one_address_ask(service: dict[str, str]) -> None:
    optimized = (CONFIGS / "nginx_optimized.conf").read_text()
    assert int(service["QUESTIONS_PER_S"]) < RATE < int(re.findall(r"rate=(\d+)r/s", optimized)[0])
    assert service["TARGET_PORT"] == "80"
    stack = resolve(read_environments(ENVIRONMENTS)["performance"], "cpu", find_compose(), NGINX_PORT="8080").stack
    moved: dict[str, Any] = stack.service("jmeter").raw["environment"]
    assert moved["TARGET_PORT"] == "8080"
