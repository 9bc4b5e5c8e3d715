"""Rules about one service at a time, as Compose resolved it; pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from opskit.compose.model import Service
from opskit.lint.subject import Flaw, Subject, is_one_shot

OPEN = frozenset({"0.0.0.0", "::", "[::]"})  # noqa: S104  looked for, not listened on
"""Addresses that stand for every address of the host."""

_UNITS_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PARALLEL = re.compile(r"(?<!\S)(?:--(?:tensor|pipeline)[-_]parallel[-_]size|-tp|-pp)[ =](\d+)")


def check_container_name_replicated(subject: Subject) -> Iterator[Flaw]:
    """A service with replicas has no `container_name`: a second container cannot be called the same."""
    for service in subject.stack.services:
        if service.replicas > 1 and "container_name" in service.raw:
            found = f"{service.replicas} replicas of {service.raw['container_name']}"
            remedy = "remove container_name; Compose names and labels each replica"
            yield _flaw(service, "container_name", found, "a name for each replica", remedy)


def check_fixed_port_replicated(subject: Subject) -> Iterator[Flaw]:
    """A service with replicas publishes no fixed port: the second replica finds it taken."""
    for service in subject.stack.services:
        for index, port in enumerate(service.ports):
            if service.replicas > 1 and port.published is not None:
                found = f"{port.published} published by {service.replicas} replicas"
                remedy = "publish the port of a proxy before them, or of one replica"
                yield _flaw(service, f"ports/{index}", found, "one container to a port of the host", remedy)


def check_port_open(subject: Subject) -> Iterator[Flaw]:
    """A port is published on an address that was chosen, not on every one: Docker goes past the host's firewall."""
    for service in subject.stack.services:
        for index, port in enumerate(service.ports):
            if port.host_ip in OPEN:
                remedy = "write `host_ip: 127.0.0.1`, or accept it with the reason it must be open"
                yield _flaw(service, f"ports/{index}", f"{port.target} on {port.host_ip}", "one address", remedy)


def check_environment_quoted(subject: Subject) -> Iterator[Flaw]:
    """No value of `environment` is wrapped in quotes: in the list form they become part of the value."""
    for service in subject.stack.services:
        for name, value in _mapping(service, "environment").items():
            if re.fullmatch(r"""(["']).*\1""", str(value or ""), re.DOTALL):
                remedy = f"write `{name}: value`, or the whole item in quotes: `- '{name}=value'`"
                yield _flaw(service, f"environment/{name}", "quotes around the value", "the value alone", remedy)


def check_memory_limit_missing(subject: Subject) -> Iterator[Flaw]:
    """Every service has a memory limit, so that one cannot take the host down."""
    for service in subject.stack.services:
        if not service.memory_limit_bytes:
            remedy = "set deploy.resources.limits.memory to what it needs under load"
            yield _flaw(service, "deploy/resources/limits", "no memory limit", "a memory limit", remedy)


def check_health_check_missing(subject: Subject) -> Iterator[Flaw]:
    """Every service that stays has a health check: running is not ready."""
    for service in subject.stack.services:
        if not service.healthcheck and not is_one_shot(service, subject.stack):
            remedy = 'probe what its users use; if it is to end, give it `restart: "no"`'
            yield _flaw(service, "healthcheck", "no health check", "a probe", remedy)


def check_restart_policy_missing(subject: Subject) -> Iterator[Flaw]:
    """Every service says whether it comes back after a crash or a reboot."""
    for service in subject.stack.services:
        if "restart" not in service.raw and "restart_policy" not in _mapping(service, "deploy"):
            remedy = 'write `restart: unless-stopped`, or "no" for what is to end'
            yield _flaw(service, "restart", "no restart policy", "a policy", remedy)


def check_log_limit_missing(subject: Subject) -> Iterator[Flaw]:
    """Logs that Docker keeps as JSON files have a greatest size; by default they fill the disk."""
    for service in subject.stack.services:
        logging = _mapping(service, "logging")
        options = logging.get("options") or {}
        if logging.get("driver", "json-file") == "json-file" and "max-size" not in options:
            remedy = 'set logging.options: {max-size: 10m, max-file: "3"}'
            yield _flaw(service, "logging", "logs without a limit", "max-size", remedy)


def check_start_period_short(subject: Subject) -> Iterator[Flaw]:
    """A start period holds at least one start interval; a shorter one is over before the first early probe."""
    for service in subject.stack.services:
        check = _mapping(service, "healthcheck")
        period_s, interval_s = (_seconds(check.get(key) or "0s") for key in ("start_period", "start_interval"))
        if period_s < interval_s:
            found = f"start_period {period_s:g} s, start_interval {interval_s:g} s"
            remedy = "make start_period as long as the slowest start"
            yield _flaw(service, "healthcheck/start_period", found, f"at least {interval_s:g} s", remedy)


def check_gpu_count_mismatch(subject: Subject) -> Iterator[Flaw]:
    """A model server splits over exactly the GPUs it is given: one more idles, one fewer ends it at the start."""
    for service in subject.stack.services:
        words = " ".join(map(str, service.raw.get("command") or ()))
        sizes = [int(size) for size in _PARALLEL.findall(words)]
        given = [len(device.device_ids) or device.count or 0 for device in service.devices]
        if sizes and given and -1 not in given and math.prod(sizes) != sum(given):
            found = f"{sum(given)} GPUs for a command that splits over {math.prod(sizes)}"
            remedy = "give --tensor-parallel-size and device_ids the same count"
            yield _flaw(
                service, "deploy/resources/reservations/devices", found, "as many of one as of the other", remedy
            )


def _flaw(service: Service, place: str, found: str, wanted: str, remedy: str) -> Flaw:
    return Flaw(f"services/{service.name}/{place}", found, wanted, remedy, (service.name,))


def _mapping(service: Service, key: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = service.raw.get(key) or {}
    return found


def _seconds(duration: str) -> float:
    return sum(float(number) * _UNITS_S[unit] for number, unit in re.findall(r"([\d.]+)([a-zµ]+)", duration))


def check_label_invalid(subject: Subject) -> Iterator[Flaw]:
    """Every opskit label is one that there is, with a value that can be read."""
    for service in subject.stack.services:
        for name, value, wanted in service.labels.faults:
            yield _flaw(service, f"labels/{name}", value, wanted, "correct the label, or remove it")
