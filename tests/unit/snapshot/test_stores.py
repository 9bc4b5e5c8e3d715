"""What Qdrant and an S3 store hold, page by page, and where a container of theirs is asked."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http.client import HTTPMessage
from typing import Any

import pytest

from opskit.health.smoke.client import Fault, Reply
from opskit.snapshot import stores as module
from opskit.snapshot.restore import held
from opskit.snapshot.stores import STORES, count_qdrant, count_s3

QDRANT = STORES["volume/qdrant_data"]
POINTS = [{"id": n, "vector": [n, 0], "payload": {"n": n}} for n in range(2500)]


def reply(body: object) -> Reply:
    return Reply(200, HTTPMessage(), body if isinstance(body, bytes) else json.dumps(body).encode(), 0.0)


def qdrant(points: list[dict[str, Any]]) -> Any:
    def ask(method: str, url: str, body: Any = None, headers: Mapping[str, str] = {}, **_: object) -> Reply:
        assert headers["api-key"] == "k"
        if url.endswith("/collections"):
            return reply({"result": {"collections": [{"name": "a b"}]}})
        assert (method, "/collections/a%20b/points/" in url) == ("POST", True)
        if url.endswith("/count"):
            return reply({"result": {"count": len(points)}})
        first = body.get("offset", 0)
        page = [point for point in points if point["id"] >= first][: body["limit"]]
        more = page[-1]["id"] + 1 if page and page[-1]["id"] + 1 < len(points) else None
        return reply({"result": {"points": page, "next_page_offset": more}})

    return ask


def counted(monkeypatch: pytest.MonkeyPatch, points: list[dict[str, Any]]) -> dict[str, list[str]]:
    monkeypatch.setattr(module, "ask", qdrant(points))
    return count_qdrant("http://q:6333", {"QDRANT__SERVICE__API_KEY": "k"})


def test_points_are_counted_and_hashed_over_all_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    found = counted(monkeypatch, POINTS)
    assert found["a b"][0] == "2500"
    moved = [*POINTS[:-1], {**POINTS[-1], "vector": [0, 1]}]
    assert counted(monkeypatch, POINTS) == found
    assert counted(monkeypatch, moved)["a b"][1] != found["a b"][1], "the last page is in it"
    assert held("volume/qdrant_data", found) == "2,500 points in 1 collection"


def test_objects_are_counted_over_all_pages_and_a_token_is_quoted_as_it_is_signed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    places = []

    def ask(method: str, url: str, body: object, headers: Mapping[str, str]) -> Reply:
        assert (method, body, "Signature=" in headers["Authorization"]) == ("GET", None, True)
        places.append(url)
        if url.endswith(":9000/"):
            return reply(b"<L xmlns='http://s3'><Buckets><Bucket><Name>kept</Name></Bucket></Buckets></L>")
        entry = "<Contents><Key>{}</Key><Size>1</Size><ETag>x</ETag></Contents>"
        more = (
            ""
            if "token" in url
            else "<IsTruncated>true</IsTruncated><NextContinuationToken>a/b=</NextContinuationToken>"
        )
        return reply(f"<L>{entry.format(len(places))}{more}</L>".encode())

    monkeypatch.setattr(module, "ask", ask)
    found = count_s3("http://m:9000", {"MINIO_ROOT_PASSWORD": "p"})
    assert (list(found), found["kept"][0]) == (["kept"], "2")
    assert re.search(r"\?continuation-token=a%2Fb%3D&list-type=2&max-keys=1000$", places[-1])
    monkeypatch.setattr(module, "ask", lambda *_: reply(b"no XML"))
    with pytest.raises(Fault, match="wanted XML"):
        count_s3("http://m:9000", {})


@pytest.mark.parametrize(
    ("published", "address"),
    [
        ([{"HostIp": "127.0.0.1", "HostPort": "6400"}], "127.0.0.1:6400"),
        ([{"HostIp": "0.0.0.0", "HostPort": "6400"}], "127.0.0.1:6400"),
        ([{"HostIp": "", "HostPort": "6400"}], "127.0.0.1:6400"),
        ([{"HostIp": "fd00::1", "HostPort": "6400"}], "[fd00::1]:6400"),
        (None, "172.18.0.3:6333"),
    ],
)
def test_a_store_is_asked_where_it_is_published_else_at_its_own_address(published: object, address: str) -> None:
    network = {"Ports": {"6333/tcp": published}, "Networks": {"stores": {"IPAddress": "172.18.0.3"}}}
    assert module._address(network, QDRANT) == address
