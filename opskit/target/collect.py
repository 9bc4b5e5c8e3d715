"""Collects the facts a decision is taken on: one procedure, from the env file to what the outside answers."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opskit.audit.history import launched_volumes
from opskit.audit.journal import Journal, note, phase
from opskit.compose.client import Project
from opskit.compose.faults import Failure
from opskit.compose.model import MODEL_SERVER, Compose, Stack
from opskit.compose.source import read_service_names, read_source
from opskit.engine.facts import EngineFacts, VolumeFact
from opskit.engine.postgres import read_major
from opskit.engine.pulls import read_present
from opskit.environments import Environment
from opskit.errors import ConfigError, NotReadError
from opskit.files import is_shared
from opskit.host.certificate import read_certificates
from opskit.host.model import Files
from opskit.host.read import read_disks, read_kinds, read_mode, read_postgres_majors, read_writable
from opskit.host.served import read_cached, read_served
from opskit.llm.shape import Model
from opskit.lock import read_launcher
from opskit.paths import AUDIT, ROOT, STATE
from opskit.preflight.checks.image import missing_images
from opskit.preflight.facts import Facts
from opskit.quantity import GIB
from opskit.reading import Reading
from opskit.rehearsal.images import ensure_images
from opskit.rehearsal.programs import variables_of
from opskit.rehearsal.stage import FULL_NEED_BYTES, NEED_BYTES, write_overlay
from opskit.rehearsal.tiny import ensure_model
from opskit.release.digests import check_lock, lock_of
from opskit.release.mark import read_mark
from opskit.secrets.fingerprint import changed
from opskit.secrets.policy import value_faults
from opskit.secrets.value import Secret
from opskit.snapshot.mark import read_unfinished
from opskit.target.machine import Machine
from opskit.target.placement import choose_placement
from opskit.target.port_overrides import given_ports, plan_overrides, read_overrides
from opskit.target.project import draft_project, read_env_file, resolve
from opskit.target.target import Target
from opskit.unknown import Unknown, or_else

if TYPE_CHECKING:
    from docker import DockerClient

_NEEDS = {"yes": NEED_BYTES, "full": FULL_NEED_BYTES}
_FILES_S = 10.0
_DATABASES = "/var/lib/postgresql"
"""Where the images of PostgreSQL keep their data, or below."""


def collect_here(
    environment: Environment, *, gpu: str, ports: str = "", level: str, journal: Journal, locked: bool = True
) -> Target:
    """The facts of one environment on a machine that is asked for it alone; see `collect_facts`."""
    machine = Machine(level=level, journal=journal)
    return collect_facts(environment, machine, gpu=gpu, ports=ports, journal=journal, locked=locked)


def collect_facts(
    environment: Environment, machine: Machine, *, gpu: str, ports: str = "", journal: Journal, locked: bool = True
) -> Target:
    """Read everything once; nothing is written or decided. A rehearsal gets its images here: they are what it reads.

    Args:
        environment: the one to launch.
        machine: several environments may share one; what is of the machine is asked once.
        gpu: auto, dual, single or cpu.
        ports: see `port_overrides.PORTS`; what `auto` moves is planned here and written by the launch.
        journal: told the phases.
        locked: whether the environment's lock of images is merged, where it has one; a rehearsal makes its images.
    """
    rehearsal = machine.rehearsal
    with phase(journal, "facts"):
        env_file = read_env_file(environment)
        placement = choose_placement(environment, env_file, gpu, machine)
        moved = {} if ports == "keep" else read_overrides(environment.project)
        draft = draft_project(environment, env_file, placement, machine, moved)
        project, compose = draft.project, machine.compose()
        secret = {**env_file.values, **draft.planned}
    if rehearsal and isinstance(compose, Compose):
        with phase(journal, "images"):
            project = _set_stage(project, machine, journal)
            machine.read_images_again()
    with phase(journal, "compose config"):
        began = time.monotonic()
        stack = _resolve(project, compose, secret)
        if locked and rehearsal is None and isinstance(stack, Stack):
            project, stack = _lock(environment, project, stack, secret)
        resolved_s = round(time.monotonic() - began, 3)
    if rehearsal is None:
        machine.ask_hub(stack)
    with phase(journal, "facts"):
        engine = _with_images(stack, machine)
        missing = None if rehearsal else _missing(stack, engine)
        machine.ask_registries(missing or ())
        host = machine.host()
        if ports == "auto" and isinstance(engine, EngineFacts) and isinstance(stack, Stack):
            planned = plan_overrides(
                project, stack, or_else(host.sockets, ()), or_else(engine.containers, ()), env_file.values
            )
            if planned:
                note(journal, "moved: " + ", ".join(f"{name}={port}" for name, port in planned.items()))
                moved = {**moved, **planned}
                project = replace(project, environ={**project.environ, **planned})
                stack = _resolve(project, compose, secret)
        files, model, files_s = _read_files(environment, project.name, stack, engine, machine.client)
        hub = machine.hub(stack)
        pulls = None if missing is None else machine.pulls(missing)
        launched = _launched(environment, project.name, engine, journal)
    facts = Facts(
        environment=environment,
        project=project.name,
        rehearsal=rehearsal is not None,
        need_bytes=_NEEDS.get(machine.level, int(environment.memory_gib * GIB)),
        compose=compose,
        engine=engine,
        stack=stack,
        inventory=machine.inventory(),
        placement=placement,
        model=model,
        host=host,
        files=files,
        demanded=draft.demanded,
        unmade=tuple(draft.planned),
        moved=moved,
        given_ports=given_ports(draft.project, env_file.values),
        reserved=machine.reserved,
        unfinished=read_unfinished(project.name),
        upgraded_from=_upgraded_from(project.name, journal),
        lock=read_launcher(project.name, engine=engine.id if isinstance(engine, EngineFacts) else ""),
        hub=hub,
        pulls=pulls,
        launched_volumes=tuple(launched.get("names", ())),
        changed_secrets=changed(env_file.values, launched.get("fingerprints", {})),
        secret_faults=value_faults(env_file.revealed()),
        exported=env_file.exported(draft.secrets),
        env_fault=env_file.fault,
        seconds={**machine.seconds, "compose config": resolved_s, "files": files_s},
    )
    return Target(facts, project, machine.client, env_file.values, draft.planned)


def _resolve(project: Project, compose: Compose | Unknown, secret: Mapping[str, Secret]) -> Stack | Failure:
    if isinstance(compose, Unknown):
        return Failure("compose_missing", None, "not resolved: there is no Compose to ask", (), "install Compose")
    return resolve(project, secret)


def _upgraded_from(project: str, journal: Journal) -> str:
    """The release that an upgrade which has not ended began on; none in the run that upgrades."""
    mark = read_mark(project)
    return mark.release if mark and mark.run != journal.run else ""


def _launched(
    environment: Environment, project: str, engine: EngineFacts | Unknown, journal: Journal
) -> Mapping[str, Any]:
    """The volumes of the last good launch, as its record has them; none in a run that has wiped them."""
    if isinstance(engine, Unknown) or journal.volumes_written():
        return {}
    return launched_volumes(AUDIT, environment.name, project=project, engine=engine.id)


def _missing(stack: Stack | Failure, engine: EngineFacts | Unknown) -> tuple[str, ...] | None:
    """The images a launch would pull; None where it is not known what the stack wants or what is there."""
    if isinstance(stack, Failure) or isinstance(engine, Unknown) or isinstance(engine.images, Unknown):
        return None
    return missing_images(stack, engine.images)


def _with_images(stack: Stack | Failure, machine: Machine) -> EngineFacts | Unknown:
    """The Engine, its images by the names that the files use too: it alone knows whether two names are one image."""
    engine, client = machine.engine_whole(), machine.client
    if (
        isinstance(engine, Unknown)
        or isinstance(engine.images, Unknown)
        or not isinstance(stack, Stack)
        or client is None
    ):
        return engine
    return replace(engine, images=engine.images | read_present(client, missing_images(stack, engine.images)))


def _read_files(
    environment: Environment,
    project: str,
    stack: Stack | Failure,
    engine: EngineFacts | Unknown,
    client: DockerClient | None,
) -> tuple[Files | Unknown, Model | Unknown, float]:
    """The files, the model's own among them, and the seconds they took; a mount may hang."""
    reading = Reading("files", partial(_files_of, environment, project, stack, engine, client), timeout_s=_FILES_S)
    try:
        files, model = reading.result()
    except NotReadError as error:
        why = Unknown(error.reason, "look with `df -h` for a mount that hangs")
        return why, why, round(reading.seconds, 3)
    return files, model, round(reading.seconds, 3)


