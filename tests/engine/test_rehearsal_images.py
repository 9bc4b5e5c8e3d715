"""The rehearsal's images on a real Engine: the real programs do their work, the stand-ins say what they are."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from opskit.errors import EngineUnavailableError
from opskit.paths import STATE
from opskit.rehearsal.images import ensure_images
from opskit.rehearsal.programs import PROGRAMS

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

pytestmark = pytest.mark.engine

ImageOf = Callable[[str], str]
Start = Callable[..., "Container"]
Until = Callable[..., None]
Ask = Callable[..., tuple[int, str, str]]

PASSWORD = 'it\'s a "secret" $word'
POSTGRES = {"POSTGRES_USER": "postgres", "POSTGRES_DB": "multimodal", "POSTGRES_PASSWORD": PASSWORD}
BOX_FOLDER = "/var/lib/postgresql"


def said(box: Container, *words: str, **environment: str) -> str:
    output = box.exec_run(list(words), environment=environment).output
    assert isinstance(output, bytes)
    return output.decode().strip()


def query(box: Container, text: str) -> str:
    words = ("psql", "-h", "127.0.0.1", "-U", "postgres", "-d", "multimodal", "-Atc", text)
    return said(box, *words, PGPASSWORD=PASSWORD)


def ready(box: Container) -> bool:
    return box.exec_run(["pg_isready", "-q", "-h", "127.0.0.1"]).exit_code == 0


def exit_code(box: Container) -> int:
    return int(box.wait(timeout=30)["StatusCode"])


@pytest.fixture
def postgres(start: Start, image_of: ImageOf, volume: str, tmp_path: Path) -> Callable[[str], Container]:
    """Start PostgreSQL on the test's volume with the SQL it is to be initialised with."""

    def run(sql: str) -> Container:
        file = tmp_path / "init.sql"
        file.write_text(sql)
        mounts = {
            volume: {"bind": BOX_FOLDER, "mode": "rw"},
            str(file): {"bind": "/docker-entrypoint-initdb.d/init.sql", "mode": "ro"},
        }
        return start(image_of("postgres"), environment=POSTGRES, volumes=mounts)

    return run


def test_postgres_initialises_an_empty_folder_once(postgres: Callable[[str], Container], until: Until) -> None:
    first = postgres("CREATE TABLE thing (name text); INSERT INTO thing VALUES ('from init');")
    until(lambda: ready(first))
    query(first, "INSERT INTO thing VALUES ('from us')")
    first.restart(timeout=10)
    until(lambda: ready(first))
    assert query(first, "SELECT string_agg(name, ', ' ORDER BY name) FROM thing") == "from init, from us"
    first.stop(timeout=10)
    second = postgres("CREATE TABLE not_made (name text);")
    until(lambda: ready(second))
    assert query(second, "SELECT string_agg(tablename, ',') FROM pg_tables WHERE schemaname = 'public'") == "thing"
    assert said(second, "sh", "-c", "tr '\\0' ' ' < /proc/1/cmdline").startswith("postgres ")
    assert said(second, "stat", "-c", "%U", "/proc/1") == "postgres"
    stopping = time.monotonic()
    second.stop(timeout=10)
    assert time.monotonic() - stopping < 5


def test_postgres_asks_for_the_password_over_the_network(postgres: Callable[[str], Container], until: Until) -> None:
    box = postgres("")
    until(lambda: ready(box))
    address = said(box, "hostname", "-i")
    words = ("psql", "-h", address, "-U", "postgres", "-d", "multimodal", "-Atc", "SELECT 42")
    assert said(box, *words, PGPASSWORD=PASSWORD) == "42"
    assert "password authentication failed" in said(box, *words, PGPASSWORD="wrong")


def test_a_failed_initialisation_is_done_again(postgres: Callable[[str], Container], until: Until) -> None:
    broken = postgres("CREATE TABLE early (name text); SELECT no_such_function();")
    assert exit_code(broken) != 0
    assert "no_such_function" in broken.logs().decode()
    fixed = postgres("CREATE TABLE late (name text);")
    until(lambda: ready(fixed))
    assert query(fixed, "SELECT string_agg(tablename, ',') FROM pg_tables WHERE schemaname = 'public'") == "late"


def test_files_that_are_no_database_are_left_alone(
    postgres: Callable[[str], Container], start: Start, image_of: ImageOf, volume: str
) -> None:
    keep = "folder=$(ls -d /usr/lib/postgresql/*); folder=/box/${folder##*/}/docker; mkdir -p $folder; echo mine > $folder/keep"
    mounts = {volume: {"bind": "/box", "mode": "rw"}}
    assert exit_code(start(image_of("nginx"), ["sh", "-c", keep], volumes=mounts)) == 0
    refused = postgres("")
    assert exit_code(refused) != 0
    assert "refusing to touch it" in refused.logs().decode()
    look = start(image_of("nginx"), ["sh", "-c", "cat /box/*/docker/keep"], volumes=mounts)
    assert exit_code(look) == 0
    assert look.logs().decode() == "mine\n"


def test_postgres_without_a_password_does_not_start(start: Start, image_of: ImageOf) -> None:
    box = start(image_of("postgres"))
    assert exit_code(box) != 0
    assert "POSTGRES_PASSWORD" in box.logs().decode()


