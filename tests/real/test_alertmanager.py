"""The real Alertmanager, started as compose/services/monitoring.yml does, tells ALERT_WEBHOOK_URL what fires and what is over."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
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
    "Alertmanager",
    "Debian prometheus-alertmanager",
    "configs/alertmanager.sh, the variables and command of compose/services/monitoring.yml",
    "told a webhook what fires and what is over",
    debian_version("prometheus-alertmanager"),
)

Until = Callable[..., None]
Alertmanager = Callable[[str], tuple[int, "subprocess.Popen[bytes]"]]
TOKEN = "it's-a-token"


class Receiver(BaseHTTPRequestHandler):
    """Keeps what it is told."""

    told: list[tuple[str, dict[str, Any]]]

    def do_POST(self) -> None:
        self.told.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keeps quiet."""


@pytest.fixture
def receiver(serve: Callable[[type[BaseHTTPRequestHandler]], int]) -> int:
    Receiver.told = []
    return serve(Receiver)


@pytest.fixture
def alertmanager(program: Callable[[str, str], str], tmp_path: Path, until: Until) -> Iterator[Alertmanager]:
    """Start it with a receiver; returns its port and the process."""
    real = program("prometheus-alertmanager", "prometheus-alertmanager")
    (tmp_path / "alertmanager").symlink_to(real)  # its name in the image
    command = (
        resolve(read_environments(ENVIRONMENTS)["production"], "cpu", find_compose())
        .stack.service("alertmanager")
        .raw["command"]
    )
    own = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "TMPDIR": str(tmp_path)}
    with ExitStack() as stack:

        def run(url: str) -> tuple[int, subprocess.Popen[bytes]]:
            (port,) = free_ports(1)
            more = [f"--storage.path={tmp_path / 'data'}", f"--web.listen-address=127.0.0.1:{port}"]
            kept = [word for word in command if not word.startswith("--storage.path=")]
            words = ["sh", str(ROOT / "configs/alertmanager.sh"), *kept, *more]
            log = stack.enter_context((tmp_path / "log").open("wb"))
            started = subprocess.Popen(words, env={**os.environ, **own, "ALERT_WEBHOOK_URL": url}, stderr=log)
            stack.callback(started.wait)
            stack.callback(started.terminate)
            until(lambda: started.poll() is not None or answers(port))
            assert started.poll() is None, (tmp_path / "log").read_text()
            return port, started

        yield run


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=2) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


def raise_alert(port: int, ends: datetime | None = None) -> None:
    """What Prometheus sends: an alert, with the time it is over where it is."""
    alert: dict[str, Any] = {"labels": {"alertname": "TargetDown", "job": "vllm", "severity": "critical"}}
    if ends:
        alert["endsAt"] = ends.isoformat()
    body = json.dumps([alert]).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v2/alerts", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=5) as reply:
        assert reply.status == 200


def test_what_fires_is_told_and_what_is_over_too(receiver: int, alertmanager: Alertmanager, until: Until) -> None:
    port, started = alertmanager(f"http://127.0.0.1:{receiver}/hook?token={TOKEN}")
    assert TOKEN not in Path(f"/proc/{started.pid}/cmdline").read_text(), "a token is among the arguments"
    raise_alert(port)
    until(lambda: Receiver.told, deadline_s=60)
    path, firing = Receiver.told[0]
    assert path == f"/hook?token={TOKEN}"
    assert (firing["status"], firing["commonLabels"]["alertname"], firing["commonLabels"]["job"]) == (
        "firing",
        "TargetDown",
        "vllm",
    )
    raise_alert(port, ends=datetime.now(UTC) - timedelta(seconds=1))
    until(lambda: len(Receiver.told) > 1, deadline_s=90)
    assert [message["status"] for _, message in Receiver.told] == ["firing", "resolved"]


def test_without_a_receiver_it_runs_and_shows_what_fires(alertmanager: Alertmanager, tmp_path: Path) -> None:
    port, started = alertmanager("")
    raise_alert(port)
    time.sleep(12)  # past group_wait
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v2/alerts", timeout=5) as reply:
        assert [alert["labels"]["alertname"] for alert in json.load(reply)] == ["TargetDown"]
    assert started.poll() is None
    assert "level=error" not in (tmp_path / "log").read_text()


@pytest.mark.parametrize("url", ["", f"https://example.org/{TOKEN}?a=b&c=%20", 'https://example.org/"#\\'])
def test_amtool_takes_the_configuration_and_no_other_user_may_read_it(
    url: str, program: Callable[[str, str], str], tmp_path: Path
) -> None:
    (tmp_path / "alertmanager").write_text("#!/bin/sh\n")
    (tmp_path / "alertmanager").chmod(0o755)
    own = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "TMPDIR": str(tmp_path), "ALERT_WEBHOOK_URL": url}
    subprocess.run(["sh", str(ROOT / "configs/alertmanager.sh")], env={**os.environ, **own}, check=True)
    config = tmp_path / "alertmanager.yml"
    assert config.stat().st_mode & 0o077 == 0
    amtool = program("amtool", "prometheus-alertmanager")
    done = subprocess.run([amtool, "check-config", str(config)], capture_output=True, text=True, check=False)
    assert "SUCCESS" in done.stdout, done.stdout + done.stderr
