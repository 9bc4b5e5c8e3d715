from __future__ import annotations

import pytest

from opskit.compose.labels import PortLabel, parse_labels
from opskit.compose.model import Ending, parse_stack


def test_every_label_that_there_is_is_read() -> None:
    labels = parse_labels(
        {
            "opskit.role": "oneshot",
            "opskit.max_deaths": "5",
            "opskit.stable_s": "0.5",
            "opskit.gpu.gib": "0",
            "opskit.port.80": "http / The page",
            "opskit.port.5432": "postgresql - PostgreSQL",
            "opskit.port.3000": "http /api/health /login A page of its own",
            "opskit.accept.port-open": "users open it",
            "com.example.own": "anything",
        }
    )
    assert (labels.oneshot, labels.max_deaths, labels.stable_s, labels.gpu_gib) == (True, 5, 0.5, 0.0)
    assert labels.ports == {
        80: PortLabel("http", "/", "The page", "/"),
        5432: PortLabel("postgresql", "-", "PostgreSQL"),
        3000: PortLabel("http", "/api/health", "A page of its own", "/login"),
    }
    assert labels.accepted == {"port-open": "users open it"}
    assert labels.faults == ()


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("opskit.max_deaths", "three", "a whole number of 1 or more"),
        ("opskit.max_deaths", "0", "a whole number of 1 or more"),
        ("opskit.stable_s", "nan", "a number of 0 or more"),
        ("opskit.gpu.gib", "-1", "a number of 0 or more"),
        ("opskit.port.80", "http /", '"<scheme> <path or -> <title>"'),
        ("opskit.port.eighty", "http / Page", '"<scheme> <path or -> <title>"'),
        ("opskit.role", "one-shot", "oneshot"),
        ("opskit.maxdeaths", "3", "one of opskit.max_deaths"),
    ],
)
def test_a_label_that_cannot_be_read_is_named_and_has_its_default(name: str, value: str, wanted: str) -> None:
    labels = parse_labels({name: value})
    ((label, text, form),) = labels.faults
    assert (label, text) == (name, value)
    assert form.startswith(wanted)
    assert (labels.max_deaths, labels.stable_s, labels.gpu_gib, labels.ports, labels.oneshot) == (
        None,
        None,
        None,
        {},
        False,
    )


@pytest.mark.parametrize(
    ("raw", "ending"),
    [
        ({"restart": "no"}, Ending.MAY),
        ({}, Ending.MAY),
        ({"restart": "on-failure:3"}, Ending.MAY),
        ({"restart": "always"}, Ending.NEVER),
        ({"restart": "unless-stopped", "labels": {"opskit.role": "oneshot"}}, Ending.MUST),
    ],
)
def test_what_restarts_a_service_says_whether_it_may_end(raw: dict[str, object], ending: Ending) -> None:
    stack = parse_stack({"name": "p", "services": {"a": raw}})
    assert stack.ending(stack.service("a")) is ending
