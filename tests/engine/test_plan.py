"""The plan is what Compose then does: random projects, changed at random, container by container on a real Engine."""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from opskit.compose.client import Project, find_compose
from opskit.compose.faults import failure_of
from opskit.compose.model import Stack
from opskit.compose.plan import SETTLED, Step, changes, plan_launch, shared_modes
from opskit.compose.progress import parse_progress
from opskit.engine.deployed import read_deployed
from opskit.health.again import may_go_on
from opskit.target.plan import is_converged
from tests.checkout import remove_project

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

pytestmark = pytest.mark.engine

CHANGES = int(os.environ.get("OPSKIT_PLANS", "24"))
"""Launches compared; `OPSKIT_PLANS=200 pytest tests/engine/test_plan.py` for the long series."""
CHAIN = 8
"""Changes one project goes through before another is begun."""

SLEEP = ["sleep", "600"]
Model = dict[str, Any]


@pytest.fixture
def project(tmp_path: Path, engine: DockerClient, engine_host: str) -> Iterator[Project]:
    name = f"opskit-test-{uuid.uuid4().hex[:8]}"
    yield Project(find_compose(), name, (tmp_path / "compose.json",), engine_host=engine_host)
    remove_project(engine, name)


def up(project: Project, engine: DockerClient, *, ok: bool | None) -> None:
    """Run it as a launch does: again where Compose stumbles over its own steps."""
    stack = project.read_stack()
    assert isinstance(stack, Stack)
    for tried in range(10):
        running, lines = project.start_up(), []
        while running.poll() is None:
            lines += [line for _, line in running.lines(until=time.monotonic() + 5)]
        errors = [event.verb for event in map(parse_progress, lines) if event.kind == "error"]
        if not errors or not may_go_on(engine, stack, failure_of(errors[-1], project=project.name), tried):
            break
    assert ok is None or (running.poll() == 0) == ok, "\n".join((*lines[-6:], project.files[0].read_text()))


def plan(project: Project, engine: DockerClient) -> tuple[tuple[Step, ...], bool]:
    stack = project.read_stack()
    assert isinstance(stack, Stack), stack
    deployed = read_deployed(engine, project.name, stack.images)
    hashes = project.read_hashes(shared_modes(stack, deployed))
    steps = plan_launch(stack, deployed, hashes)
    return steps, is_converged(stack, deployed, steps, hashes)


def looks(project: Project, engine: DockerClient) -> dict[str, tuple[str, str, str]]:
    """Service, number and time of the last start by container, once every one-shot has ended."""
    states: dict[str, tuple[str, str, str]] = {}
    for container in engine.containers.list(all=True, filters=_own(project)):
        if container.labels["once"] == "yes":
            container.wait(timeout=20)
            container.reload()
        labels = container.labels
        number = labels["com.docker.compose.container-number"]
        started = container.attrs["State"]["StartedAt"]
        states[str(container.id)] = (labels["com.docker.compose.service"], number, started)
    return states


def done(before: dict[str, tuple[str, str, str]], after: dict[str, tuple[str, str, str]]) -> Counter[tuple[str, str]]:
    """What happened, by container id: (id or service, act), where the act is one that can be seen from outside."""
    numbers = {state[:2] for identity, state in after.items() if identity not in before}
    seen: Counter[tuple[str, str]] = Counter()
    for identity, state in before.items():
        if identity in after:
            seen[identity, "same" if after[identity][2] == state[2] else "started"] += 1
        else:
            seen[identity, "replaced" if state[:2] in numbers else "removed"] += 1
            numbers.discard(state[:2])
    for service, _ in numbers:
        seen[service, "created"] += 1
    return seen


OUTSIDE = {
    "keep": "same", "orphan": "same", "start": "started", "rerun": "started", "restart": "started",
    "recreate": "replaced", "remove": "removed", "create": "created",
}  # fmt: skip


def planned(steps: tuple[Step, ...]) -> Counter[tuple[str, str]]:
    return Counter((s.container or s.name, OUTSIDE[s.act]) for s in steps if s.kind == "container")


def first(draw: random.Random, image: str) -> Model:
    services = {name: service(draw, image, name) for name in ("a", "b", "c", "d")[: draw.randint(2, 4)]}
    model = {"services": services, "networks": {"net1": {}, "net2": {}}, "volumes": {"vol1": {}, "vol2": {}}}
    for number, other in enumerate(list(services)[1:]):
        if draw.random() < 0.6:
            restart = {"restart": True} if draw.random() < 0.5 else {}
            services[other]["depends_on"] = {list(services)[number]: {"condition": "service_started", **restart}}
    if draw.random() < 0.2 and services["b"].get("networks") and services["b"]["scale"] == 1:
        services["b"].pop("networks")
        services["b"]["network_mode"] = "service:a"
        services["a"] |= {"scale": 1, "command": SLEEP, "labels": {"once": "no"}}
    return model


def service(draw: random.Random, image: str, name: str) -> Model:
    once = draw.random() < 0.2
    made: Model = {
        "image": image,
        "command": ["true"] if once else SLEEP,
        "labels": {"once": "yes" if once else "no"},
        "stop_grace_period": "0s",
        "scale": draw.choice((1, 1, 1, 2)),
        "networks": _networks(draw),
        "environment": {"NAME": name},
    }
    if draw.random() < 0.5:
        made["volumes"] = [f"{draw.choice(('vol1', 'vol2'))}:/data"]
    return made


