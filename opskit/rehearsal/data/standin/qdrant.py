"""Qdrant, as far as a stack uses it: collections of vectors, found by cosine.

Source: Qdrant 1.19, its OpenAPI description and src/actix/auth.rs: the key in `api-key` or as a bearer token, asked on
every path but the health checks.
"""

import json
import math
import os

from answer import Answer, fine, given, metrics, read_json

OPEN = ("/", "/healthz", "/readyz", "/livez")
STORAGE = os.path.join(given("QDRANT__STORAGE__STORAGE_PATH") or "/qdrant/storage", "standin.json")


def load():
    try:
        with open(STORAGE) as kept:
            read = json.load(kept)
    except FileNotFoundError:
        return {}
    return {name: (size, {p["id"]: p for p in points}) for name, (size, points) in read.items()}


def keep():
    """On the volume, whole or not at all: what is in it outlives its container, and is in a copy of the volume."""
    os.makedirs(os.path.dirname(STORAGE), exist_ok=True)
    with open(STORAGE + ".part", "w") as part:
        json.dump({name: (size, list(points.values())) for name, (size, points) in COLLECTIONS.items()}, part)
    os.replace(STORAGE + ".part", STORAGE)


COLLECTIONS = load()


def answer(request):
    if request.place in OPEN:
        fine(request)
    key = given("QDRANT__SERVICE__API_KEY")
    bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if key and key not in (request.headers.get("api-key"), bearer):
        raise Answer(401, b"Must provide an API key or an Authorization bearer token", "text/plain")
    if request.place == "/metrics":
        metrics(request)
    act(request.command, request.place.strip("/").split("/"), request)


def act(method, parts, request):
    if parts == ["collections"] and method == "GET":
        well({"collections": [{"name": name} for name in COLLECTIONS]})
    if parts[0] != "collections" or len(parts) < 2:
        return
    name = parts[1]
    if method == "PUT" and parts[2:] == []:
        make(name, read_json(request))
    if method == "DELETE" and parts[2:] == []:
        there = COLLECTIONS.pop(name, None) is not None
        keep()
        well(there)
    if name not in COLLECTIONS:
        wrong(404, "Not found: Collection `%s` doesn't exist!" % name)
    size, points = COLLECTIONS[name]
    if method == "GET" and parts[2:] == []:
        well({"status": "green", "points_count": len(points), "config": {"params": {"vectors": {"size": size}}}})
    if method == "PUT" and parts[2:] == ["points"]:
        for point in read_json(request)["points"]:
            checked(point["vector"], size)
            points[point["id"]] = point
        keep()
        well({"operation_id": 0, "status": "completed"})
    if method == "POST" and parts[2:] == ["points", "count"]:
        well({"count": len(points)})
    if method == "POST" and parts[2:] == ["points", "scroll"]:
        well(scrolled(points, read_json(request)))
    if method == "POST" and parts[2:] in (["points", "query"], ["points", "search"]):
        found = nearest(points, read_json(request), size)
        well({"points": found} if parts[3] == "query" else found)


def make(name, body):
    if name in COLLECTIONS:
        wrong(409, "Wrong input: Collection `%s` already exists!" % name)
    size = (body.get("vectors") or {}).get("size")
    if type(size) is not int or size < 1:
        wrong(400, "Wrong input: vectors.size must be a number above 0")
    COLLECTIONS[name] = (size, {})
    keep()
    well(True)


def checked(vector, size):
    if len(vector) != size:
        wrong(400, "Wrong input: Vector dimension error: expected dim: %d, got %d" % (size, len(vector)))
    return vector


def nearest(points, body, size):
    asked = checked(body.get("query") or body.get("vector"), size)
    scored = [
        {"id": p["id"], "version": 0, "score": cosine(asked, p["vector"]), **payload(p, body)} for p in points.values()
    ]
    return sorted(scored, key=lambda point: -point["score"])[: body.get("limit", 10)]


def scrolled(points, body):
    """A page of points in the order of their ids, and the id the next one begins with."""
    ids = sorted(
        (i for i in points if body.get("offset") is None or str_last(i) >= str_last(body["offset"])), key=str_last
    )
    page, limit = ids[: body.get("limit", 10)], body.get("limit", 10)
    given = [{"id": i, **payload(points[i], body), **vector(points[i], body)} for i in page]
    return {"points": given, "next_page_offset": ids[limit] if len(ids) > limit else None}


def str_last(name):
    """Numbers come before UUIDs."""
    return (isinstance(name, str), name)


def vector(point, body):
    return {"vector": point["vector"]} if body.get("with_vector") else {}


def payload(point, body):
    return {"payload": point.get("payload")} if body.get("with_payload") else {}


def cosine(one, two):
    length = math.sqrt(sum(x * x for x in one) * sum(x * x for x in two))
    return sum(x * y for x, y in zip(one, two)) / length if length else 0.0


def well(result):
    raise Answer(200, {"result": result, "status": "ok", "time": 0.0})


def wrong(status, text):
    raise Answer(status, {"status": {"error": text}, "time": 0.0})