def _files_of(
    environment: Environment,
    project: str,
    stack: Stack | Failure,
    engine: EngineFacts | Unknown,
    client: DockerClient | None,
) -> tuple[Files, Model | Unknown]:
    local = engine if isinstance(engine, EngineFacts) and engine.local else None
    own = [volume for volume in or_else(local.volumes, ()) if volume.project == project] if local else []
    folders = {volume.key: volume.folder for volume in own if volume.key}
    sources = [path for _, path in stack.bind_sources] if isinstance(stack, Stack) else []
    files = Files(
        disks=read_disks(dict.fromkeys([local.root, str(ROOT)] if local else [str(ROOT)])),
        kinds=read_kinds(sources),
        mode=_read_secret_mode(ROOT / environment.env_file),
        modes={path: mode for path in sources if (mode := read_mode(Path(path))) is not None},
        writable=read_writable((ROOT, STATE, AUDIT)),
        postgres_majors=_majors(own, stack, client),
        certificates=read_certificates(stack) if isinstance(stack, Stack) else (),
        cached=read_cached(stack, folders) if local and not isinstance(local.volumes, Unknown) else None,
    )
    return files, read_served(stack)


def _lock(
    environment: Environment, project: Project, stack: Stack, secret: Mapping[str, Secret]
) -> tuple[Project, Stack | Failure]:
    """The project with its images by digest, where its environment has a lock."""
    path = lock_of(environment)
    if not path.is_file():
        return project, stack
    try:
        check_lock(path, stack)
    except ConfigError as error:
        remedy = f"`opskit lock {environment.name}` writes it again; without the file, the tags are what is run"
        return project, Failure("config_invalid", None, str(error), (), remedy)
    project = replace(project, files=(*project.files, path))
    return project, resolve(project, secret)


