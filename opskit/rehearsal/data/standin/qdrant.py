"""Qdrant, as far as a stack uses it: collections of vectors, found by cosine.

Source: Qdrant 1.19, its OpenAPI description and src/actix/auth.rs: the key in `api-key` or as a bearer token, asked on
every path but the health checks.
"""

import json
import math
import os
import threading

from answer import Answer, fine, given, metrics, read_json

DEFAULTS = {
    "hnsw_config": {"m": 16, "ef_construct": 100, "full_scan_threshold": 10000},
    "optimizer_config": {
        "deleted_threshold": 0.2,
        "vacuum_min_vector_number": 1000,
        "default_segment_number": 0,
        "flush_interval_sec": 5,
    },
}
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
TURN = threading.Lock()
"""One request at a time: each request that changes something writes the whole file."""


def answer(request):
    if request.place in OPEN:
        fine(request)
    key = given("QDRANT__SERVICE__API_KEY")
    bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if key and key not in (request.headers.get("api-key"), bearer):
        raise Answer(401, b"Must provide an API key or an Authorization bearer token", "text/plain")
    if request.place == "/metrics":
        metrics(request)
    with TURN:
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
    if method == "GET" and parts[2:] == ["exists"]:
        well({"exists": name in COLLECTIONS})
    if name not in COLLECTIONS:
        wrong(404, "Not found: Collection `%s` doesn't exist!" % name)
    size, points = COLLECTIONS[name]
    if method == "GET" and parts[2:] == []:
        params = {"vectors": {"size": size, "distance": "Cosine"}}
        counted = {"status": "green", "optimizer_status": "ok", "points_count": len(points), "segments_count": 1}
        well({**counted, "config": {"params": params, **DEFAULTS}, "payload_schema": {}})
    if method == "PUT" and parts[2:] == ["points"]:
        given = read_json(request)["points"]
        for point in given:
            checked(point["vector"], size)
        changed(points, {point["id"]: point for point in given})
    if method == "POST" and parts[2:] == ["points", "delete"]:
        body = read_json(request)
        if not ("points" in body or "filter" in body):
            wrong(400, "Format error in JSON body: data did not match any variant of untagged enum PointsSelector")
        gone = body["points"] if "points" in body else [point["id"] for point in fitting(points, body)]
        changed(points, dict.fromkeys(gone))
    if method == "POST" and parts[2:] == ["points", "count"]:
        well({"count": len(fitting(points, read_json(request)))})
    if method == "POST" and parts[2:] == ["points", "scroll"]:
        well(scrolled(points, read_json(request)))
    if method == "POST" and parts[2:] in (["points", "query"], ["points", "search"]):
        found = nearest(points, read_json(request), size)
        well({"points": found} if parts[3] == "query" else found)


def changed(points, new):
    """Put points in, and take out those of None; whole: a search never sees half of it."""
    for name, point in new.items():
        points.pop(name, None)
        if point is not None:
            points[name] = point
    keep()
    well({"operation_id": 0, "status": "completed"})


def fitting(points, body):
    """The points that a filter lets through: conditions on a payload's value, all of which must hold."""
    asked = body.get("filter") or {}
    must = asked.get("must") or []
    must = must if isinstance(must, list) else [must]
    if (
        set(asked) - {"must"}
        and any(asked[key] for key in set(asked) - {"must"})
        or not all("match" in c for c in must)
    ):
        wrong(400, "Format error in JSON body: this stand-in knows `must` with `match` alone")

    def fits(point):
        for condition in must:
            value, match = (point.get("payload") or {}).get(condition["key"]), condition["match"]
            if value not in (match["any"] if "any" in match else [match["value"]]):
                return False
        return True

    return [point for point in list(points.values()) if fits(point)]


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
    query = body.get("query") or body.get("vector")
    asked = checked(query.get("nearest", []) if isinstance(query, dict) else query, size)
    scored = [
        {"id": p["id"], "version": 0, "score": cosine(asked, p["vector"]), **payload(p, body)}
        for p in fitting(points, body)
    ]
    least = body.get("score_threshold")
    scored = [point for point in scored if least is None or point["score"] >= least]
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
