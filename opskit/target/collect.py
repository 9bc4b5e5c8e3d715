"""One environment on one machine: everything known before a decision, and what a launch of it needs."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opskit.audit.journal import Journal, note, phase
from opskit.compose.client import Project
from opskit.compose.faults import Failure
from opskit.compose.model import Compose, Stack
from opskit.compose.source import read_source
from opskit.engine.facts import EngineFacts
from opskit.engine.pulls import read_present, read_pulls
from opskit.environments import Environment
from opskit.errors import NotReadError, UsageError
from opskit.gpu.model import Inventory
from opskit.gpu.placement import WORKER_GPUS, Placement, place
from opskit.host.certificate import read_certificates
from opskit.host.model import Files, Host
from opskit.host.read import read_disks, read_kinds, read_mode, read_postgres_majors, read_writable
from opskit.host.served import read_cached, read_served
from opskit.llm.huggingface import read_hub
from opskit.llm.shape import Model
from opskit.lock import read_launcher
from opskit.paths import AUDIT, ROOT, STATE
from opskit.preflight.archive import to_json
from opskit.preflight.checks.image import missing_images
from opskit.preflight.facts import Facts, Unread
from opskit.quantity import GIB
from opskit.reading import Reading
from opskit.rehearsal.images import ensure_images
from opskit.rehearsal.stage import FULL_NEED_BYTES, NEED_BYTES, write_overlay
from opskit.rehearsal.tiny import ensure_model
from opskit.secrets.policy import rules_for
from opskit.secrets.store import ensure_secrets, read_hidden, read_secrets
from opskit.secrets.value import Secret, make_redact
from opskit.target.machine import World
from opskit.target.port_overrides import move_ports
from opskit.target.project import SECRETS, EnvFile, draft_project, read_env_file, resolve

if TYPE_CHECKING:
    from docker import DockerClient

GPU_CHOICE = "OPSKIT_GPU"
"""The variable by which an operator's choice of GPU mode is kept; gpu=auto takes it."""
_NEEDS = {"yes": NEED_BYTES, "full": FULL_NEED_BYTES}
_FILES_S = 10.0
_OUTSIDE_S = 5.0
"""For the hub, and for the registries."""


@dataclass(frozen=True, slots=True)
class Site:
    """What a start is decided on, and what it is done with.

    Attributes:
        facts: everything a decision looks at.
        client: the connection; None where the Engine does not answer.
        secrets: values of the env file.
    """

    facts: Facts
    project: Project
    client: DockerClient | None
    secrets: Mapping[str, Secret]

    def versions(self) -> dict[str, str]:
        """Versions for the record, of what answers."""
        engine = self.facts.engine
        said = {"compose": str(self.facts.compose), "engine": "none"}
        if isinstance(engine, EngineFacts):
            said["engine"] = f"{engine.version} (API {engine.api_version})"
        if isinstance(self.facts.inventory, Inventory) and self.facts.inventory.driver:
            said["nvidia driver"] = self.facts.inventory.driver
        return said

    def keep_facts(self, journal: Journal) -> None:
        """Put the facts in the run's record, without any secret."""
        journal.write("facts", versions=self.versions(), rehearsal=self.facts.rehearsal)
        journal.keep(f"facts-{self.facts.environment.name}.json", to_json(self.facts, self.redact()))

    def redact(self) -> Callable[[str], str]:
        """What puts `[NAME]` in the place of every value that must never be shown."""
        return make_redact(read_hidden(self.secrets, read_source(self.project.files).used))

    def with_secrets(self) -> tuple[Site, tuple[str, ...]]:
        """Make the secrets that are missing, and resolve the model with them. Returns the names made."""
        environment = self.facts.environment
        if not environment.secrets:
            return self, ()
        path = ROOT / environment.env_file
        added = ensure_secrets(path, rules_for(read_source(self.project.files).demanded))
        secrets = read_secrets(path)
        project = replace(self.project, env_file=path, environ=_less(self.project.environ, SECRETS))
        facts = replace(self.facts, unmade=(), stack=resolve(project, secrets) if added else self.facts.stack)
        return replace(self, project=project, secrets=secrets, facts=facts), added


def read_site(environment: Environment, *, gpu: str, ports: str, level: str, journal: Journal) -> Site:
    """Look at one environment on this machine; see `survey`."""
    return survey(environment, World(level=level, journal=journal), gpu=gpu, ports=ports, journal=journal)


