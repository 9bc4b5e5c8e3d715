"""Everything that is known before a decision: environment, Engine, GPUs and the resolved model, read once."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import requests

from opskit.audit.journal import Journal
from opskit.checklist import checks_of
from opskit.compose.cli import Compose, Project, find_compose
from opskit.compose.faults import Failure
from opskit.compose.model import UNNAMED_IMAGE, Stack
from opskit.compose.variables import read_demanded
from opskit.engine.client import connect, resolve_host
from opskit.engine.facts import EngineFacts, read_engine_facts
from opskit.environments import Environment
from opskit.errors import ComposeMissingError, ConfigError, EngineUnavailableError
from opskit.gpu.model import GpuUnavailable, Inventory
from opskit.gpu.nvml import read_inventory
from opskit.gpu.placement import Placement, place
from opskit.gpu.shape import Model
from opskit.gpu.weights import read_model
from opskit.paths import COMPOSE, ROOT, STATE
from opskit.port import move_ports, read_moved
from opskit.preflight.finding import Report, judge
from opskit.preflight.host import HostFacts, read_host_facts
from opskit.preflight.quantity import GIB
from opskit.rehearsal.engine import RehearsalEngine, ensure_engine
from opskit.rehearsal.gpus import recorded_inventory
from opskit.rehearsal.images import ensure_images
from opskit.rehearsal.stage import NEED_BYTES, UNNAMED, write_overlay
from opskit.secrets.policy import BY_NAME, rules_for
from opskit.secrets.store import ensure_secrets, read_given, read_secrets
from opskit.secrets.value import Secret

if TYPE_CHECKING:
    from docker import DockerClient

_UNMADE = "not-made-yet"
"""The value of a missing secret while the model is only looked at."""

_SECRETS = frozenset(BY_NAME)


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
    """What a start is decided on. Where the world does not answer, the field holds the sentence or fault that says why.

    Attributes:
        client: the connection; None where the Engine does not answer.
        demanded: variables the files demand beside secrets, and whether each has a value.
        unmade: names of secrets that are not in the env file yet.
    """

    environment: Environment
    rehearsal: RehearsalEngine | None
    client: DockerClient | None
    engine: EngineFacts | str
    compose: Compose | str
    project: Project
    stack: Stack | Failure
    inventory: Inventory | GpuUnavailable
    placement: Placement
    model: Model | str
    host: HostFacts
    demanded: Mapping[str, bool]
    secrets: Mapping[str, Secret]
    unmade: tuple[str, ...]

    @property
    def need_bytes(self) -> int:
        """Memory the host must have for this environment; little for a rehearsal."""
        return NEED_BYTES if self.rehearsal else int(self.environment.memory_gib * GIB)

    @property
    def running(self) -> bool:
        """Whether something of this very project runs already."""
        there = self.engine.containers if isinstance(self.engine, EngineFacts) else ()
        return any(c.project == self.project.name and c.state == "running" for c in there)

    def versions(self) -> dict[str, str]:
        """Versions for the record, of what answers."""
        said = {"compose": str(self.compose), "engine": "none"}
        if isinstance(self.engine, EngineFacts):
            said["engine"] = f"{self.engine.version} (API {self.engine.api_version})"
        if isinstance(self.inventory, Inventory) and self.inventory.driver:
            said["nvidia driver"] = self.inventory.driver
        return said

    def check(self, *, accept: Iterable[str], who: str) -> Report:
        """Run every check that applies; a check changes nothing and looks at nothing but these facts."""
        return judge(checks_of(self), accept=accept, who=who)

    def with_secrets(self) -> tuple[Site, tuple[str, ...]]:
        """Make the secrets that are missing, and resolve the model with them. Returns the names made."""
        if not self.environment.secrets:
            return self, ()
        path = ROOT / self.environment.env_file
        added = ensure_secrets(path, rules_for(read_demanded(self.project.files)))
        project = replace(self.project, env_file=path, environ=_less(self.project.environ, _SECRETS))
        site = replace(self, project=project, secrets=read_secrets(path), unmade=())
        return (replace(site, stack=project.read_stack()) if added else site), added


def read_site(environment: Environment, *, gpu: str, ports: str, rehearse: bool, journal: Journal) -> Site:
    """Look at everything once. A rehearsal gets its engine and its images here: they are what it looks at.

    Args:
        environment: the one to launch.
        gpu: auto, dual, single or cpu.
        ports: `auto` moves a busy published port to the next free one; `keep` leaves it to preflight.
        rehearse: with stand-ins.
        journal: told the phases.

    Raises:
        EngineUnavailableError: a rehearsal can get no Engine.
        ConfigError: the env file is damaged.
    """
    rehearsal = None
    if rehearse:
        with phase(journal, "rehearsal engine"):
            rehearsal = ensure_engine(STATE, say=_say(journal))
    host = resolve_host(rehearsal.host if rehearsal else None)
    with phase(journal, "gpus"):
        inventory = recorded_inventory() if rehearse else read_inventory()
        placement = place(gpu, inventory, {str(mode): file for mode, file in environment.gpu.items()})
    client, reason = _connect(host)
    compose = _find_compose()
    with phase(journal, "compose config"):
        project, demanded, secrets, unmade = _project(environment, placement, compose, host, rehearsal)
        project = replace(project, environ={**project.environ, **_docker_root(client)})
        stack = _resolve(project, compose)
    if rehearsal and client is not None and isinstance(stack, Stack):
        with phase(journal, "images"):
            project = _set_stage(project, stack, client, rehearsal, _say(journal))
        with phase(journal, "compose config"):
            stack = project.read_stack()
    with phase(journal, "facts"):
        engine = _read_engine(client, host, project.name) if client is not None else reason
        root = engine.root if isinstance(engine, EngineFacts) and host.startswith("unix://") else str(ROOT)
        files = [path for _, path in stack.bind_sources] if isinstance(stack, Stack) else []
        folders = engine.folders if isinstance(engine, EngineFacts) and host.startswith("unix://") else {}
        guarded = [ROOT / environment.env_file]
        facts = read_host_facts(files=files, disks=[root], guarded=guarded, data=folders)
    if ports == "auto" and isinstance(engine, EngineFacts) and isinstance(stack, Stack):
        moved = move_ports(project, stack, facts.holders or (), engine.containers)
        if moved:
            _say(journal)("moved, and remembered: " + ", ".join(f"{name}={port}" for name, port in moved.items()))
            project = replace(project, environ={**project.environ, **moved})
            stack = project.read_stack()
    return Site(
        environment=environment,
        rehearsal=rehearsal,
        client=client,
        engine=engine,
        compose=compose,
        project=project,
        stack=stack,
        inventory=inventory,
        placement=placement,
        model=_read_model(stack),
        host=facts,
        demanded=demanded,
        secrets=secrets,
        unmade=unmade,
    )


def _project(
    environment: Environment,
    placement: Placement,
    compose: Compose | str,
    host: str,
    rehearsal: RehearsalEngine | None,
) -> tuple[Project, Mapping[str, bool], Mapping[str, Secret], tuple[str, ...]]:
    names = (*environment.compose, *([placement.overlay] if placement.overlay else []))
    files = tuple(COMPOSE / name for name in names)
    env_file = ROOT / environment.env_file
    secrets = read_secrets(env_file)
    demanded = read_demanded(files)
    unmade = tuple(sorted((demanded & _SECRETS) - secrets.keys()))
    own = UNNAMED if rehearsal else {}
    there = {name: bool(read_given(name, secrets)) or name in own for name in demanded - _SECRETS}
    name = rehearsal.project(environment.project) if rehearsal else environment.project
    settings = {**environment.settings, **read_moved(name)}.items()
    environ = {
        **{name: value for name, value in settings if name not in os.environ and name not in secrets},
        "COMPOSE_PROFILES": ",".join(
            filter(None, (read_given("COMPOSE_PROFILES", secrets), "gpu" if placement.gpus_needed else ""))
        ),
        **placement.environ,
        **own,
        **dict.fromkeys(unmade, _UNMADE),
        **{name: UNNAMED_IMAGE for name, given in there.items() if not given},
    }
    project = Project(
        compose=compose if isinstance(compose, Compose) else Compose(("docker", "compose"), (0, 0, 0)),
        name=name,
        files=files,
        env_file=env_file if env_file.exists() else None,
        environ=environ,
        engine_host=host,
        withheld=_SECRETS,
    )
    return project, there, secrets, unmade


def _set_stage(
    project: Project, stack: Stack, client: DockerClient, engine: RehearsalEngine, say: Callable[[str], None]
) -> Project:
    services = [service.name for service in stack.services]
    images = ensure_images(client, services, cache=STATE / "cache", say=say)
    gpus = [service.name for service in stack.services if service.devices]
    path = STATE / f"{project.name}.rehearsal.yml"
    stage = write_overlay(path, images, gpu_services=gpus, keep_reservations=engine.private)
    return replace(project, files=(*project.files, stage.overlay), environ={**project.environ, **stage.environ})


def _resolve(project: Project, compose: Compose | str) -> Stack | Failure:
    if isinstance(compose, str):
        return Failure("compose_missing", None, "not resolved: there is no Compose to ask", (), "install Compose")
    return project.read_stack()


def _connect(host: str) -> tuple[DockerClient | None, str]:
    try:
        return connect(host), ""
    except EngineUnavailableError as error:
        return None, str(error)


def _find_compose() -> Compose | str:
    try:
        return find_compose()
    except ComposeMissingError as error:
        return str(error)


def _read_engine(client: DockerClient, host: str, project: str) -> EngineFacts | str:
    try:
        return read_engine_facts(client, host, project)
    except requests.exceptions.RequestException as error:
        return f"Docker Engine at {host}: it went away ({error}). Remedy: `systemctl status docker`."


def _say(journal: Journal) -> Callable[[str], None]:
    def say(text: str) -> None:
        journal.write("note", text=text)
        print(text, flush=True)  # noqa: T201  a step that takes time is told while it is taken

    return say


def _docker_root(client: DockerClient | None) -> Mapping[str, str]:
    """Where the Engine keeps its logs; that it went away is said where its facts are read."""
    try:
        return {"DOCKER_ROOT": client.info()["DockerRootDir"]} if client is not None else {}
    except requests.exceptions.RequestException:
        return {}


def _read_model(stack: Stack | Failure) -> Model | str:
    """What is known of the model vLLM will serve; the reason where nothing is: its files are not in a folder here."""
    vllm = stack.find("vllm") if isinstance(stack, Stack) else None
    name = vllm.options.get("model", "") if vllm else ""
    for mount in vllm.mounts if vllm else ():
        if mount.kind == "bind" and PurePosixPath(name).is_relative_to(mount.target):
            try:
                return read_model(Path(mount.source) / PurePosixPath(name).relative_to(mount.target))
            except ConfigError as error:
                return str(error)
    return f"{name or 'the model'} is no folder under the models directory"


def _less(values: Mapping[str, str], names: frozenset[str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if name not in names}
