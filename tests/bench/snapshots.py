"""Seconds and bytes of a set of 1 GB of PostgreSQL beside `pg_dump | restic backup --stdin`: medians within one run.

`python tests/bench/snapshots.py [MB]`; docs/operations.md has the figures.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from opskit.engine.client import connect
from opskit.engine.dump import temporary
from opskit.paths import STATE
from opskit.rehearsal.engine import ensure_engine
from opskit.rehearsal.images import ensure_images
from opskit.snapshot.databases import Databases
from opskit.snapshot.project import answers, throw_away, wait_until
from opskit.snapshot.repository import Repository
from opskit.snapshot.restore import differences, restore_databases
from opskit.snapshot.stream import Head, Part, SetReader, write_set

if TYPE_CHECKING:
    from docker import DockerClient

ROUNDS = 3
PASSWORD = "of the bench"
ROW = 512
FILL = """CREATE TABLE held AS SELECT g AS id,
 (SELECT string_agg(md5((g * 31 + i)::text), '') FROM generate_series(1, 16) i) AS text FROM generate_series(1, {rows}) g"""


@contextmanager
def postgres(client: DockerClient, image: str, megabytes: int) -> Iterator[str]:
    """A container with a database `bench` of that size."""
    with temporary(client, image, "opskit.test=bench", environment={"POSTGRES_PASSWORD": "of the bench"}) as box:
        client.api.start(box)
        wait_until(lambda: answers(client, box), "PostgreSQL")
        sql(client, box, "postgres", "CREATE DATABASE bench")
        sql(client, box, "bench", FILL.format(rows=megabytes * 1024**2 // ROW))
        yield box


def sql(client: DockerClient, box: str, database: str, text: str) -> None:
    """Run one statement."""
    words = ["psql", "-qX", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database, "-c", text]
    made = client.api.exec_create(box, words)["Id"]
    said = client.api.exec_start(made)
    assert client.api.exec_inspect(made)["ExitCode"] == 0, said


@contextmanager
def repository() -> Iterator[dict[str, str]]:
    """Variables of a repository that is new."""
    with tempfile.TemporaryDirectory() as folder:
        environ = {"RESTIC_REPOSITORY": f"{folder}/sets", "RESTIC_PASSWORD": PASSWORD}
        subprocess.run(["restic", "init", "-q"], env={**os.environ, **environ}, check=True)
        yield environ


def size(environ: dict[str, str]) -> int:
    """Bytes of a repository."""
    return sum(path.stat().st_size for path in Path(environ["RESTIC_REPOSITORY"]).rglob("*") if path.is_file())


def timed(act: Callable[[], object]) -> float:
    """Seconds of one round."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def by_hand(environ: dict[str, str], script: str) -> None:
    """A shell's pipe, which fails where one of its programs does."""
    subprocess.run(["bash", "-o", "pipefail", "-c", script], env={**os.environ, **environ}, check=True)


def snapshot(client: DockerClient, box: str, environ: dict[str, str]) -> tuple[str, dict[str, Part]]:
    """Keep the database as `opskit snapshot` does, rows and checksums with it."""
    databases, parts = Databases(client, box), [Part("roles"), Part("postgres/bench")]
    contents = (databases.roles(), databases.dump("bench", parts[1].rows))
    head = Head("bench", "bench", "", {})
    name = Repository(environ).save(
        write_set(head, zip(parts, contents, strict=True)), environment="bench", project="bench"
    )
    return name, {part.name: part for part in parts}


def one_round(client: DockerClient, image: str, box: str, docker: str) -> dict[str, float]:
    """Seconds and MiB of each way, in repositories that are new."""

    def drill() -> None:
        with throw_away(client, image, "bench") as databases, Repository(ours).open(name) as stream:
            found = restore_databases(databases, SetReader(stream, name), parts)
        assert found.keys() == {"postgres/bench"}
        assert not [fault for part, rows in found.items() for fault in differences(parts[part], rows)]

    def pipe_back() -> None:
        with throw_away(client, image, "bench"):
            (made,) = client.api.containers(filters={"label": "opskit.drill=bench"})
            inside = f"{docker} {made['Id']}"
            back = f"restic dump latest /stdin | {inside} psql -qX -o /dev/null -v ON_ERROR_STOP=1 -U postgres bench"
            by_hand(theirs, f"{inside} createdb -U postgres bench && {back}")

    with repository() as ours, repository() as theirs:
        began = time.perf_counter()
        name, parts = snapshot(client, box, ours)
        taken = {"set": time.perf_counter() - began}
        plain = f"{docker} {box} pg_dump -U postgres bench | restic backup -q --stdin"
        taken["pipe"] = timed(lambda: by_hand(theirs, plain))
        taken |= {"set, MiB": size(ours) / 1024**2, "pipe, MiB": size(theirs) / 1024**2}
        taken |= {"set, tried": timed(drill), "pipe, put back": timed(pipe_back)}
        return taken


def main() -> None:
    """Print every figure."""
    megabytes = int(sys.argv[1]) if sys.argv[1:] else 1024
    os.environ["RESTIC_PASSWORD"] = PASSWORD  # restic's own variable: a set's repository has it from here
    host = ensure_engine(STATE, say=print).host
    with closing(connect(host)) as client:
        image = ensure_images(client, ["postgres"], cache=STATE / "cache", say=print)["postgres"]
        with postgres(client, image, megabytes) as box:
            rounds = []
            for _ in range(ROUNDS):
                rounds.append(one_round(client, image, box, f"docker -H {host} exec -i"))
                print({what: round(value, 1) for what, value in rounds[-1].items()}, flush=True)
    found = {what: statistics.median(taken[what] for taken in rounds) for what in rounds[0]}
    print(f"{megabytes} MiB of rows, medians of {ROUNDS}:")
    for ours, theirs in (("set", "pipe"), ("set, tried", "pipe, put back"), ("set, MiB", "pipe, MiB")):
        print(f"{ours} / {theirs}: {found[ours] / found[theirs]:.2f}  ({found[ours]:.1f} / {found[theirs]:.1f})")


if __name__ == "__main__":
    if shutil.which("restic") is None:
        sys.exit("restic is not on PATH: apt-get install restic")
    main()