def change(draw: random.Random, model: Model, engine: DockerClient, project: Project, image: str) -> str:
    """Change the files, the Engine or both in one way of many. Returns its name."""
    services = model["services"]
    name = draw.choice(list(services))
    chosen = services[name]
    there = engine.containers.list(all=True, filters=_own(project))
    draw.shuffle(there)
    once = chosen["labels"]["once"] == "yes"
    ways: dict[str, Callable[[], object]] = {
        "nothing": lambda: None,
        "environment": lambda: chosen["environment"].update(X=draw.choice(("<a&b>", "é\u2028", str(draw.random())))),
        "scale": lambda: "network_mode" in chosen or _shared(services, name) or chosen.update(scale=draw.randint(0, 3)),
        "add": lambda: services.update({f"e{draw.randint(0, 9)}": service(draw, image, "e")}),
        "drop": lambda: len(services) == 1 or _used(services, name) or services.pop(name),
        "network": lambda: model["networks"].update(net1={"labels": {"round": str(draw.random())}}),
        "volume": lambda: model["volumes"].update(vol1={"labels": {"round": str(draw.random())}}),
        "other volume": lambda: model["volumes"].update(vol2={"name": f"{project.name}_{draw.randint(0, 99)}"}),
        "join": lambda: "network_mode" in chosen or chosen.update(networks=_networks(draw)),
        "mount": lambda: chosen.update(volumes=[f"{draw.choice(('vol1', 'vol2'))}:/data"]),
        "tag": lambda: chosen.update(image=draw.choice((image, f"{image}-other", f"docker.io/{image}"))),
        "stop": lambda: _stop(there),
        "rm": lambda: _remove(there),
        "restart": lambda: chosen.update(restart="no" if once else draw.choice(("unless-stopped", "on-failure"))),
    }
    way = draw.choice(list(ways))
    ways[way]()
    return way


def _stop(containers: list[Container]) -> None:
    for container in containers[:1]:
        container.stop(timeout=0)


def _remove(containers: list[Container]) -> None:
    for container in containers[:1]:
        container.remove(force=True)


def _networks(draw: random.Random) -> Model:
    return dict.fromkeys(draw.sample(("net1", "net2"), draw.randint(1, 2)))


def _shared(services: Model, name: str) -> bool:
    return any(service.get("network_mode") == f"service:{name}" for service in services.values())


def _used(services: Model, name: str) -> bool:
    return _shared(services, name) or any(name in (s.get("depends_on") or {}) for s in services.values())


def test_the_plan_is_what_compose_does(project: Project, engine: DockerClient, busybox: str) -> None:
    draw = random.Random(os.environ.get("OPSKIT_SEED", "opskit"))  # noqa: S311  not for secrets
    other = f"{busybox}-other"
    made = engine.containers.create(busybox, ["true"])
    made.commit(*other.rsplit(":", 1))
    made.remove()
    wrong, seen = [], Counter[str]()
    left = 0
    for number in range(CHANGES):
        if left == 0:
            left = CHAIN
            subprocess.run(
                project.words("down", "-v", "-t", "0"), env=_environment(project), capture_output=True, check=number > 0
            )
            model = first(draw, busybox)
            kind = {"first"}
        else:
            kind = {change(draw, model, engine, project, busybox) for _ in range(draw.randint(1, 3))}
        project.files[0].write_text(json.dumps(model))
        before = looks(project, engine)
        networks = {n.name: n.id for n in engine.networks.list(filters=_own(project))}
        volumes = {v.name for v in engine.volumes.list(filters=_own(project))}
        steps, converged = plan(project, engine)
        left -= 1
        if any("makes Compose fail" in step.reason for step in steps):
            up(project, engine, ok=False)
            seen["network that Compose cannot recreate"] += 1
            left = 0
            continue
        if any("may make Compose fail" in step.reason for step in steps):
            up(project, engine, ok=None)
            seen["network that Compose may fail to recreate"] += 1
            left = 0
            continue
        up(project, engine, ok=True)
        got = done(before, looks(project, engine))
        seen.update(f"{step.kind} {step.act}" for step in steps)
        later = {n.name: n.id for n in engine.networks.list(filters=_own(project))}
        moved = {name for name, identity in later.items() if networks.get(name) != identity}
        new = {v.name for v in engine.volumes.list(filters=_own(project))} - volumes
        resources = {(s.kind, s.name) for s in steps if s.kind == "network" or (s.kind, s.act) == ("volume", "create")}
        found = {("network", name) for name in moved} | {("volume", name) for name in new}
        seen["converged"] += converged
        wrongly = converged and (found or {act for _, act in got} != {"same"})
        if planned(steps) != got or resources != found or wrongly:
            wrong.append((number, kind, planned(steps) - got, got - planned(steps), moved, steps, json.dumps(model)))
        if kind == {"nothing"} and not wrong:
            assert not changes(steps), [(s, kind) for s in steps if s.act not in SETTLED] + [json.dumps(model)]
    engine.images.remove(other, force=True)
    print(f"{CHANGES - len(wrong)} of {CHANGES} plans are what Compose did: {dict(seen)}")  # noqa: T201  what the long series is run for
    assert not wrong, "\n\n".join(map(str, wrong[:5]))


def _own(project: Project) -> dict[str, str | list[str] | bool]:
    return {"label": f"com.docker.compose.project={project.name}"}


def _environment(project: Project) -> dict[str, str]:
    return {**os.environ, "DOCKER_HOST": str(project.engine_host)}