def _read_secret_mode(path: Path) -> int | None:
    """The permission bits of an env file; the group's are left out where its folder is the group's."""
    mode = read_mode(path)
    return mode & ~0o060 if mode is not None and is_shared(path.parent) else mode


def _majors(own: Iterable[VolumeFact], stack: Stack | Failure, client: DockerClient | None) -> Mapping[str, str]:
    """PostgreSQL's majors by volume key; of folders that this user may not open, the Engine is asked."""
    services = stack.services if isinstance(stack, Stack) else ()
    mounts = [m for s in services for m in s.mounts if m.kind == "volume" and m.target.startswith(_DATABASES)]
    keys = {mount.source for mount in mounts}
    volumes = {volume.key: volume for volume in own if volume.key in keys}
    majors = read_postgres_majors({key: volume.folder for key, volume in volumes.items()})
    return {key: major or (read_major(client, volumes[key].name) if client else "") for key, major in majors.items()}


def _set_stage(project: Project, machine: Machine, journal: Journal) -> Project:
    """The project with the rehearsal's images in place; as it is where it cannot be resolved."""
    if machine.client is None or machine.rehearsal is None:
        return project
    source, services = read_source(project.files), read_service_names(project.files)
    if services is None and isinstance(stack := project.read_stack(), Stack):
        services = frozenset(service.name for service in stack.services)
    if services is None:
        return project
    services -= source.removed
    tell, cache = partial(note, journal), STATE / "cache"
    images = ensure_images(machine.client, sorted(services), cache=cache, say=tell, full=machine.level == "full")
    gpus = source.reserving & services
    path = STATE / f"{project.name}.rehearsal.yml"
    stage = write_overlay(path, images, gpu_services=gpus, keep_reservations=machine.rehearsal.private)
    model: Mapping[str, str] = {}
    if machine.level == "full" and MODEL_SERVER in services:
        model = ensure_model(machine.client, images[MODEL_SERVER], cache=cache, say=tell)
    own = {name: value for service in services for name, value in variables_of(service).items()}
    environ = {**project.environ, **stage.environ, **own, **model}
    return replace(project, files=(*project.files, stage.overlay), environ=environ)
