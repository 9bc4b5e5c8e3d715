"""Everything that is known before a decision: environment, Engine, GPUs and the resolved model, read once."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from opskit.audit.journal import Journal
from opskit.compose.cli import Project, find_compose
from opskit.compose.faults import Failure
from opskit.compose.model import Stack
from opskit.engine.client import connect, resolve_host
from opskit.environments import Environment
from opskit.errors import EngineUnavailableError
from opskit.gpu.model import GpuUnavailable, Inventory
from opskit.gpu.nvml import read_inventory
from opskit.gpu.placement import Placement, place
from opskit.paths import COMPOSE, ROOT, STATE
from opskit.rehearsal.stage import Stage, set_stage
from opskit.secrets.policy import rules_for
from opskit.secrets.store import ensure_secrets, read_secrets
from opskit.secrets.value import Secret

if TYPE_CHECKING:
    from docker import DockerClient

_STAND_IN = "not-made-yet"
"""The value a missing secret has while the model is only looked at."""


@contextlib.contextmanager
def phase(journal: Journal, name: str) -> Iterator[None]:
    """Tell the journal that a phase began, and how many seconds it took."""
    journal.write("phase_started", phase=name)
    began = time.monotonic()
    try:
        yield
    finally:
        journal.write("phase", phase=name, seconds=round(time.monotonic() - began, 3))


@dataclass(frozen=True, slots=True)
class Site:
    """What a start is decided on.

    Attributes:
        client: the Engine; where it does not answer, the error that says why.
        project: the Compose project, its files chosen by environment and GPU mode.
        stack: the resolved model; where Compose cannot resolve it, the fault.
        demanded: variables the files demand that neither the environment, the env file nor a secret rule gives.
        unmade: names of secrets that are not in the env file yet.
        stage: the rehearsal's engine and images; None for the real thing.
    """

    environment: Environment
    client: DockerClient | EngineUnavailableError
    project: Project
    stack: Stack | Failure
    inventory: Inventory | GpuUnavailable
    placement: Placement
    demanded: tuple[str, ...] = ()
    unmade: tuple[str, ...] = ()
    stage: Stage | None = None
    secrets: Mapping[str, Secret] = field(default_factory=dict)


def read_site(environment: Environment, *, gpu: str, rehearse: bool, journal: Journal) -> Site:
    """Look at everything once; a rehearsal gets its engine and images first.

    Raises:
        ComposeMissingError: there is no Compose to ask.
    """
    stage = set_stage(STATE, environment, journal) if rehearse else None
    host = resolve_host(stage.host if stage else None)
    client = _connect(host)
    with phase(journal, "gpus"):
        inventory = stage.inventory if stage else read_inventory()
        placement = place(gpu, inventory, environment.gpu.overlays)
    names = [*environment.compose_files, *([placement.overlay] if placement.overlay else [])]
    project = Project(
        compose=find_compose(),
        name=environment.project,
        files=(*(COMPOSE / name for name in names), *((stage.overlay,) if stage else ())),
        environ={**placement.environ, **(stage.environ if stage else {})},
        engine_host=host,
    )
