"""Ports taken for real: preflight names who holds them, and its printed remedy frees them."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from opskit.preflight.finding import Verdict
from tests.checkout import LABEL, Checkout, free_ports
from tests.remedies import OVERRIDE, append, follow, gone_at_last, judge, trouble

if TYPE_CHECKING:
    from docker import DockerClient

pytestmark = pytest.mark.engine

SERVICE = "com.docker.compose.service"
LISTEN = "import socket, sys; held = socket.create_server(('127.0.0.1', 0)); print(held.getsockname()[1], flush=True); sys.stdin.read()"

Publish = Callable[[str, str], tuple[str, str]]


@pytest.fixture
def publish(checkout: Checkout, busybox: str, engine: DockerClient, undo: ExitStack) -> Publish:
    """Start a container of that project and service that publishes a port; returns its name and the port."""

    def publish(project: str, service: str) -> tuple[str, str]:
        labels = {LABEL: f"{checkout.prefix}-{project}", SERVICE: service}
        (port,) = free_ports(1)
        name = f"{checkout.prefix}-{project}-{service}"
        box = engine.containers.create(
            busybox,
            ["sleep", "600"],
            name=name,
            labels=labels,
            ports={"80/tcp": ("127.0.0.1", port)},
            stop_signal="SIGKILL",
        )
        undo.enter_context(gone_at_last(box))
        box.start()
        return name, str(port)

    return publish


def test_the_process_that_holds_a_port_is_named_and_the_printed_kill_frees_it(checkout: Checkout) -> None:
    words = [sys.executable, "-c", LISTEN]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        port = holder.stdout.readline().strip()
        (finding,) = trouble(checkout, "port-free", N8N_PORT=port)
        assert (finding.verdict, finding.subject) == (Verdict.FAIL, f"n8n 127.0.0.1:{port}/tcp")
        assert f"(pid {holder.pid})" in finding.found
        assert follow(checkout, finding) == f"kill {holder.pid}"
        holder.wait(5)
    assert not trouble(checkout, "port-free", N8N_PORT=port)


def test_a_port_that_must_stay_where_it_is_is_left_by_setting_the_variable(checkout: Checkout) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = str(holder.getsockname()[1])
        (finding,) = trouble(checkout, "port-free", N8N_PORT=port)
        assert "publish n8n on another port" in finding.remedy
        (free,) = free_ports(1)
        assert not trouble(checkout, "port-free", N8N_PORT=str(free))


def test_a_foreign_container_is_named_and_not_the_proxy_that_listens_for_it(
    checkout: Checkout, publish: Publish
) -> None:
    name, port = publish("stranger", "web")
    (finding,) = trouble(checkout, "port-free", N8N_PORT=port)
    assert (finding.verdict, finding.subject) == (Verdict.FAIL, f"n8n 127.0.0.1:{port}/tcp")
    assert finding.found == f"held by container {name} of project {checkout.prefix}-stranger"
    assert follow(checkout, finding) == f"docker stop {name}"
    assert not trouble(checkout, "port-free", N8N_PORT=port)


def test_a_running_container_of_the_service_itself_is_no_trouble(checkout: Checkout, publish: Publish) -> None:
    _, port = publish("development", "n8n")
    findings = judge(checkout, N8N_PORT=port)
    (own,) = [f for f in findings if f.subject == f"n8n 127.0.0.1:{port}/tcp"]
    assert (own.check, own.verdict, own.found) == ("port-free", Verdict.PASS, "already ours")


def test_a_container_of_ours_that_the_files_no_longer_name_goes_by_the_printed_command(
    checkout: Checkout, publish: Publish
) -> None:
    name, port = publish("development", "old-n8n")
    (finding,) = trouble(checkout, "port-free", N8N_PORT=port)
    assert (finding.verdict, finding.found) == (Verdict.FAIL, "held by old-n8n of this same environment")
    assert follow(checkout, finding) == f"docker rm -f {name}"
    assert not trouble(checkout, "port-free", N8N_PORT=port)


def test_two_services_on_one_port_are_both_named_and_part_by_the_variable(checkout: Checkout) -> None:
    port = checkout.environ["QDRANT_PORT"]
    (finding,) = trouble(checkout, "port-unique", N8N_PORT=port)
    assert (finding.verdict, finding.subject) == (Verdict.FAIL, f"qdrant 127.0.0.1:{port}/tcp")
    assert finding.found == "n8n publishes it too"
    assert "publish qdrant on another port" in finding.remedy
    (free,) = free_ports(1)
    assert not trouble(checkout, "port-unique", N8N_PORT=port, QDRANT_PORT=str(free))


def test_replicas_that_share_a_published_port_are_refused_until_there_is_one(
    checkout: Checkout, undo: ExitStack
) -> None:
    override = checkout.root / OVERRIDE
    before = append(override, "  n8n: {deploy: {replicas: 2}}\n", undo)
    (finding,) = trouble(checkout, "port-unique")
    assert (finding.verdict, finding.found) == (Verdict.FAIL, "2 replicas publish it")
    assert finding.subject.startswith("n8n ")
    assert "give the service one replica" in finding.remedy
    override.write_text(before + "  n8n: {deploy: {replicas: 1}}\n")
    assert not trouble(checkout, "port-unique")