def survey(environment: Environment, world: World, *, gpu: str, ports: str, journal: Journal) -> Site:
    """Look at everything once. A rehearsal gets its images here: they are what it looks at.

    Args:
        environment: the one to launch.
        world: the machine; several environments may share one.
        gpu: auto, dual, single or cpu.
        ports: `auto` moves a busy published port to the next free one; `keep` leaves it to preflight.
        journal: told the phases.
    """
    rehearsal = world.rehearsal
    with phase(journal, "facts"):
        env_file = read_env_file(environment)
        placement = _place(environment, env_file, gpu, world)
        draft = draft_project(environment, env_file, placement, world)
    project = draft.project
    with phase(journal, "compose config"):
        began = time.monotonic()
        world.ask_host()
        stack = resolve(project, env_file.values)
        resolved_s = round(time.monotonic() - began, 3)
        compose = world.compose()  # asked meanwhile
        if isinstance(compose, Compose):
            presumed, project = project.compose, replace(project, compose=compose)
            stack = stack if presumed.words == compose.words else resolve(project, env_file.values)
        else:
            stack = Failure("compose_missing", None, "not resolved: there is no Compose to ask", (), "install Compose")
    if rehearsal and isinstance(stack, Stack):
        with phase(journal, "images"):
            project = _set_stage(project, stack, world, journal)
            world.look_again_at_images()
        with phase(journal, "compose config"):
            stack = resolve(project, env_file.values)
    asking = _ask_hub(stack) if rehearsal is None else {}
    with phase(journal, "facts"):
        engine = _with_images(stack, world.engine_whole(), world.client)
        asking |= _ask_registries(stack, engine, world.client) if rehearsal is None else {}
        host = world.host()
        unread, seconds = dict(world.unread), {**world.seconds, "compose config": resolved_s}
        if ports == "auto" and isinstance(engine, EngineFacts) and isinstance(stack, Stack):
            project, stack = _moved(project, stack, engine, host, env_file, journal)
        looking = Reading("files", partial(_read_files, environment, project.name, stack, engine), timeout_s=_FILES_S)
        try:
            files, model = looking.result()
        except NotReadError as error:
            files, model = Files({}, {}), str(error)
            why = Unread(str(error), "look with `df -h` for a mount that hangs")
            unread |= dict.fromkeys(("disks", "kinds", "mode", "modes", "writable", "majors", "certificates"), why)
        seconds["files"] = round(looking.seconds, 3)
        outside = {name: _take(reading, seconds) for name, reading in asking.items()}
    facts = Facts(
        environment=environment,
        project=project.name,
        rehearsal=rehearsal is not None,
        need_bytes=_NEEDS.get(world.level, int(environment.memory_gib * GIB)),
        compose=compose,
        engine=engine,
        stack=stack,
        inventory=world.inventory(),
        placement=placement,
        model=model,
        host=host,
        files=files,
        demanded=draft.demanded,
        unmade=draft.unmade,
        lock=read_launcher(project.name),
        hub=outside.get("hub"),
        pulls=outside.get("pulls"),
        env_fault=env_file.fault,
        unread=unread,
        seconds=seconds,
    )
    return Site(facts, project, world.client, env_file.values)


def _read_files(
    environment: Environment, project: str, stack: Stack | Failure, engine: EngineFacts | str
) -> tuple[Files, Model | str]:
    here = engine if isinstance(engine, EngineFacts) and engine.local else None
    mine = [volume for volume in here.volumes or () if volume.project == project] if here else []
    folders = {volume.key: volume.folder for volume in mine if volume.key}
    sources = [path for _, path in stack.bind_sources] if isinstance(stack, Stack) else []
    files = Files(
        disks=read_disks(dict.fromkeys([here.root, str(ROOT)] if here else [str(ROOT)])),
        kinds=read_kinds(sources),
        mode=read_mode(ROOT / environment.env_file),
        modes={path: mode for path in sources if (mode := read_mode(Path(path))) is not None},
        writable=read_writable((ROOT, STATE, AUDIT)),
        postgres_majors=read_postgres_majors(folders),
        certificates=read_certificates(stack) if isinstance(stack, Stack) else (),
        cached=read_cached(stack, folders) if here and here.volumes is not None else None,
    )
    return files, read_served(stack)