def test_redis_takes_its_password_by_standard_input(start: Start, image_of: ImageOf, volume: str, until: Until) -> None:
    command = "exec docker-entrypoint.sh redis-server - --appendonly yes <<EOF\nrequirepass $REDIS_PASSWORD\nEOF\n"
    box = start(
        image_of("redis"),
        ["sh", "-c", command],
        environment={"REDIS_PASSWORD": "s3cret"},
        volumes={volume: {"bind": "/data", "mode": "rw"}},
    )
    until(lambda: "PONG" in said(box, "redis-cli", "ping", REDISCLI_AUTH="s3cret"))
    assert "NOAUTH" in said(box, "redis-cli", "ping")
    assert "s3cret" not in said(box, "sh", "-c", "cat /proc/1/cmdline")
    assert said(box, "stat", "-c", "%U", "/proc/1", "/data/appendonlydir") == "redis\nredis"


def test_nginx_serves_a_mounted_configuration(
    start: Start, image_of: ImageOf, ask: Ask, until: Until, tmp_path: Path
) -> None:
    config = tmp_path / "nginx.conf"
    config.write_text("events {} http { server { listen 80; location = /nginx-health { return 200 'fine'; } } }")
    mounts = {str(config): {"bind": "/etc/nginx/nginx.conf", "mode": "ro"}}
    box = start(image_of("nginx"), ports=(80,), volumes=mounts)
    assert ask(box, 80, "/nginx-health") == (200, "", "fine")
    until(lambda: "GET /nginx-health" in box.logs().decode())


def test_prometheus_is_ready(start: Start, image_of: ImageOf, ask: Ask, until: Until) -> None:
    box = start(image_of("prometheus"), ports=(9090,))
    until(lambda: ask(box, 9090, "/-/ready")[0] == 200)


@pytest.mark.parametrize(
    ("service", "port", "path"),
    [  # the ports and paths of the real programs
        ("qdrant", 6333, "/readyz"),
        ("vllm", 8000, "/health"),
        ("openwebui", 8080, "/health"),
        ("n8n", 5678, "/healthz"),
    ],
)
def test_a_stand_in_says_what_it_is_and_stops_at_once(
    start: Start, image_of: ImageOf, ask: Ask, *, service: str, port: int, path: str
) -> None:
    box = start(image_of(service), ["--some", "command"], ports=(port,))
    assert ask(box, port, path)[:2] == (200, "rehearsal stand-in")
    deadline = time.monotonic() + 5
    while f"rehearsal stand-in for {service}" not in box.logs().decode():
        assert time.monotonic() < deadline, box.logs()
        time.sleep(0.1)  # the Engine writes a log after the program does
    box.stop(timeout=10)
    assert box.wait()["StatusCode"] == 0
    assert path not in box.logs().decode()


def test_a_vector_collection_comes_and_goes(start: Start, image_of: ImageOf, ask: Ask) -> None:
    box = start(image_of("qdrant"), ports=(6333,))
    ask(box, 6333, "/collections/texts", "PUT", body='{"vectors": {"size": 4}}')
    assert json.loads(ask(box, 6333, "/collections")[2])["result"]["collections"] == [{"name": "texts"}]
    ask(box, 6333, "/collections/texts", "DELETE")
    assert ask(box, 6333, "/collections/texts")[0] == 404


def test_the_tools_of_the_health_checks_are_on_path(start: Start, busybox: str) -> None:
    tools = ["bash", "curl", "wget", "python3", "redis-cli", "pg_isready", "psql"]
    box = start(busybox, ["sh", "-c", f"for tool in {' '.join(tools)}; do command -v $tool; done"])
    assert exit_code(box) == 0
    assert len(box.logs().decode().split()) == len(tools)


def test_images_that_are_there_are_found_at_once(engine: DockerClient, image_of: ImageOf, tmp_path: Path) -> None:
    image_of("postgres"), image_of("vllm")
    began = time.monotonic()
    again = ensure_images(engine, ["postgres", "vllm"], cache=tmp_path / "none", say=pytest.fail)
    assert time.monotonic() - began < 1
    assert again["vllm"] == "opskit-rehearsal/vllm:stand-in"
    assert again["postgres"].split(":")[0] == "opskit-rehearsal/postgres"
    assert engine.images.get(again["vllm"]).labels["opskit.rehearsal"] == "true"


def test_an_image_whose_script_fails_is_not_there_the_next_time(
    engine: DockerClient, monkeypatch: pytest.MonkeyPatch, undo: ExitStack
) -> None:
    """The program is nginx, under a service's name of its own."""
    service = f"opskit-test-{uuid.uuid4().hex[:8]}"
    monkeypatch.setitem(PROGRAMS, service, replace(PROGRAMS["nginx"], makes=("/no/such.py", "/models")))
    for _ in range(2):
        with pytest.raises(EngineUnavailableError, match=r"/no/such\.py failed in .*No such file or directory"):
            ensure_images(engine, [service], cache=STATE / "cache", say=print)
        assert engine.images.list(f"opskit-rehearsal/{service}") == []
    monkeypatch.setitem(PROGRAMS, service, replace(PROGRAMS["nginx"], makes=("-c", "open('/made', 'w').close()")))
    image = ensure_images(engine, [service], cache=STATE / "cache", say=print)[service]
    undo.callback(engine.images.remove, image)
    assert engine.containers.run(image, ["/made"], entrypoint="ls", remove=True) == b"/made\n"
