"""Probes of the S3 store and of Qdrant; standard library alone."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping
from functools import partial
from urllib.parse import urlsplit

from opskit.health.smoke.client import Fault, Reply, Steps, ask, mark, want, want_refused

_SIZE = 4
"""Numbers of the vector that is kept for a moment."""


def check_s3(steps: Steps, *, url: str, user: str, key: str) -> None:
    """Make a bucket, put, get and delete an object in it, delete the bucket; a wrong key is refused."""
    name = mark()
    bucket, place, content = f"{url}/{name}", f"{url}/{name}/object", name.encode()
    send = partial(_send, user=user, key=key)
    with steps.step("bucket made"):
        want(send("PUT", bucket), 200)
    with (
        steps.removing(f"bucket {name}", lambda: _gone(send("DELETE", bucket))),
        steps.removing(f"object {name}/object", lambda: _gone(send("DELETE", place))),
    ):
        with steps.step("put"):
            want(send("PUT", place, content), 200)
        with steps.step("get"):
            body = want(send("GET", place), 200).body
            if body != content:
                raise Fault("bad_answer", f"found {body[:60]!r}; wanted what was put, {content!r}")
        with steps.step("deleted"):
            want(send("DELETE", place), 204, 200)
            want(send("GET", place), 404)
        with steps.step("refused with a wrong key"):
            want_refused(send("GET", bucket, key=f"{key}x"), "with a wrong key")
        with steps.step("refused without a key"):
            want_refused(ask("GET", bucket), "without a key")


def check_qdrant(steps: Steps, *, url: str, key: str) -> None:
    """Make a collection, upsert a point, find it by search, delete the collection; refused without the key."""
    name = mark()
    place, headers = f"{url}/collections/{name}", {"api-key": key}
    vector = [1.0, *[0.0] * (_SIZE - 1)]
    with steps.step("collection made"):
        want(ask("PUT", place, {"vectors": {"size": _SIZE, "distance": "Cosine"}}, headers), 200)
    with steps.removing(f"collection {name}", lambda: _gone(ask("DELETE", place, None, headers))):
        with steps.step("upsert"):
            point = {"id": 1, "vector": vector, "payload": {"mark": name}}
            want(ask("PUT", f"{place}/points?wait=true", {"points": [point]}, headers), 200)
        with steps.step("search"):
            query = {"query": vector, "limit": 1, "with_payload": True}
            reply = want(ask("POST", f"{place}/points/query", query, headers), 200)
            points = reply.json()["result"]["points"]
            if [p["payload"] for p in points] != [{"mark": name}]:
                raise Fault("bad_answer", f"found {reply}; wanted the point that was upserted")
        with steps.step("refused without a key"):
            want_refused(ask("GET", f"{url}/collections"), "without a key")


def _gone(reply: Reply) -> None:
    want(reply, 200, 204, 404)


def _send(method: str, url: str, body: bytes = b"", *, user: str, key: str) -> Reply:
    return ask(method, url, body, sign(method, url, body, user=user, key=key, now=time.gmtime()))


def sign(method: str, url: str, body: bytes, *, user: str, key: str, now: time.struct_time) -> Mapping[str, str]:
    """The headers that sign an S3 request; a query is in the order of its names, each quoted.

    Source: AWS Signature Version 4, "Create a signed AWS API request"; service s3, region us-east-1.
    """
    address, digest = urlsplit(url), hashlib.sha256(body).hexdigest()
    at, day = time.strftime("%Y%m%dT%H%M%SZ", now), time.strftime("%Y%m%d", now)
    headers = {"host": address.netloc, "x-amz-content-sha256": digest, "x-amz-date": at}
    names, scope = ";".join(headers), f"{day}/us-east-1/s3/aws4_request"
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    canonical = hashlib.sha256(
        f"{method}\n{address.path}\n{address.query}\n{lines}\n{names}\n{digest}".encode()
    ).hexdigest()
    text, signing = f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{canonical}", f"AWS4{key}".encode()
    for part in scope.split("/"):
        signing = hmac.new(signing, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(signing, text.encode(), hashlib.sha256).hexdigest()
    credential = f"AWS4-HMAC-SHA256 Credential={user}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**headers, "Authorization": credential}
