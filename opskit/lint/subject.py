"""What the rules look at and what they say: the resolved stack, the texts it came from, and a flaw; pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from opskit.compose.model import Ending, Service, Stack
from opskit.compose.source import Scalar


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
    """Whether a service is to end: it must, or its file says that nothing restarts it and nothing probes it."""
    ending = stack.ending(service)
    return ending is Ending.MUST or (ending is Ending.MAY and "restart" in service.raw and not service.healthcheck)
