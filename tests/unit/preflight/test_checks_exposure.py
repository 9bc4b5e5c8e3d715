"""What is reached from beyond the machine is named with its key; what asks for none, or in clear, is a warning."""

from __future__ import annotations

from typing import Any

import pytest

from opskit.compose.model import Stack, parse_stack
from opskit.preflight.checks.exposure import check_exposure
from opskit.preflight.finding import Finding, Verdict

HTTP, HTTPS = {"opskit.port.80": "http / Page"}, {"opskit.port.443": "https / Page"}
KEYS = {"opskit.key.80": "an account", "opskit.key.443": "an account"}


def published(ip: str, *targets: int, **labels: str) -> dict[str, Any]:
    ports = [{"target": t, "published": str(8000 + t), "host_ip": ip, "protocol": "tcp"} for t in targets]
    return {"ports": ports, "labels": labels}


def judge(**services: dict[str, Any]) -> tuple[Finding, ...]:
    stack: Stack = parse_stack({"name": "p", "services": services})
    return check_exposure(stack)


@pytest.mark.parametrize("ip", ["0.0.0.0", "::", "", "192.168.1.5", "fd00::1"])
def test_what_asks_for_no_key_is_a_warning_wherever_it_is_reached_from_outside(ip: str) -> None:
    far, near = judge(web=published(ip, 80, **HTTP))
    assert (far.verdict, far.subject) == (Verdict.WARN, "web on the network")
    assert "8080 asks for: nothing" in far.found
    assert "127.0.0.1" in far.remedy
    assert near.found == "nothing"


def test_a_key_in_clear_is_a_warning_and_over_https_is_none() -> None:
    for name, word in (("nginx", "docker-compose.tls.yml"), ("n8n", "SSH tunnel")):
        clear, _ = judge(**{name: published("0.0.0.0", 80, **HTTP, **KEYS)})
        assert (clear.verdict, "in clear" in clear.found) == (Verdict.WARN, True)
        assert word in clear.remedy
    sealed, _ = judge(nginx=published("0.0.0.0", 80, 443, **HTTP, **HTTPS, **KEYS))
    assert (sealed.verdict, "0.0.0.0:8443 asks for: an account" in sealed.found) == (Verdict.PASS, True)


@pytest.mark.parametrize("ip", ["127.0.0.1", "127.8.9.1", "::1"])
def test_what_this_machine_alone_reaches_is_listed_with_its_key(ip: str) -> None:
    (near,) = judge(web=published(ip, 80, **HTTP, **KEYS), other=published(ip, 81))
    assert near.verdict is Verdict.PASS
    assert near.found == "web 8080 (an account), other 8081 (no key)"


def test_a_port_without_a_label_is_one_without_a_key() -> None:
    far, _ = judge(web=published("0.0.0.0", 80, 443, **HTTPS, **{"opskit.key.443": "an account"}))
    assert (far.verdict, "0.0.0.0:8080 asks for: nothing" in far.found) == (Verdict.WARN, True)