def _place(environment: Environment, env_file: EnvFile, gpu: str, world: World) -> Placement:
    """Choose the GPUs, by what others leave of them for the share that vLLM will ask for."""
    inventory = world.inventory()
    written = env_file.setting(GPU_CHOICE, environment) if gpu == "auto" and environment.gpu else ""
    overlays = {str(mode): file for mode, file in environment.gpu.items()}
    workers = {str(mode): file for mode, file in environment.worker_gpu.items()}
    share = env_file.setting("GPU_MEMORY_UTILIZATION", environment)
    more: dict[str, Any] = {"workers": workers, "visible": env_file.find_setting(WORKER_GPUS, environment)}
    if re.fullmatch(r"0?\.\d+|1(\.0*)?", share):
        more["utilization"] = float(share)
    occupied = isinstance(inventory, Inventory) and any(gpu.memory_used_bytes for gpu in inventory.gpus)
    running = occupied and world.runs(environment)
    if written in {"", "auto"}:
        return place(gpu, inventory, overlays, running=running, **more)
    if written not in environment.gpu:
        modes = ", ".join(environment.gpu)
        raise UsageError(f"{GPU_CHOICE}: found {written!r} in shell or {environment.env_file}; wanted one of {modes}.")
    placement = place(written, inventory, overlays, running=running, **more)
    why = f"{GPU_CHOICE}={written} stands in shell or {environment.env_file}; `opskit run gpu -p env "
    why += f"{environment.name} -p confirm {environment.name}:auto` takes it out"
    return replace(placement, reasons=(why, *placement.reasons))


def _ask_hub(stack: Stack | Failure) -> dict[str, Reading[Any]]:
    """Begin to ask the hub, where the model is named as it is there."""
    name = stack.served_model if isinstance(stack, Stack) else ""
    if not isinstance(stack, Stack) or not stack.server or not name or name.startswith("/"):
        return {}
    ask = partial(read_hub, name, stack.server.raw.get("environment") or {})
    return {"hub": Reading("hub", ask, timeout_s=_OUTSIDE_S)}


def _with_images(stack: Stack | Failure, engine: EngineFacts | str, client: DockerClient | None) -> EngineFacts | str:
    """The Engine, its images by the names that the files use too: it alone knows whether two names are one image."""
    if isinstance(engine, str) or engine.images is None or not isinstance(stack, Stack) or client is None:
        return engine
    return replace(engine, images=engine.images | read_present(client, missing_images(stack, engine.images)))


def _ask_registries(
    stack: Stack | Failure, engine: EngineFacts | str, client: DockerClient | None
) -> dict[str, Reading[Any]]:
    """Begin to ask for the images that are missing."""
    if isinstance(engine, str) or engine.images is None or not isinstance(stack, Stack) or client is None:
        return {}
    ask = partial(read_pulls, client, missing_images(stack, engine.images), timeout_s=_OUTSIDE_S)
    return {"pulls": Reading("registries", ask, timeout_s=2 * _OUTSIDE_S)}


def _take(reading: Reading[Any], seconds: dict[str, float]) -> Any:  # noqa: ANN401  each has its own type
    """What was read; of the hub that it did not answer, of the registries nothing, since they say that themselves."""
    try:
        return reading.result()
    except NotReadError as error:
        return str(error) if reading.name == "hub" else None
    finally:
        seconds[reading.name] = round(reading.seconds, 3)


def _moved(  # noqa: PLR0917
    project: Project, stack: Stack, engine: EngineFacts, host: Host, env_file: EnvFile, journal: Journal
) -> tuple[Project, Stack | Failure]:
    """The project with its busy ports moved, and its model."""
    moved = move_ports(project, stack, host.holders or (), engine.containers or ())
    if not moved:
        return project, stack
    note(journal, "moved, and remembered: " + ", ".join(f"{name}={port}" for name, port in moved.items()))
    project = replace(project, environ={**project.environ, **moved})
    return project, resolve(project, env_file.values)


def _set_stage(project: Project, stack: Stack, world: World, journal: Journal) -> Project:
    """The project with the rehearsal's images in place."""
    if world.client is None or world.rehearsal is None:
        return project
    services = [service.name for service in stack.services]
    say, cache = partial(note, journal), STATE / "cache"
    images = ensure_images(world.client, services, cache=cache, say=say, full=world.level == "full")
    gpus = [service.name for service in stack.services if service.devices]
    path = STATE / f"{project.name}.rehearsal.yml"
    stage = write_overlay(path, images, gpu_services=gpus, keep_reservations=world.rehearsal.private)
    model: Mapping[str, str] = {}
    if world.level == "full" and stack.server is not None:
        model = ensure_model(world.client, images[stack.server.name], cache=cache, say=say)
    environ = {**project.environ, **stage.environ, **model}
    return replace(project, files=(*project.files, stage.overlay), environ=environ)


def _less(values: Mapping[str, str], names: frozenset[str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if name not in names}
