"""What a launch of a project would do: the Engine is asked at each call, Compose once of each model."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from opskit.audit.journal import Journal, phase
from opskit.compose.client import Project
from opskit.compose.model import Service, Stack
from opskit.compose.plan import Deployed, Step, plan_launch, shared_modes
from opskit.engine.deployed import read_deployed
from opskit.files import make_folder, write_atomically
from opskit.paths import STATE

if TYPE_CHECKING:
    from docker import DockerClient


class Plan(NamedTuple):
    """The steps of a launch, and whether there is nothing for Compose to do at all."""

    steps: tuple[Step, ...]
    converged: bool


def plan_project(client: DockerClient, project: Project, stack: Stack, journal: Journal) -> Plan:
    """What `up` will do about each container, network, volume and image; nothing is done.

    Args:
        client: of the Engine.
        project: as it would be launched.
        stack: its resolved model.
        journal: told the phases.

    Raises:
        requests.exceptions.RequestException, docker.errors.DockerException: the Engine does not answer.
    """
    deployed = read_deployed(client, project.name, stack.images)
    if not deployed.containers:  # no configuration that could have changed
        return Plan(plan_launch(stack, deployed, {}), converged=False)
    modes = shared_modes(stack, deployed)
    hashes = _read_hashes(project, stack, modes, journal)
    steps = plan_launch(stack, deployed, hashes)
    return Plan(steps, is_converged(stack, deployed, steps, hashes))


def is_converged(stack: Stack, deployed: Deployed, steps: Iterable[Step], hashes: Mapping[str, str]) -> bool:
    """Whether `up` would do nothing at all: all of it runs as configured, and nothing is asked for at each launch."""
    running = all(c.state == "running" for c in deployed.containers if stack.find(c.service))
    known = all(service.name in hashes and not _at_each_launch(service) for service in stack.services)
    return running and known and not stack.raw.get("models") and all(step.act in {"keep", "orphan"} for step in steps)


def _at_each_launch(service: Service) -> bool:
    """Whether Compose does something for it at each launch: asks a registry, builds, or runs a program of its own."""
    pulled = service.raw.get("pull_policy") not in {None, "", "missing", "if_not_present", "never"}
    return pulled or service.provided or bool(service.raw.get("volumes_from"))  # these are hashed by id


def keep_hashes(client: DockerClient, project: Project, stack: Stack) -> None:
    """Keep the hashes that a launch has just given the containers of this model: they are Compose's own."""
    deployed = read_deployed(client, project.name)
    said = {(c.service, c.config_hash) for c in deployed.containers if stack.find(c.service)}
    hashes = dict(sorted(said))
    if len(said) == len(hashes) == len(stack.services):
        _keep(project, _model_key(project, stack, shared_modes(stack, deployed)), hashes)


def _read_hashes(
    project: Project, stack: Stack, changes: Mapping[str, Mapping[str, str]], journal: Journal
) -> Mapping[str, str]:
    """Hash by service, as Compose said it last time of this very model; else as it says it now."""
    key = _model_key(project, stack, changes)
    if hashes := _kept(project, key):
        return hashes
    with phase(journal, "compose config"):
        hashes = project.read_hashes(changes)
    if hashes:
        _keep(project, key, hashes)
    return hashes


def _model_key(project: Project, stack: Stack, changes: Mapping[str, Mapping[str, str]]) -> str:
    """What the hashes hang on: the Compose that makes them, and the whole model."""
    model = json.dumps([str(project.compose), stack.raw, changes], sort_keys=True)
    return hashlib.sha256(model.encode()).hexdigest()


def _keep(project: Project, key: str, hashes: Mapping[str, str]) -> None:
    with contextlib.suppress(OSError):  # Compose is asked again next time
        make_folder(STATE)
        write_atomically(_place(project), json.dumps({key: hashes}))


def _kept(project: Project, key: str) -> Mapping[str, str]:
    """The hashes of the model with that key; none where another model's were kept last."""
    try:
        return dict(json.loads(_place(project).read_text(encoding="utf-8"))[key])
    except (OSError, ValueError, LookupError, TypeError):
        return {}


def _place(project: Project) -> Path:
    return STATE / f"{project.name}.hashes.json"
