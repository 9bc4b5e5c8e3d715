"""What the rules look at and what they say: the resolved stack, the texts it came from, and a flaw; pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from opskit.compose.model import Service, Stack
from opskit.compose.source import Scalar

ROLE = "opskit.role"
"""The label that makes a service a one-shot whatever else it says: `opskit.role: oneshot`."""


@dataclass(frozen=True, slots=True)
class Subject:
    """All that a rule may look at.

    Attributes:
        scalars: every value of every file.
        root: the project's folder.
        present: whether each bind source exists; one that is not here is not judged.
        secrets: names of the variables that hold secrets.
    """

    stack: Stack
    scalars: tuple[Scalar, ...]
    root: str
    present: Mapping[str, bool]
    secrets: Collection[str]


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing a rule does not allow; `owners` are the services whose label may accept it."""

    place: str
    found: str
    wanted: str
    remedy: str
    owners: tuple[str, ...]


def is_one_shot(service: Service, stack: Stack) -> bool:
    """Whether a service is to end: its label says so, somebody waits for its end, or nothing restarts or probes it."""
    ends = str(service.raw.get("restart") or "").startswith(("no", "on-failure")) and not service.healthcheck
    return ends or service.labels.get(ROLE) == "oneshot" or service.name in stack.one_shots
