"""The Stack and what runs now to what a launch would do, nothing done; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from opskit.compose.model import Stack

Act = Literal["create", "recreate", "start", "keep", "orphan"]


@dataclass(frozen=True, slots=True)
class Present:
    """A container of the project that is there: its service, state, and the hash and image it was made with."""

    service: str
    status: str
    config_hash: str
    image: str


@dataclass(frozen=True, slots=True)
class Step:
    """What a launch will do about one service, and why."""

    service: str
    act: Act
    reason: str
    image: str
    replicas: int


def plan_launch(stack: Stack, present: Iterable[Present], hashes: Mapping[str, str]) -> tuple[Step, ...]:
    """What `up` will do, by the rule it uses itself: a container whose configuration hash differs is recreated.

    Args:
        stack: the resolved model.
        present: the project's containers.
        hashes: of `config --hash "*"`; a service without one is taken as unchanged where its image is.
    """
    by_service: dict[str, list[Present]] = {}
    for container in present:
        by_service.setdefault(container.service, []).append(container)
    steps = []
    for service in stack.services:
        mine = by_service.pop(service.name, [])
        act, reason = _step(mine, hashes.get(service.name), service.replicas)
        steps.append(Step(service.name, act, reason, service.image or "", service.replicas))
    for name, rest in by_service.items():
        steps.append(Step(name, "orphan", "runs in this project but is not in its files; left alone", rest[0].image, 0))
    return tuple(steps)


def _step(mine: list[Present], wanted_hash: str | None, replicas: int) -> tuple[Act, str]:
    if not mine:
        return "create", "not there yet"
    if wanted_hash is not None and any(container.config_hash != wanted_hash for container in mine):
        return "recreate", "its configuration changed"
    if len(mine) < replicas:
        return "create", f"{len(mine)} of {replicas} replicas are there"
    if any(container.status != "running" for container in mine):
        return "start", f"it is {mine[0].status}"
    return "keep", "runs as configured"
