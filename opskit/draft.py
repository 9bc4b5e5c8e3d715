"""The Compose project of an environment as it would be launched: its files, its variables, and what is missing yet."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from opskit.compose.cli import Project, presume_compose
from opskit.compose.model import UNNAMED_IMAGE
from opskit.compose.variables import read_demanded, read_used
from opskit.engine.facts import EngineFacts
from opskit.environments import Environment
from opskit.errors import ConfigError
from opskit.gpu.placement import Placement
from opskit.paths import COMPOSE, ROOT
from opskit.port import read_moved
from opskit.rehearsal.stage import UNNAMED
from opskit.secrets.policy import BY_NAME
from opskit.secrets.store import read_given, read_secrets
from opskit.secrets.value import Secret
from opskit.world import World

SECRETS = frozenset(BY_NAME)

_UNMADE = "not-made-yet"
"""The value of a missing secret while the model is only looked at."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A project, and what its env file holds and lacks; the fields are those of `preflight.facts.Facts`."""

    project: Project
    secrets: Mapping[str, Secret]
    demanded: Mapping[str, bool]
    unmade: tuple[str, ...]
    env_fault: str


def draft_project(environment: Environment, placement: Placement, world: World) -> Draft:
    """Put an environment's project together, for the Compose that is most likely there.

    Args:
        environment: names the files; its settings are for variables that nobody else gives.
        placement: adds its overlay and its variables.
        world: the Engine it is for; waited for only where a file wants to know where the Engine keeps its logs.
    """
    rehearsal = world.rehearsal
    names = (*environment.compose, *([placement.overlay] if placement.overlay else []))
    files = tuple(COMPOSE / name for name in names)
    env_file = ROOT / environment.env_file
    secrets, fault = _read_env_file(env_file)
    demanded = read_demanded(files)
    unmade = tuple(sorted((demanded & SECRETS) - secrets.keys()))
    own = UNNAMED if rehearsal else {}
    given = {name: bool(read_given(name, secrets)) or name in own for name in demanded - SECRETS}
    name = rehearsal.project(environment.project) if rehearsal else environment.project
    engine = world.engine() if "DOCKER_ROOT" in read_used(files) else ""
    logs = {"DOCKER_ROOT": engine.root} if isinstance(engine, EngineFacts) else {}
    settings = {**environment.settings, **read_moved(name)}.items()
    project = Project(
        compose=presume_compose(),
        name=name,
        files=files,
        env_file=env_file if env_file.exists() and not fault else None,
        environ={
            **{name: value for name, value in settings if name not in os.environ and name not in secrets},
            "COMPOSE_PROFILES": ",".join(
                filter(None, (read_given("COMPOSE_PROFILES", secrets), "gpu" if placement.gpus_needed else ""))
            ),
            **placement.environ,
            **own,
            **dict.fromkeys(unmade, _UNMADE),
            **{name: UNNAMED_IMAGE for name, there in given.items() if not there},
            **logs,
        },
        engine_host=world.address,
        withheld=SECRETS,
    )
    return Draft(project, secrets, given, () if fault else unmade, fault)


def _read_env_file(path: Path) -> tuple[Mapping[str, Secret], str]:
    try:
        return read_secrets(path), ""
    except ConfigError as error:
        return {}, str(error)
