"""Cleanup on a real Engine: what is ours and over goes; what is another's, current or data stays.

The Engine may be the operator's own: a test removes only what it made itself, whatever the plan names beside it.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from docker.errors import ImageNotFound, NotFound

from opskit.audit.journal import RUN_FOLDER
from opskit.engine.cleanup import DiskLook, Removal, read_disk, remove_items
from opskit.engine.client import read_id
from opskit.engine.usage import KINDS, parse_disk_use
from opskit.engine.waste import CleanupItem, CleanupPlan
from opskit.environments import Environment
from opskit.lock import hold_project
from opskit.runbook.clean import Clean
from tests.checkout import Checkout

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

pytestmark = pytest.mark.engine

Make = Callable[..., str]
HOURS = 3600.0
EIGHT_DAYS = 8 * 24 * HOURS
MARK = {"opskit.test": "true"}


def name() -> str:
    return f"opskit-test-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def project() -> str:
    return f"{name()}-cleanup"


@pytest.fixture
def make(engine: DockerClient, busybox: str, undo: ExitStack, project: str) -> Make:
    """Make a container as Compose labels it, and let it end; returns its name."""

    def run(
        service: str, suffix: str, *, of: str = project, ends: bool = True, oneoff: str = "False", **more: Any
    ) -> str:
        said = {"project": of, "service": service, "oneoff": oneoff}
        labels = {**MARK, **{f"com.docker.compose.{key}": value for key, value in said.items()}}
        more = {"command": ["sh", "-c", "head -c 2000000 /dev/urandom > /box"], **more}
        prefix = more.pop("prefix", "")
        box: Container = engine.containers.create(busybox, name=f"{prefix}{of}-{suffix}", labels=labels, **more)
        undo.callback(remove, box)
        if ends:
            box.start()
            box.wait(timeout=30)
            while not engine.containers.list(all=True, filters={"id": str(box.id), "status": "exited"}):
                time.sleep(0.05)  # Engine 26 answers the wait before its own list knows of the end
        return str(box.name)

    return run


def remove(box: Container) -> None:
    with suppress(NotFound):
        box.remove(force=True, v=True)


def look_at(engine: DockerClient, project: str, *, later: float = 2 * HOURS) -> DiskLook:
    ours = {project: frozenset({"api", "init"})}
    look = read_disk(engine, ours=ours, now=time.time() + later)
    assert isinstance(look, DiskLook), look
    return look


def items_of(look: DiskLook, project: str) -> list[CleanupItem]:
    return [item for item in look.plan.items if item.kind == "container" and project in item.name]


def there(engine: DockerClient, project: str) -> set[str]:
    filters: dict[str, Any] = {"label": f"com.docker.compose.project={project}"}
    return {str(box.name) for box in engine.containers.list(all=True, filters=filters)}


def remove_now(engine: DockerClient, items: list[CleanupItem], project: str) -> tuple[Removal, ...]:
    ours = {project: frozenset({"api", "init"})}
    return remove_items(engine, items, ours=ours, now=time.time() + 2 * HOURS)


def test_ours_that_are_over_go_and_current_ones_others_and_volumes_stay(
    engine: DockerClient, make: Make, project: str, volume: str
) -> None:
    mounts = {"volumes": {volume: {"bind": "/data", "mode": "rw"}}}
    theirs = f"{name()}-theirs"
    current = {make("api", "api-1", ends=False), make("init", "init-1")}
    orphan = make("old", "old-1", **mounts)
    left = make("api", "api-1", prefix="0123456789ab_", ends=False)
    one_off = make("api", "api-run-1", oneoff="True")
    foreign = make("old", "old-1", of=theirs, **mounts)
    look = look_at(engine, project)
    assert {item.name for item in items_of(look, project)} == {orphan, left, one_off}
    assert not items_of(look, theirs)
    assert next(item.bytes for item in look.plan.items if item.name == orphan) >= 2_000_000
    done = remove_now(engine, items_of(look, project), project)
    assert [one.kept for one in done] == ["", "", ""]
    assert there(engine, project) == current
    assert there(engine, theirs) == {foreign}
    assert engine.volumes.get(volume).name == volume


def test_an_anonymous_volume_outlives_its_container(
    engine: DockerClient, make: Make, project: str, undo: ExitStack
) -> None:
    orphan = make("old", "old-1", volumes=["/kept"])
    (mount,) = engine.containers.get(orphan).attrs["Mounts"]
    volume = Path(
        mount["Source"]
    ).parent.name  # Engine 28 leaves out the name of a volume that was not asked for by name
    undo.callback(engine.volumes.get(volume).remove)
    (done,) = remove_now(engine, items_of(look_at(engine, project), project), project)
    assert not done.kept
    assert engine.volumes.get(volume).name == volume


def test_one_that_was_made_just_now_and_not_started_stays(engine: DockerClient, make: Make, project: str) -> None:
    make("old", "old-1", ends=False)
    assert not items_of(look_at(engine, project, later=0), project)


def test_one_that_is_its_services_own_by_now_is_kept(engine: DockerClient, make: Make, project: str) -> None:
    orphan = make("old", "old-1")
    items = items_of(look_at(engine, project), project)
    (done,) = remove_items(engine, items, ours={project: frozenset({"old"})}, now=time.time())
    assert "it changed meanwhile" in done.kept
    assert there(engine, project) == {orphan}


def test_one_that_runs_by_now_is_kept(engine: DockerClient, make: Make, project: str) -> None:
    orphan = make("old", "old-1", ends=False, entrypoint=["sleep", "600"], command=[])
    items = items_of(look_at(engine, project), project)
    engine.containers.get(orphan).start()
    (done,) = remove_now(engine, items, project)
    assert "it changed meanwhile" in done.kept
    assert engine.containers.get(orphan).status == "running"


def test_what_is_gone_already_is_said(engine: DockerClient, project: str) -> None:
    nowhere = CleanupItem("image", "sha256:" + "0" * 64, "000000000000", 0, "")
    (done,) = remove_now(engine, [nowhere], project)
    assert done.kept == "it was gone already"


@pytest.fixture
def dangling(engine: DockerClient, undo: ExitStack) -> str:
    """An image without a name, made just now."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as tar:
        entry = tarfile.TarInfo("box")
        entry.size = 1_000_000
        tar.addfile(entry, io.BytesIO(os.urandom(entry.size)))
    said = engine.api.import_image_from_data(sink.getvalue())
    identity = str(json.loads(said.strip().splitlines()[-1])["status"])

    def away() -> None:
        with suppress(ImageNotFound):
            engine.api.remove_image(identity, force=True)

    undo.callback(away)
    return identity


