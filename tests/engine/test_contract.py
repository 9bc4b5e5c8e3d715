"""What an owner's image does against docs/images.md is told after a launch, by its word: real libraries on real stores.

The images here are stand-ins of an owner's: the reference's, with another program in it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import yaml

from opskit.health.smoke.ask import ask_services
from opskit.health.smoke.plan import Probe
from opskit.health.smoke.result import failures_of
from tests.checkout import Checkout
from tests.remedies import OVERRIDE, append
from tests.twin import make_twin

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]
SERVICE = "multimodal-worker"
PROBE = Probe(SERVICE, "log", {})
CONNECT = """
import logging, os, psycopg, time
from redis import Redis
from qdrant_client import QdrantClient
from minio import Minio
e = os.environ
POSTGRES = dict(host=e["POSTGRES_HOST"], dbname=e["POSTGRES_DB"], user=e["POSTGRES_USER"], password=e["POSTGRES_PASSWORD"])
def sql(text):
    with psycopg.connect(**POSTGRES) as one:
        one.execute(text)
try:
    {act}
except Exception:
    logging.exception("the cache is off")
print("ready", flush=True)
time.sleep(600)
"""
BREACHES = {
    "Qdrant is asked without its key": 'QdrantClient(host="qdrant", port=6333).get_collections()',
    "Redis is asked without its password": 'Redis("redis").ping()',
    "the password of Redis is not the one": 'Redis("redis", password="another").ping()',
    "the S3 store refuses its key": 'Minio("minio:9000", "minioadmin", "another", secure=False).list_buckets()',
    "a table or column that it names is not": "sql(\"INSERT INTO images (id, storage_path) VALUES (gen_random_uuid(), 'x')\")",
    "a table or column that it names": 'sql("SELECT * FROM artifacts")',
    "its database role may not do that": 'sql("CREATE TABLE mine (id int)")',
    "everything is read-only": 'open("/app/uploads", "w")',
}


@pytest.fixture(scope="module")
def up(checkout: Checkout) -> Checkout:
    done = checkout.start()
    assert done.returncode == 0, done.stdout + done.stderr
    return checkout


def play(up: Checkout, program: str, made: ExitStack) -> None:
    """Put a program in the worker's place, with the worker's image, variables, networks and rights."""
    worker = up.containers()[SERVICE]
    box = make_twin(up.engine, worker, ["-c", program], entrypoint="python3", labels=worker.labels)
    made.callback(box.remove, force=True)
    worker.stop(timeout=1)
    made.callback(worker.start)
    box.start()
    until = time.monotonic() + 60
    while b"ready" not in box.logs() and time.monotonic() < until:
        time.sleep(0.2)
    assert b"ready" in box.logs()


@pytest.mark.parametrize("cause", BREACHES)
def test_a_breach_that_leaves_the_service_up_is_told_with_its_remedy(up: Checkout, cause: str) -> None:
    with ExitStack() as made:
        play(up, CONNECT.format(act=BREACHES[cause]), made)
        (result,) = ask_services(up.engine, up.project, [PROBE])
    assert (result.kind, cause in result.text) == ("contract", True), result
    (failure,) = failures_of([result], project=up.project)
    assert failure.service == SERVICE
    assert "docs/images.md" in failure.remedy


def test_one_that_keeps_it_tells_nothing(up: Checkout) -> None:
    with ExitStack() as made:
        play(up, CONNECT.format(act='sql("SELECT mime_type FROM documents")'), made)
        (result,) = ask_services(up.engine, up.project, [PROBE])
    assert result.kind == "", result


SERVE = "import http.server as h; h.HTTPServer(('', {port}), h.SimpleHTTPRequestHandler).serve_forever()"
BROKEN = {
    "it listens on 9001, the contract wants 8001": f'entrypoint: [python3, -c, "{SERVE.format(port=9001)}"]',
    "the page that its health check asks for is not there": f'entrypoint: [python3, -c, "{SERVE.format(port=8001)}"]',
    "Qdrant is asked without its key": """entrypoint:
      - python3
      - -c
      - from qdrant_client import QdrantClient; QdrantClient(host="qdrant", port=6333).get_collections()""",
    "the program that its health check runs is not in the image": f"""environment: {{PATH: /nowhere}}
entrypoint: [/usr/bin/python3, -c, "{SERVE.format(port=8001)}"]""",
    "No module named": 'entrypoint: [python3, -c, "import app_of_the_owner"]',
}


@pytest.fixture
def undone(up: Checkout) -> Iterator[ExitStack]:
    with ExitStack() as undo:
        yield undo
    up.containers()["retrieval-proxy"].restart(timeout=1)  # it is unhealthy without the worker, and counts anew


@pytest.mark.parametrize("words", BROKEN)
def test_an_image_that_cannot_serve_fails_the_launch_with_the_clause(
    up: Checkout, undone: ExitStack, words: str
) -> None:
    append(up.root / OVERRIDE, "", undone)
    stack = yaml.safe_load((up.root / OVERRIDE).read_text())
    own, broken = stack["services"][SERVICE], yaml.safe_load(BROKEN[words])
    environment = own.get("environment", {}) | broken.pop("environment", {})
    own |= broken | {"environment": environment, "healthcheck": {"start_period": "1s", "interval": "1s", "retries": 8}}
    (up.root / OVERRIDE).write_text(yaml.safe_dump(stack))
    done = up.start()
    assert done.returncode == 1, done.stdout
    assert SERVICE in done.stdout
    assert words in done.stdout + done.stderr
