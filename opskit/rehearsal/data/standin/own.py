"""The stack's own two services: they are healthy once every store has let them in, as docs/images.md asks of them."""

import time

from answer import Answer, fetch, given, metrics, postgres, redis
from opskit.health.smoke.stores import sign

AGAIN_S = 15.0
SEEN = {"at": 0.0, "refused": ["not asked yet"]}


def stores():
    """Why a store does not let this service in; nothing where all do."""
    refused = [postgres(*(given("POSTGRES_" + name) for name in ("HOST", "PORT", "DB", "USER", "PASSWORD")))]
    refused += [redis(*(given("REDIS_" + name) for name in ("HOST", "PORT", "DB", "PASSWORD")))]
    host, port = given("QDRANT_HOST"), int(given("QDRANT_PORT", "6333"))
    status, body, _ = fetch(host, port, "GET", "/collections", headers={"api-key": given("QDRANT_API_KEY")})
    refused += ["" if status == 200 else "Qdrant: %d %s" % (status, body.decode("utf-8", "replace"))]
    endpoint, user, key = (given("MINIO_" + name) for name in ("ENDPOINT", "ACCESS_KEY", "SECRET_KEY"))
    headers = sign("GET", "http://%s/" % endpoint, b"", user=user, key=key, now=time.gmtime())
    host, _, port = endpoint.partition(":")
    status, body, _ = fetch(host, int(port), "GET", "/", headers=headers)
    refused += ["" if status == 200 else "S3: %d %s" % (status, body.decode("utf-8", "replace"))]
    return [text for text in refused if text]


def answer(request):
    if request.place == "/health":
        if SEEN["refused"] or time.monotonic() - SEEN["at"] > AGAIN_S:
            SEEN.update(refused=stores(), at=time.monotonic())
            print(*SEEN["refused"], sep="\n", end="\n" if SEEN["refused"] else "", flush=True)
        body = {"status": "unhealthy" if SEEN["refused"] else "ok", "refused": SEEN["refused"]}
        raise Answer(503 if SEEN["refused"] else 200, body)
    if request.place == "/metrics":
        metrics(request)
    if request.place == "/":
        raise Answer(200, b"<!doctype html><h1>REHEARSAL</h1><p>rehearsal stand-in", "text/html; charset=utf-8")