def test_a_nameless_image_goes_after_a_week_and_not_before(engine: DockerClient, dangling: str, project: str) -> None:
    assert dangling not in {item.id for item in look_at(engine, project, later=0).plan.items}
    look = look_at(engine, project, later=EIGHT_DAYS)
    (mine,) = [item for item in look.plan.items if item.id == dangling]
    assert mine.bytes >= 1_000_000
    (done,) = remove_now(engine, [mine], project)
    assert not done.kept
    with pytest.raises(ImageNotFound):
        engine.images.get(dangling)


def test_a_nameless_image_that_got_a_name_since_the_plan_is_kept(
    engine: DockerClient, dangling: str, project: str
) -> None:
    look = look_at(engine, project, later=EIGHT_DAYS)
    tag = name()
    engine.images.get(dangling).tag(tag)
    (done,) = remove_now(engine, [item for item in look.plan.items if item.id == dangling], project)
    assert done.kept == "it has a name now"
    assert engine.images.get(tag).id == dangling


def test_a_nameless_image_that_a_container_is_made_of_stays(
    engine: DockerClient, dangling: str, project: str, undo: ExitStack
) -> None:
    item = next(i for i in look_at(engine, project, later=EIGHT_DAYS).plan.items if i.id == dangling)
    undo.callback(engine.containers.create(dangling, ["/box"], name=name(), labels=MARK).remove)
    assert dangling not in {i.id for i in look_at(engine, project, later=EIGHT_DAYS).plan.items}
    (done,) = remove_now(engine, [item], project)
    assert done.kept
    assert engine.images.get(dangling)


