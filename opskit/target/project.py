"""The Compose project of an environment as it would be launched: its files, its variables, and what is missing yet."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from opskit.compose.client import Project
from opskit.compose.faults import Failure
from opskit.compose.model import UNNAMED_IMAGE, Compose, Stack
from opskit.compose.source import read_source
from opskit.engine.facts import EngineFacts
from opskit.environments import Environment
from opskit.errors import ConfigError
from opskit.gpu.placement import Placement, Setting
from opskit.paths import COMPOSE, ROOT
from opskit.rehearsal.stage import UNNAMED
from opskit.secrets.policy import BY_NAME
from opskit.secrets.store import new_values, read_given, read_hidden, read_secrets
from opskit.secrets.value import Secret, make_redact
from opskit.target.builds import Builds, choose_builds
from opskit.target.machine import Machine

SECRETS = frozenset(BY_NAME)

_NEAR = {"BIND_ADDRESS": "127.0.0.1", "NGINX_BIND_ADDRESS": "127.0.0.1"}
"""A rehearsal is reached from this machine alone."""


@dataclass(frozen=True, slots=True)
class EnvFile:
    """The values of an env file; `fault` says why it cannot be used, where it cannot."""

    values: Mapping[str, Secret]
    fault: str = ""

    def revealed(self) -> Mapping[str, str]:
        """The values by name."""
        return {name: value.reveal() for name, value in self.values.items()}

    def exported(self, secrets: Iterable[str]) -> tuple[str, ...]:
        """Those of the secrets that this process has as a variable with another value."""
        values = self.revealed()
        return tuple(sorted(name for name in secrets if os.environ.get(name, values.get(name)) != values.get(name)))

    def setting(self, name: str, environment: Environment) -> str:
        """What a variable is by Compose's precedence: shell, env file, the environment's settings; else empty."""
        return read_given(name, self.values) or environment.settings.get(name, "")

    def find_setting(self, name: str, environment: Environment) -> Setting | None:
        """The same, where an empty value counts as one, with its place; None where nobody sets it."""
        secret = self.values.get(name)
        sources = {
            "the shell": os.environ.get(name),
            environment.env_file: None if secret is None else secret.reveal(),
            "configs/environments.yaml": environment.settings.get(name),
        }
        return next((Setting(value, source) for source, value in sources.items() if value is not None), None)


@dataclass(frozen=True, slots=True)
class Draft:
    """A project, and what it lacks yet.

    Attributes:
        demanded: as in `preflight.facts.Facts`.
        secrets: names of those that the files demand.
        planned: a value for each secret that is missing: a launch writes it, so that its model is the one looked at.
    """

    project: Project
    demanded: Mapping[str, bool]
    secrets: frozenset[str]
    planned: Mapping[str, Secret]


def draft_project(
    environment: Environment, env_file: EnvFile, placement: Placement, machine: Machine, moved: Mapping[str, str]
) -> Draft:
    """Put an environment's project together.

    Args:
        environment: names the files; its settings are for variables that nobody else gives.
        env_file: of that environment.
        placement: adds its overlays and its variables.
        machine: the Engine and the Compose it is for.
        moved: the value of each variable whose published port was moved.
    """
    files = tuple(COMPOSE / name for name in (*environment.compose, *placement.overlays))
    secrets, fault, path = env_file.values, env_file.fault, ROOT / environment.env_file
    source, builds = read_source(files), Builds(environ=UNNAMED)
    if not machine.rehearsal:
        builds = choose_builds(source.demanded, lambda name: read_given(name, secrets))
    if builds.overlays:
        files += builds.overlays
        source = read_source(files)
    demanded = source.demanded
    planned = new_values(BY_NAME[name] for name in sorted((demanded & SECRETS) - secrets.keys()))
    given = {name: bool(read_given(name, secrets)) or name in builds.environ for name in demanded - SECRETS}
    compose = machine.compose()
    engine = machine.engine() if "DOCKER_ROOT" in source.used else ""
    logs = {"DOCKER_ROOT": engine.root} if isinstance(engine, EngineFacts) else {}
    settings = {**environment.settings, **moved}.items()
    project = Project(
        compose=compose if isinstance(compose, Compose) else Compose((), (0, 0, 0)),
        name=environment.project,
        files=files,
        env_file=path if path.exists() and not fault else None,
        environ={
            **{name: value for name, value in settings if name not in os.environ and name not in secrets},
            "COMPOSE_PROFILES": ",".join(
                filter(None, (read_given("COMPOSE_PROFILES", secrets), "gpu" if placement.gpus_needed else ""))
            ),
            **placement.environ,
            **builds.environ,
            **planned,
            **{name: UNNAMED_IMAGE for name, there in given.items() if not there},
            **logs,
            **(_NEAR if environment.rehearsal else {}),
        },
        engine_host=machine.address or None,
        withheld=SECRETS,
    )
    secret = {} if fault else {name: Secret(name, value) for name, value in planned.items()}
    return Draft(project, given, demanded & SECRETS, secret)


def resolve(project: Project, secret: Mapping[str, Secret]) -> Stack | Failure:
    """The resolved model, or the fault that keeps Compose from resolving it, without any secret that it quotes."""
    stack = project.read_stack()
    if isinstance(stack, Stack):
        return stack
    return stack.redacted(make_redact(read_hidden(secret, read_source(project.files).used)))


def read_env_file(environment: Environment) -> EnvFile:
    """Read the environment's env file; one that cannot be used has no values, and says why."""
    try:
        return EnvFile(read_secrets(ROOT / environment.env_file))
    except ConfigError as error:
        return EnvFile({}, str(error))
