# ruff: noqa: S311  pictures by chance; no secret is drawn
"""The stack's own two services, by their own programs, on real PostgreSQL, Redis and S3, and a stand-in for Qdrant."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from opskit.health.smoke import own
from opskit.health.smoke.client import Fault, ask, want
from tests.checkout import ROOT, Checkout
from tests.own_images import (
    BUCKETS,
    RED,
    Running,
    address,
    consistent,
    kill,
    picture,
    send_until_taken,
    strip,
    take,
    wait_for,
    wait_until_well,
)
from tests.twin import make_twin

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]
UPLOADS = int(os.environ.get("OPSKIT_UPLOADS", "30"))


@pytest.fixture(scope="module")
def up(checkout: Checkout) -> Running:
    done = checkout.start()
    assert done.returncode == 0, done.stdout + done.stderr
    return Running(checkout)


@pytest.fixture(autouse=True)
def _nothing_is_left(up: Running) -> Iterator[None]:
    """Whatever a test sent, and the services said of it: the stores agree with one another after it."""
    yield
    counts = wait_for(up.stats, consistent)
    assert consistent(counts), counts


def test_the_smoke_check_of_the_launch_left_nothing(up: Running) -> None:
    said = want(up.ask("GET", "/api/search/stats"), 200).json()
    assert said == {"rows": dict.fromkeys(said["rows"], 0), "points": dict.fromkeys(said["points"], 0)}
    assert [up.objects(bucket) for bucket in BUCKETS] == [[], [], []]


def test_a_picture_is_found_by_a_text_and_read_as_it_was_sent(up: Running) -> None:
    up = replace(up, by_nginx=True)
    red, blue = picture(), picture((25, 40, 215))
    ids = [take(up.send("image", content, name=name)) for content, name in ((red, "red.png"), (blue, "blue.png"))]
    best = up.search("something red", modalities=["image"], filters={"document_ids": ids})
    assert [result["filename"] for result in best] == ["red.png", "blue.png"]
    path = best[0]["artifact"].replace("/api/v1/", "/api/search/")
    read = want(up.ask("GET", path), 200)
    assert (read.body, read.headers["content-type"]) == (red, "image/png")
    assert read.headers["content-disposition"] == "attachment"
    for document in ids:
        want(up.ask("DELETE", f"/api/multimodal/documents/{document}"), 204)
        want(up.ask("DELETE", f"/api/multimodal/documents/{document}"), 404)
    assert up.search("something red", filters={"document_ids": ids}) == []


def test_the_same_content_is_one_document_whatever_it_is_called(up: Running) -> None:
    content = picture((1, 200, 99))
    with ThreadPoolExecutor(6) as threads:
        replies = list(threads.map(lambda n: up.send("image", content, name=f"{n}.png"), range(6)))
    taken = [want(reply, 200).json() for reply in replies]
    assert len({one["document_id"] for one in taken}) == 1
    assert sorted(one["already_there"] for one in taken) == [False] + [True] * 5


def test_a_long_text_is_found_by_its_chunk(up: Running) -> None:
    words = [" ".join(random.choices(["wind", "sea", "stone", "tree"], k=150)) for _ in range(6)]
    text = "\r\n".join([*words[:3], "the zebra crossed the quiet junction at dawn", *words[3:]])
    document = take(up.tell(text, document_name="zebra"))
    best = up.search("zebra crossed the junction", modalities=["text"], filters={"document_ids": [document]})
    assert len(best) > 3
    assert all(text[r["start_position"] :].startswith(r["content"]) for r in best)
    session = up.ask("GET", "/api/search/search/sessions?limit=1").json()[0]
    assert session["query"] == "zebra crossed the junction"
    context = up.ask("GET", f"/api/search/context/{session['session_id']}").json()["context"]
    assert context.startswith("# zebra crossed the junction\n\n[1] zebra (text): ")


def test_a_picture_that_is_very_long_or_was_taken_sideways_is_kept_as_a_person_sees_it(up: Running) -> None:
    exif, long, sideways = Image.Exif(), io.BytesIO(), io.BytesIO()
    exif[0x0112] = 6
    long.write(strip(1_000_000))
    Image.new("RGB", (60, 20), RED).save(sideways, "JPEG", exif=exif)
    for sink in (long, sideways):
        take(up.send("image", sink.getvalue()))
    sizes = "SELECT string_agg(width || 'x' || height, ' ' ORDER BY height) FROM images WHERE width <> height"
    assert up.checkout.ask_postgres(sizes) == "20x60 1x1000000"


def test_without_redis_a_search_is_answered_and_its_cache_is_said_to_be_away(up: Running) -> None:
    up.box("redis").stop(timeout=5)
    try:
        up.search("anything")
        for method, path in (("GET", "stats"), ("DELETE", "clear")):
            reply = up.ask(method, f"/api/multimodal/cache/{path}")
            assert (reply.status, reply.json()["detail"].startswith("redis: ")) == (503, True), str(reply)
    finally:
        up.box("redis").start()
        wait_until_well(up.port("MULTIMODAL_WORKER"))


def test_while_uploads_wait_for_a_store_health_and_queries_are_answered(up: Running) -> None:
    contents, qdrant = [picture((n, 90, 90)) for n in range(48)], up.box("qdrant")
    with ThreadPoolExecutor(len(contents)) as threads:
        qdrant.pause()
        try:
            sent = [threads.submit(up.send, "image", content) for content in contents]
            time.sleep(2)
            health = ask("GET", f"{up.port('MULTIMODAL_WORKER')}/health", timeout_s=15).json()
            query = up.ask("POST", "/api/multimodal/embed/text", {"text": "anything"})
        finally:
            qdrant.unpause()
        replies = [one.result() for one in sent]
    assert {store for store, state in health["stores"].items() if state != "ok"} == {"qdrant"}, health
    assert query.status == 200, str(query)
    assert [str(reply) for reply in replies if reply.status != 200] == []
    for reply in replies:
        want(up.ask("DELETE", f"/api/multimodal/documents/{reply.json()['document_id']}"), 204)


def test_health_that_many_ask_for_at_once_is_the_stores_own(up: Running) -> None:
    urls = [f"{up.port(name)}/health" for name in ("RETRIEVAL_PROXY", "MULTIMODAL_WORKER")] * 200
    with ThreadPoolExecutor(16) as threads:
        replies = list(threads.map(lambda url: ask("GET", url, timeout_s=30), urls))
    assert {reply.status: str(reply) for reply in replies if reply.status != 200} == {}


BAD = {
    "empty": ("image", b"", 422, "the file is empty"),
    "text for a picture": ("image", b"a,b\n1,2\n", 422, "no picture of JPEG"),
    "a picture cut short": ("image", picture(size=300)[:200], 422, "cannot be read"),
    "a picture that grows": ("image", picture(size=8000), 413, "more than 50000000 pixels"),
    "a picture that is too long": ("image", strip(1_000_001), 413, "on one side"),
    "a page for a picture": ("image", b"<svg xmlns='http://www.w3.org/2000/svg' onload='x()'/>", 422, "no picture of"),
    "noise for a video": ("video", random.Random(1).randbytes(5000), 422, "video cannot be read"),
    "sound for a video": ("video", own._sound(440), 422, "no moving picture"),
    "a picture for sound": ("audio", picture(form="JPEG"), 422, "no sound"),
    "sound cut short": ("audio", own._sound(440)[:30], 422, "sound cannot be read"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_taken_is_refused_in_words_and_leaves_nothing(up: Running, case: str) -> None:
    kind, content, status, words = BAD[case]
    before = up.stats()
    reply = up.send(kind, content)
    assert (reply.status, words in reply.json()["detail"]) == (status, True), str(reply)
    assert up.stats() == before


def test_a_name_is_never_a_path(up: Running) -> None:
    for sent, kept in (("../../etc/passwd", "passwd"), ("..\\..\\evil.png", "evil.png"), ("a/b/..", "image")):
        content = picture(random.choices(range(256), k=3))
        document = want(up.send("image", content, name=sent), 200).json()
        assert document["filename"] in {kept, ".."}
        assert up.objects("images").count(hashlib.sha256(content).hexdigest()) == 1


def test_what_a_sender_says_of_a_document_never_disturbs_the_work(up: Running) -> None:
    said = {"state": "deleting", "attempts": "many", "by": "me"}
    document = want(up.tell("a text with words of its own", document_name="a\0b", metadata=said), 200).json()
    assert document["filename"] == "ab"
    (found,) = up.search("words of its own", modalities=["text"], filters={"document_ids": [document["document_id"]]})
    assert found["content"] == "a text with words of its own"
    reply = up.tell("another text", metadata={"nul": "\0"})
    assert (reply.status, "PostgreSQL cannot keep that" in reply.json()["detail"]) == (422, True)
    part = f'--{own._EDGE}\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n{"[" * 100_000}\r\n'
    reply = up.ask("POST", "/api/multimodal/process/image", part.encode() + own._form(picture()), **own._FORM)
    assert (reply.status, "metadata is no JSON" in reply.json()["detail"]) == (422, True), str(reply)


def test_a_collection_that_is_gone_is_made_again(up: Running) -> None:
    key = {"api-key": up.secret("QDRANT_API_KEY")}
    for document in {result["document_id"] for result in up.search("x", limit=100)}:
        want(up.ask("DELETE", f"/api/multimodal/documents/{document}"), 204)
    want(ask("DELETE", f"{up.port('QDRANT')}/collections/image_embeddings", None, key), 200)
    assert send_until_taken(up, "", "image", picture((7, 7, 7))) != "None"


def test_no_call_that_reads_or_changes_data_goes_without_the_key(up: Running) -> None:
    for base in (up.port("MULTIMODAL_WORKER"), up.port("RETRIEVAL_PROXY")):
        paths = want(ask("GET", f"{base}/openapi.json"), 200).json()["paths"]
        for path, methods in paths.items():
            for method in methods:
                at = re.sub(r"\{[^}]*\}", str(uuid.uuid4()), path.replace("{kind}", "image"))
                status = ask(method.upper(), base + at, {}).status
                assert (status == 401) is path.startswith("/api/v1/"), (method, path, status)


def test_what_they_answer_is_what_their_openapi_files_say(up: Running) -> None:
    """After a change that is meant: `curl 127.0.0.1:8001/openapi.json | python -m json.tool --indent 1` into the file."""
    for name in ("MULTIMODAL_WORKER", "RETRIEVAL_PROXY"):
        kept = ROOT / "compose/images" / name.lower().replace("_", "-") / "openapi.json"
        assert want(ask("GET", f"{up.port(name)}/openapi.json"), 200).json() == json.loads(kept.read_text()), name


def test_metrics_count_by_route(up: Running) -> None:
    for base in (up.port("MULTIMODAL_WORKER"), up.port("RETRIEVAL_PROXY")):
        text = want(ask("GET", f"{base}/metrics"), 200).body.decode()
        assert 'http_requests_total{method="GET",route="/health",status="200"}' in text


def test_a_log_tells_what_was_done_and_not_that_somebody_asked_how_they_are(up: Running) -> None:
    want(up.ask("GET", "/api/search/stats"), 200)
    want(up.ask("GET", "/api/multimodal/models/status"), 200)
    for service, path in {"retrieval-proxy": "stats", "multimodal-worker": "models/status"}.items():
        log = up.box(service).logs().decode()
        assert f'"GET /api/v1/{path} HTTP/1.1" 200' in log
        assert "GET /health" not in log
        assert "GET /metrics" not in log


@pytest.mark.parametrize(("service", "store"), [("qdrant", "qdrant"), ("minio", "s3"), ("postgres", "postgres")])
def test_a_store_that_is_away_is_named_and_what_was_begun_is_gone_on_with(
    up: Running, service: str, store: str
) -> None:
    content = picture(random.choices(range(256), k=3))
    up.box(service).stop(timeout=5)
    try:
        reply = up.send("image", content)
        assert (reply.status, reply.headers["retry-after"]) == (503, "5"), str(reply)
        assert reply.json()["detail"].startswith(f"{store}: ")
        health = ask("GET", f"{up.port('MULTIMODAL_WORKER')}/health", timeout_s=15)
        assert (health.status, health.json()["stores"][store] != "ok") == (503, True)
        assert ask("GET", f"{up.port('MULTIMODAL_WORKER')}/health/live").status == 200
    finally:
        up.box(service).start()
    document = send_until_taken(up, "", "image", content)
    assert [r["document_id"] for r in up.search("x", filters={"document_ids": [document]})] == [document]


def test_a_job_whose_worker_was_killed_is_ended_by_the_next_one(up: Running) -> None:
    text = " ".join(str(n) for n in range(60_000))
    before = up.stats()["text_chunks"]
    sender = threading.Thread(target=_swallow, args=[lambda: up.tell(text)])
    sender.start()
    time.sleep(0.4)
    kill(up.box("multimodal-worker"))
    sender.join()
    wait_until_well(up.port("MULTIMODAL_WORKER"))
    chunks = wait_for(lambda: up.stats()["text_chunks"], lambda n: n > before)
    document = want(up.tell(text), 200).json()
    assert chunks - before > 100
    assert document["already_there"] is True


def test_a_worker_told_to_end_finishes_what_it_was_sent(up: Running) -> None:
    text = " ".join(f"n{n}" for n in range(20_000))
    worker = up.box("multimodal-worker")
    try:
        with ThreadPoolExecutor(1) as thread:
            sent = thread.submit(up.tell, text)
            time.sleep(0.5)
            worker.stop(timeout=60)
            document = take(sent.result())
    finally:
        worker.start()
    wait_until_well(up.port("MULTIMODAL_WORKER"))
    assert want(up.tell(text), 200).json()["already_there"] is True
    assert len(up.search("n1 n2", modalities=["text"], limit=100, filters={"document_ids": [document]})) == 100


@pytest.mark.parametrize("folder", ["/opt/models/nosuch", "/opt/models"])
def test_a_model_that_is_not_whole_is_named_and_nothing_is_taken_in(up: Running, folder: str) -> None:
    before = up.stats()
    box = make_twin(up.checkout.engine, up.box("multimodal-worker"), variables=[f"TEXT_MODEL={folder}"])
    try:
        box.start()
        base = address(box)
        told = wait_for(
            lambda: ask("GET", f"{base}/health").json()["models"], lambda said: "loading" not in said.values()
        )
        assert told["text"].startswith(f"{folder}: ")
        assert (told["image"], told["speech"]) == ("ok", "ok")
        assert ask("GET", f"{base}/health").status == 503
        reply = up.send("image", picture((3, 5, 8)), base)
        assert (reply.status, f"the text model: {folder}" in reply.json()["detail"]) == (503, True)
    finally:
        box.remove(force=True)
    assert up.stats() == before


def _swallow(act: Callable[[], Any]) -> None:
    with suppress(Fault):
        act()


@pytest.fixture
def three(up: Running) -> Iterator[list[str]]:
    """The addresses of three workers: the one there, and two more like it."""
    first = up.box("multimodal-worker")
    made = []
    try:
        for _ in range(2):
            again = {"Name": "unless-stopped", "MaximumRetryCount": 0}
            box = make_twin(up.checkout.engine, first, restart_policy=again)
            made.append(box)
            box.start()
        urls = [address(box) for box in (first, *made)]
        for url in urls:
            wait_until_well(url)
        yield urls
    finally:
        for box in made:
            box.remove(force=True)


def test_uploads_at_once_through_kills_are_each_there_exactly_once(up: Running, three: list[str]) -> None:
    """OPSKIT_UPLOADS uploads over three workers; PostgreSQL, Qdrant and a worker are each killed once meanwhile."""
    rng = random.Random(7)
    contents = [picture(rng.choices(range(256), k=3), size=rng.randint(16, 64)) for _ in range(UPLOADS)]
    before = up.stats()
    begun = time.monotonic()
    with ThreadPoolExecutor(UPLOADS) as threads:
        sent = [
            threads.submit(send_until_taken, up, three[n % len(three)], "image", content)
            for n, content in enumerate(contents)
        ]
        for number, service in enumerate(("postgres", "qdrant", "multimodal-worker"), 1):
            while sum(one.done() for one in sent) < number * UPLOADS // 6:
                time.sleep(0.02)
            kill(up.box(service))
        ids = [one.result() for one in sent]
    print(f"{UPLOADS} uploads, three kills: {time.monotonic() - begun:.0f} s")  # noqa: T201  told with -s
    assert "None" not in ids
    assert len(set(ids)) == len({hashlib.sha256(content).hexdigest() for content in contents})
    wait_until_well(three[0])  # it gives a query its vector
    after = wait_for(up.stats, consistent)
    grown = {name: after[name] - before[name] for name in ("documents", "images", "image_embeddings", "objects")}
    assert grown == dict.fromkeys(grown, len(set(ids)))
    for document, content in zip(ids, contents, strict=True):
        asked = {"modalities": ["image"], "filters": {"document_ids": [document]}}
        (found,) = up.search("x", **asked)
        read = up.ask("GET", found["artifact"].replace("/api/v1/", "/api/search/"))
        assert want(read, 200).body == content
