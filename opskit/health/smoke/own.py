"""Probe of the stack's own two services: what is taken in is found, read, deleted, and then in no store any more."""

from __future__ import annotations

import json
import math
import secrets
import struct
import time
import zlib
from collections.abc import Mapping, Sequence
from functools import partial

from opskit.health.smoke.client import Fault, Steps, ask, mark, want, want_refused
from opskit.health.smoke.stores import sign

_BUCKETS = {"image": "images", "text": "documents", "audio": "documents"}
_COLLECTIONS = ("text_embeddings", "image_embeddings", "video_embeddings")
_RATE, _SIDE = 16_000, 48
_PATIENCE_S = 60.0


def check_own(
    steps: Steps,
    *,
    worker: str,
    search: str,
    key: str,
    qdrant: str,
    qdrant_key: str,
    s3: str,
    s3_user: str,
    s3_key: str,
    hears: bool,
) -> None:
    """Take a picture, a text and a second of sound in, find each by a query, read it, delete it, and look for rests.

    Args:
        steps: what was done.
        worker: where the worker's `/api/v1` is, by nginx where there is one.
        search: the same of the retrieval proxy.
        key: STACK_API_KEY.
        qdrant: its address.
        qdrant_key: what it asks for.
        s3: the store's address.
        s3_user: whose bucket it is.
        s3_key: that user's.
        hears: whether the model of speech hears words in a tone, as that of a rehearsal does.
    """
    name, sent = mark(), {"X-API-Key": key}
    with steps.step("refused without the key"):
        want_refused(ask("POST", f"{search}/search", {"query": name}), "without a key")
    colour, tone = secrets.token_bytes(2), secrets.randbelow(400) + 200
    taken: dict[str, Mapping[str, str]] = {}
    for kind, body, query in (
        ("image", _form(_picture(b"\xd0" + bytes(v // 8 for v in colour))), "a red picture"),
        ("text", json.dumps({"text": f"The rocket {name} was launched.", "document_name": name}).encode(), name),
        ("audio", _form(_sound(tone)), "words that are spoken"),
    ):
        with steps.step(f"{kind} taken in"):
            is_text = {"Content-Type": "application/json"} if kind == "text" else _FORM
            reply = ask("POST", f"{worker}/process/{kind}", body, {**sent, **is_text}, timeout_s=_PATIENCE_S)
            taken[kind] = want(reply, 200).json()
        document = taken[kind]["document_id"]
        with steps.removing(f"document {document}", partial(_delete, worker, document, sent)):
            with steps.step(f"{kind} found"):
                found = _found(search, query, document, sent)
                if document not in found and (hears or kind != "audio"):
                    raise Fault("not_found", f"found no {kind} {document} by {query!r}; wanted what was taken in")
            with steps.step(f"{kind} read"):
                place = "image" if kind == "image" else "document"
                read = want(ask("GET", f"{search}/artifacts/{place}/{document}", None, sent), 200).body
                if len(read) != _size(body):
                    raise Fault("bad_answer", f"found {len(read)} bytes of the {kind}; wanted {_size(body)}")
        with steps.step(f"{kind} deleted from every store"):
            want(ask("GET", f"{search}/artifacts/document/{document}", None, sent), 404)
            match = {"filter": {"must": [{"key": "document_id", "match": {"value": document}}]}, "exact": True}
            for collection in _COLLECTIONS:
                place = f"{qdrant}/collections/{collection}/points/count"
                count = want(ask("POST", place, match, {"api-key": qdrant_key}), 200).json()["result"]["count"]
                if count:
                    raise Fault("left_behind", f"found {count} points of {document} in {collection}; wanted none")
            place = f"{s3}/{_BUCKETS[kind]}/{taken[kind]['content_hash']}"
            want(ask("GET", place, None, sign("GET", place, b"", user=s3_user, key=s3_key, now=time.gmtime())), 404)


def _found(search: str, query: str, document: str, sent: Mapping[str, str]) -> Sequence[str]:
    asked = {"query": query, "filters": {"document_ids": [document]}, "keep_session": False}
    reply = want(ask("POST", f"{search}/search", asked, sent, timeout_s=_PATIENCE_S), 200)
    return [result["document_id"] for result in reply.json()["results"]]


def _delete(worker: str, document: str, sent: Mapping[str, str]) -> None:
    want(ask("DELETE", f"{worker}/documents/{document}", None, sent, timeout_s=_PATIENCE_S), 204, 404)


_EDGE = "opskit-smoke-form"
_FORM = {"Content-Type": f"multipart/form-data; boundary={_EDGE}"}
_HEAD = (
    f'--{_EDGE}\r\nContent-Disposition: form-data; name="file"; filename="smoke"\r\n'
    "Content-Type: application/octet-stream\r\n\r\n"
).encode()
_TAIL = f"\r\n--{_EDGE}--\r\n".encode()


def _form(content: bytes) -> bytes:
    return _HEAD + content + _TAIL


def _size(body: bytes) -> int:
    """The bytes of the document in a request."""
    if body.startswith(_HEAD):
        return len(body) - len(_HEAD) - len(_TAIL)
    return len(json.loads(body)["text"].encode())


def _picture(colour: bytes) -> bytes:
    """A PNG of one colour. Source: PNG (ISO/IEC 15948), chunks IHDR, IDAT, IEND."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = b"".join(b"\0" + colour * _SIDE for _ in range(_SIDE))
    head = struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def _sound(tone: int) -> bytes:
    """One second of a tone as WAV, 16 bits, one channel. Source: RIFF WAVE, chunks `fmt ` and `data`."""
    samples = b"".join(struct.pack("<h", int(9000 * math.sin(i * tone * math.tau / _RATE))) for i in range(_RATE))
    form = struct.pack("<HHIIHH", 1, 1, _RATE, 2 * _RATE, 2, 16)
    parts = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", len(parts)) + parts