def test_this_engine_says_of_every_kind_what_it_takes(engine: DockerClient, project: str, busybox: str) -> None:
    assert engine.images.get(busybox)
    use = look_at(engine, project).use
    assert [kind.kind for kind in use.kinds] == list(KINDS)
    for kind in (*use.kinds, use.all):
        assert kind.total_bytes is not None
        assert kind.reclaimable_bytes is not None
        assert 0 <= kind.reclaimable_bytes <= kind.total_bytes
    assert use.all.total_bytes
    plain = parse_disk_use(engine.api.df())  # without `verbose`, as docker-py asks
    assert [kind.total_bytes is None for kind in plain.kinds] == [False] * 4


@pytest.fixture
def act(
    engine_host: str, monkeypatch: pytest.MonkeyPatch, project: str, undo: ExitStack, tmp_path: Path
) -> Callable[..., Clean]:
    """The notebook's act on this Engine, as in a recorded run; of its plan only what this test made."""
    monkeypatch.setenv("DOCKER_HOST", engine_host)
    monkeypatch.setenv(RUN_FOLDER, str(tmp_path))
    prefix = project.removesuffix("-cleanup")
    files = ("docker-compose.yml",)
    environment = Environment(name="cleanup", purpose="a test", compose=files, memory_gib=1, prefix=prefix)

    monkeypatch.setattr("opskit.runbook.clean.find_stacks", lambda _, **_more: [environment])

    def begin(mode: str, confirm: str = "") -> Clean:
        begun = Clean(mode=mode, confirm=confirm)
        undo.callback(begun.cleanup.client.close)
        look = begun.cleanup.look
        assert isinstance(look, DiskLook)
        mine = CleanupPlan(tuple(items_of(look, project)))
        begun.cleanup.__dict__["look"] = replace(look, plan=mine)
        return begun

    return begin


def test_the_act_asks_first_and_then_says_what_it_freed(
    engine: DockerClient, make: Make, project: str, act: Callable[..., Clean]
) -> None:
    current, orphan = make("postgres", "postgres-1"), make("old", "old-1")
    asked = act("ask")
    assert [row[1] for row in asked.plan().rows] == [orphan]
    assert asked.use().rows[-1][0] == "all"
    assert asked.clean().title == "Nothing was removed"
    assert there(engine, project) == {current, orphan}
    digest = asked.plan().title.split()[-1]
    confirmed = act("ask", digest)
    assert [tuple(row) for row in confirmed.clean().rows] == [("container", orphan, "gone")]
    freed = confirmed.cleanup.result["freed_bytes"]
    assert isinstance(freed, int)
    assert freed >= 0
    assert there(engine, project) == {current}


def test_never_removes_nothing(engine: DockerClient, make: Make, project: str, act: Callable[..., Clean]) -> None:
    orphan = make("old", "old-1")
    assert act("never").clean().title == "Nothing was removed"
    assert there(engine, project) == {orphan}


def test_the_containers_of_a_project_that_is_being_launched_stay(
    engine: DockerClient, make: Make, project: str, act: Callable[..., Clean]
) -> None:
    orphan = make("old", "old-1")
    digest = act("ask").plan().title.split()[-1]
    with hold_project(project, engine=read_id(engine)):
        (row,) = act("ask", digest).clean().rows
    assert "a launch of its project is in progress" in row[2]
    assert there(engine, project) == {orphan}


def test_the_notebook_runs_headless_and_asks_for_a_word_before_anything_goes(checkout: Checkout) -> None:
    done = checkout.run("clean", "-p", "env", "dev", "-p", "rehearse", "true")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing was removed" in done.stdout
    _, record = checkout.last()
    assert (record["act"], record["ok"], record["outcome"]["freed_bytes"]) == ("clean", True, 0)


def test_an_unknown_mode_is_refused_before_anything_is_looked_at(checkout: Checkout) -> None:
    done = checkout.run("clean", "-p", "mode", "always")
    assert done.returncode != 0
    assert "wanted one of auto, ask, never" in done.stdout + done.stderr
