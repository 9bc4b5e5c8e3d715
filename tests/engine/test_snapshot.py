"""A set of a real PostgreSQL under writes, kept by the real restic: tried, put back, damaged, interrupted."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from docker import DockerClient

from opskit.engine import dump
from opskit.engine.dump import stream_inside
from opskit.errors import NotReadError
from opskit.secrets.store import read_secrets
from opskit.snapshot.databases import Databases
from opskit.snapshot.project import read_parts, throw_away
from opskit.snapshot.repository import Repository
from opskit.snapshot.restore import restore_databases
from opskit.snapshot.stores import STORES
from opskit.snapshot.stream import Head, SetReader, write_set
from tests.checkout import LABEL, Checkout
from tests.upgrades.data import Data

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]
DEV = ("dev", "--rehearse")
PAUSES = """
import sys, time
from opskit.engine.client import connect
from opskit.engine.dump import read_still
content = read_still(connect(sys.argv[1]), sys.argv[2])
next(content)
print("paused", flush=True)
time.sleep(60)
"""
RESTORES = int(os.environ.get("OPSKIT_RESTORES", "3"))
MOVE = "INSERT INTO ledger (amount) VALUES (5); INSERT INTO ledger (amount) VALUES (-5);"


def ok(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def is_ready(checkout: Checkout) -> None:
    states = [box.attrs["State"]["Health"]["Status"] for box in checkout.containers().values()]
    assert states == ["healthy"] * 11


def kill(run: subprocess.Popen[Any]) -> None:
    """End a run and its kernel at once."""
    kernels = subprocess.run(["pgrep", "-P", str(run.pid)], capture_output=True, text=True, check=True).stdout.split()
    subprocess.run(["kill", "-9", *kernels, str(run.pid)], check=True)


@pytest.fixture(scope="module")
def repository(checkout: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    """A development that runs with a ledger that sums to zero, and a repository for its sets."""
    folder = tmp_path_factory.mktemp("restic")
    (folder / "password").write_text("of the test")
    own = {"RESTIC_REPOSITORY": str(folder / "sets"), "RESTIC_PASSWORD_FILE": str(folder / "password")}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in own.items():
            checkout.environ[name] = value
            patch.setenv(name, value)
        ok(checkout.start())
        Data(checkout, objects=500, points=1000).put()
        yield Repository()


@contextlib.contextmanager
def moving(checkout: Checkout) -> Iterator[None]:
    """Rows are moved in the ledger, as fast as PostgreSQL takes them, until the end of the block."""
    postgres = checkout.containers()["postgres"]
    move = f'rm -f /tmp/ended; while [ ! -e /tmp/ended ]; do psql -X -q -U postgres -d multimodal -1 -c "{MOVE}"; done'
    postgres.exec_run(["sh", "-c", move], detach=True)
    try:
        yield
    finally:
        postgres.exec_run(["touch", "/tmp/ended"])  # noqa: S108  in the container


@pytest.fixture(scope="module")
def kept(checkout: Checkout, repository: Repository) -> str:
    """A set that is taken while rows are moved; its id."""
    with moving(checkout):
        said = ok(checkout.opskit("snapshot", *DEV))
    for part in ("roles", "postgres/multimodal", "volume/n8n_data", "volume/openwebui_data"):
        assert part in said
    (one,) = repository.sets(checkout.project)
    return one.id


def test_a_set_is_one_moment_also_under_writes_and_its_drill_counts_every_table(
    checkout: Checkout, repository: Repository, kept: str
) -> None:
    ok(checkout.opskit("drill", *DEV, "--snapshot", kept))
    told = checkout.last()[1]["drill"]
    assert (told["set"], told["verdict"], told["faults"]) == (kept, "passed", [])
    assert not checkout.engine.containers.list(all=True, filters={"label": f"opskit.drill={checkout.project}"})
    with repository.open(kept) as stream:
        reader = SetReader(stream, kept)
        assert {name for name, _ in reader.read()} == reader.parts.keys()
    rows, _ = reader.parts["postgres/multimodal"].rows["public.ledger"]
    assert int(rows) > 10_000, "rows were moved meanwhile"
    assert int(rows) % 2 == 0, "never one half of a move"
    assert reader.head.env_file == checkout.env_file().read_text()
    counts = {name: [told[0] for told in reader.parts[name].rows.values()] for name in STORES}
    held = {name: [count for count in counts[name] if count != "0"] for name in STORES}  # the worker's own are empty
    assert held == {"volume/minio_data": ["500"], "volume/qdrant_data": ["1000"]}


def test_a_ledger_that_is_written_sums_to_zero_in_every_set(checkout: Checkout, repository: Repository) -> None:
    client, project = checkout.engine, checkout.project
    postgres = checkout.containers()["postgres"]
    image = postgres.attrs["Image"]
    counts = []
    with moving(checkout):
        for _ in range(RESTORES):
            parts = [part for part in read_parts(client, project, Databases(client, str(postgres.id)))
                     if part[0].name in {"roles", "postgres/multimodal"}]  # fmt: skip
            head = Head("development", project, "", {})
            name = repository.save(write_set(head, parts), environment="development", project="ledger")
            with repository.open(name) as stream, throw_away(client, image, project) as databases:
                reader = SetReader(stream, name)
                restore_databases(databases, reader, {part.name: part for part, _ in parts})
                (drill,) = client.containers.list(filters={"label": f"opskit.drill={project}"})
                query = "SELECT count(*), sum(amount) FROM ledger"
                words = ["psql", "-XAtq", "-U", "postgres", "-d", "multimodal", "-c", query]
                told = b"".join(stream_inside(client, str(drill.id), words, what="psql")).decode()
            rows, total = told.split("|")
            assert int(total) == 0
            counts.append(int(rows))
    assert sorted(set(counts)) == counts, "rows were written between each and the next"


@pytest.mark.usefixtures("kept")
def test_a_set_that_is_given_up_in_the_middle_of_a_volume_leaves_no_container_paused(checkout: Checkout) -> None:
    paused: dict[str, Any] = {"status": "paused", "label": f"{LABEL}={checkout.project}"}
    parts = read_parts(checkout.engine, checkout.project, None)
    with contextlib.closing(write_set(Head("development", checkout.project, "", {}), parts)) as stream:
        while not checkout.engine.containers.list(filters=paused):
            next(stream)
    assert not checkout.engine.containers.list(filters=paused)
    assert not checkout.engine.containers.list(all=True, filters={"label": "opskit.looks-at"})


@pytest.mark.usefixtures("kept")
def test_containers_go_on_where_the_process_that_paused_them_was_killed(checkout: Checkout, engine_host: str) -> None:
    paused: dict[str, Any] = {"status": "paused", "label": f"{LABEL}={checkout.project}"}
    volume = f"{checkout.project}_qdrant_data"
    words = [sys.executable, "-c", PAUSES, engine_host, volume]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "paused\n"
        assert [
            box.labels["com.docker.compose.service"] for box in checkout.engine.containers.list(filters=paused)
        ] == ["qdrant"]
        run.kill()
    end = time.monotonic() + 20
    while checkout.engine.containers.list(filters=paused):
        assert time.monotonic() < end
        time.sleep(0.1)
    for looker in checkout.engine.containers.list(all=True, filters={"label": f"opskit.looks-at={volume}"}):
        looker.remove()  # as the next snapshot does


def test_a_container_that_has_ended_since_it_was_listed_hinders_no_copy(
    engine: DockerClient, busybox: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = engine.volumes.create(labels={"opskit.test": "true"})
    box = engine.containers.run(busybox, "true", volumes=[f"{volume.name}:/data"], detach=True)
    box.wait()
    monkeypatch.setattr(dump, "_writers", lambda *_: [{"Id": box.id}])
    try:
        assert b"".join(dump.read_still(engine, str(volume.name)))
        with pytest.raises(NotReadError, match=r"^no-such: No such container"):
            b"".join(dump.stream_inside(engine, "no-such", ["true"], what="no-such"))
    finally:
        box.remove()
        volume.remove()


def test_a_command_may_be_silent_for_longer_than_the_engine_is_waited_for(
    checkout: Checkout, engine_host: str, kept: str
) -> None:
    del kept
    postgres = str(checkout.containers()["postgres"].id)
    with contextlib.closing(DockerClient(base_url=engine_host, timeout=1)) as client:
        said = stream_inside(client, postgres, ["sh", "-c", "sleep 3; echo ended"], what="a long count")
        assert b"".join(said) == b"ended\n"


def test_a_drill_fails_where_a_set_lacks_a_row(checkout: Checkout, repository: Repository, kept: str) -> None:
    with repository.open(kept) as stream:
        reader = SetReader(stream, kept)
        held = [(name, b"".join(content)) for name, content in reader.read()]
    parts = []
    for name, content in held:
        part = reader.parts[name]
        part.bytes = 0
        for place in {
            "postgres/multimodal": ["public.ledger"],
            "volume/minio_data": ["kept"],
            "volume/qdrant_data": ["kept"],
        }.get(name, ()):
            rows, checksum = part.rows[place]
            part.rows[place] = [str(int(rows) + 1), checksum]
        parts.append((part, [content]))
    wrong = repository.save(write_set(reader.head, parts), environment="development", project=checkout.project)
    failed = checkout.opskit("drill", *DEV, "--snapshot", wrong)
    assert failed.returncode == 1
    assert "postgres/multimodal public.ledger: kept" in failed.stderr
    assert "volume/minio_data kept: kept 501, checksum" in failed.stderr
    assert "volume/qdrant_data kept: kept 1001, checksum" in failed.stderr
    assert checkout.last()[1]["drill"]["verdict"] == "failed"
    listed = ok(checkout.opskit("restore", *DEV))
    assert listed.count("failed") == 1
    subprocess.run(["restic", "forget", "--quiet", wrong], check=True)


def test_a_set_of_a_newer_postgresql_is_refused_before_anything_is_changed(
    checkout: Checkout, repository: Repository, kept: str
) -> None:
    with repository.open(kept) as stream:
        head = replace(SetReader(stream, kept).head, versions={"postgres": "99.1"})
    newer = repository.save(write_set(head, ()), environment="development", project=checkout.project)
    refused = checkout.opskit("drill", *DEV, "--snapshot", newer)
    assert refused.returncode == 1
    assert "found one of PostgreSQL 99.1; wanted 1" in refused.stderr
    subprocess.run(["restic", "forget", "--quiet", newer], check=True)


def test_a_set_that_ends_early_or_has_a_flipped_byte_is_none(repository: Repository, kept: str, tmp_path: Path) -> None:
    with repository.open(kept) as stream:
        whole = stream.read()
    middle = len(whole) // 2
    for broken in (whole[:middle], whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]):
        place = tmp_path / "set.tar"
        place.write_bytes(broken)
        with place.open("rb") as source, pytest.raises(Exception, match="wanted a whole set"):
            list(SetReader(source, "set x").read())


def test_a_wrong_password_and_an_unknown_set_say_so(checkout: Checkout, kept: str, tmp_path: Path) -> None:
    other = tmp_path / "password"
    other.write_text("another")
    wrong = checkout.opskit("drill", *DEV, RESTIC_PASSWORD_FILE=str(other))
    assert (wrong.returncode, "found another password than that of" in wrong.stderr) == (1, True)
    unknown = checkout.opskit("drill", *DEV, "--snapshot", "0badc0de")
    assert (unknown.returncode, f"{kept} ({checkout.project}, " in unknown.stderr) == (2, True)


@pytest.mark.usefixtures("kept")
def test_a_snapshot_that_is_killed_leaves_no_set_and_the_next_one_is_made(
    checkout: Checkout, repository: Repository
) -> None:
    before = repository.sets()
    words = [sys.executable, "-m", "opskit", "snapshot", *DEV]
    with subprocess.Popen(words, env=checkout.environ, cwd=checkout.root, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        next(line for line in run.stdout if line.startswith("postgres/multimodal"))
        kill(run)
    assert run.returncode == -signal.SIGKILL
    time.sleep(2)  # restic ends by itself, at the end of its input
    assert repository.sets() == before
    assert all(box.status == "running" for box in checkout.containers().values()), "none is left paused"
    ok(checkout.opskit("snapshot", *DEV))
    assert len(repository.sets()) == len(before) + 1


def test_a_set_put_back_has_every_row_secret_and_volume_as_it_was(checkout: Checkout, kept: str) -> None:
    secrets = {name: secret.reveal() for name, secret in read_secrets(checkout.env_file()).items()}
    count = checkout.ask_postgres("SELECT count(*), sum(amount) FROM ledger")
    checkout.ask_postgres("DROP TABLE ledger; CREATE TABLE of_later (a int)")
    running = checkout.opskit("restore", *DEV, "--snapshot", kept, "--confirm", checkout.project)
    assert (running.returncode, "found containers of it" in running.stderr) == (2, True)
    ok(checkout.opskit("stop", *DEV))
    env_file = checkout.env_file()
    env_file.write_text(env_file.read_text().replace("N8N_ENCRYPTION_KEY=", "N8N_ENCRYPTION_KEY=another"))
    other = checkout.opskit("restore", *DEV, "--snapshot", kept, "--confirm", "development")
    assert (other.returncode, f"type {checkout.project}" in other.stderr) == (2, True)
    ok(checkout.opskit("restore", *DEV, "--snapshot", kept, "--confirm", checkout.project))
    is_ready(checkout)
    rows, total = checkout.ask_postgres("SELECT count(*), sum(amount) FROM ledger").split("|")
    assert (int(rows) <= int(count.split("|")[0]), int(rows) > 10_001, total) == (True, True, "0")
    assert checkout.ask_postgres("SELECT to_regclass('of_later') IS NULL") == "t"
    assert checkout.ask_postgres("SELECT tableowner FROM pg_tables WHERE tablename = 'ledger'") == "multimodal"
    assert {name: secret.reveal() for name, secret in read_secrets(env_file).items()} == secrets
    assert len(Repository().sets(checkout.project)) == 3, "what was there before is a set too"


def test_a_restore_that_was_killed_refuses_a_start_until_one_ends_well(checkout: Checkout, kept: str) -> None:
    ok(checkout.opskit("stop", *DEV))
    words = [sys.executable, "-m", "opskit", "restore", *DEV, "--snapshot", kept, "--confirm", checkout.project]
    mark = checkout.root / f".opskit/{checkout.project}.unfinished-restore"
    with subprocess.Popen(words, env=checkout.environ, cwd=checkout.root, stdout=subprocess.DEVNULL) as run:
        end = time.monotonic() + 120
        while not mark.exists() and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(1)
        kill(run)
    refused = checkout.start()
    assert refused.returncode == 3, refused.stdout
    assert f"set {kept} was not put back whole" in refused.stderr
    ok(checkout.opskit("stop", *DEV))
    ok(checkout.opskit("restore", *DEV, "--snapshot", kept, "--confirm", checkout.project))
    is_ready(checkout)
    assert not mark.exists()
    assert json.loads(checkout.ask_postgres("SELECT sum(amount) FROM ledger")) == 0
