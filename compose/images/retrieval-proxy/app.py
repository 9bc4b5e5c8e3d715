"""The retrieval proxy: one query over texts, pictures and films, the sessions of searches, and the files found."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any, Literal

import urllib3
from fastapi import HTTPException, Query
from fastapi.responses import StreamingResponse
from minio.error import S3Error
from psycopg import sql
from psycopg.types.json import Json
from pydantic import AwareDatetime, BaseModel, Field
from qdrant_client import models as q
from qdrant_client.http.exceptions import UnexpectedResponse
from service import BUCKETS, COLLECTIONS, KEYED, StoreError, Stores, make_app, setting, store_errors

Modality = Literal["text", "image", "video"]
_WORKER_S, _LIVE_S = 20.0, 3.0
_RANK = 60
"""What damps the first places where ranks of several lists are added up (reciprocal rank fusion, Cormack 2009)."""
_STORES = ("postgres", "qdrant", "s3")
stores = Stores()
_worker = urllib3.PoolManager(retries=urllib3.Retry(1, read=0))


class Filters(BaseModel):
    """What a result must be; nothing given filters nothing."""

    document_ids: list[uuid.UUID] = Field(default_factory=list)
    file_types: list[Literal["text", "image", "video", "audio"]] = Field(default_factory=list)
    filenames: list[str] = Field(default_factory=list)
    created_after: AwareDatetime | None = None


class Search(BaseModel):
    """A search."""

    query: str = Field(min_length=1, max_length=10_000)
    modalities: list[Modality] = Field(default_factory=lambda: ["text", "image", "video"], min_length=1)
    limit: int = Field(10, ge=1, le=100)
    filters: Filters = Field(default_factory=Filters)
    score_threshold: float | None = Field(None, ge=-1, le=1, description="The least cosine of a result.")
    session_name: str | None = Field(None, max_length=200)
    keep_session: bool = Field(True, description="Whether the search is kept, for /search/sessions and /context.")


class Result(BaseModel):
    """Something that was found. `score` is its cosine, and comparable within a content type alone."""

    document_id: uuid.UUID
    content_type: Literal["text", "image", "video", "keyframe"]
    filename: str
    file_type: str
    score: float
    content: str | None = Field(description="The chunk, the caption, or what is said.")
    start_position: int | None = None
    timestamp_seconds: float | None = None
    artifact: str = Field(description="Where the file is had from.")


class Found(BaseModel):
    """What a search found, the best first."""

    session_id: uuid.UUID | None = Field(description="None where it is not kept.")
    query: str
    results_count: int
    results: list[Result]


class Session(BaseModel):
    """A search that was made."""

    session_id: uuid.UUID
    session_name: str | None
    query: str
    results_count: int
    created_at: AwareDatetime


def health() -> Mapping[str, Any]:
    """Every store; and the worker, without which no query has a vector, but all else is answered."""
    return {"stores": stores.states(_STORES), "worker": _live()}


app = make_app("retrieval-proxy", health)


@app.post("/api/v1/search", dependencies=KEYED)
def search(body: Search) -> Found:
    """Search by a text, in every modality asked for."""
    embedding = _embed(body.query)
    hits: list[tuple[float, q.ScoredPoint]] = []
    with store_errors():
        for modality in dict.fromkeys(body.modalities):
            for collection, vector, kinds in _where(modality, embedding):
                points = _nearest(collection, vector, kinds, body)
                hits += [(1 / (_RANK + rank), point) for rank, point in enumerate(points)]
        best = [point for _, point in sorted(hits, key=lambda hit: -hit[0])]
        results = _read(best, body)[: body.limit]
        session = _keep(body, results) if body.keep_session else None
    return Found(session_id=session, query=body.query, results_count=len(results), results=results)


@app.get("/api/v1/search/sessions", dependencies=KEYED)
def sessions(limit: Annotated[int, Query(ge=1, le=500)] = 20) -> list[Session]:
    """The newest searches."""
    with store_errors(), stores.pool.connection() as connection:
        rows = connection.execute(
            "SELECT id AS session_id, session_name, query, results_count, created_at FROM search_sessions "
            "ORDER BY created_at DESC LIMIT %s",
            (limit,),
        ).fetchall()
    return [Session.model_validate(row) for row in rows]


@app.get("/api/v1/context/{session_id}", dependencies=KEYED)
def context(
    session_id: uuid.UUID, form: Annotated[Literal["markdown", "json"], Query(alias="format")] = "markdown"
) -> dict[str, str] | list[Result]:
    """What a search found, for a model to read: as Markdown with numbered sources, or as the results."""
    row = _row("SELECT query, context_bundle FROM search_sessions WHERE id = %s", session_id, "session")
    results = [Result.model_validate(result) for result in row["context_bundle"] or []]
    if form == "json":
        return results
    lines = [f"# {row['query']}"]
    for number, result in enumerate(results, 1):
        lines.append(f"[{number}] {result.filename} ({result.content_type}): {result.content or result.artifact}")
    return {"context": "\n\n".join(lines)}


@app.get("/api/v1/artifacts/{kind}/{document_id}", dependencies=KEYED)
def artifact(kind: Literal["image", "video", "document"], document_id: uuid.UUID) -> StreamingResponse:
    """A document's file, as it was sent."""
    row = _row("SELECT content_hash, file_type, mime_type FROM documents WHERE id = %s", document_id, "document")
    if kind != "document" and row["file_type"] != kind:
        raise HTTPException(404, f"the document {document_id} is no {kind}, but {row['file_type']}")
    return _stream(BUCKETS[row["file_type"]], row["content_hash"], row["mime_type"])


@app.get("/api/v1/artifacts/keyframe/{keyframe_id}", dependencies=KEYED)
def keyframe(keyframe_id: uuid.UUID) -> StreamingResponse:
    """A key frame of a video, as JPEG."""
    row = _row("SELECT keyframe_path FROM video_keyframes WHERE id = %s", keyframe_id, "key frame")
    bucket, _, place = row["keyframe_path"].partition("/")
    return _stream(bucket, place, "image/jpeg")


@app.get("/api/v1/stats", dependencies=KEYED)
def stats() -> dict[str, dict[str, int]]:
    """How many rows each table holds, and how many points each collection."""
    tables = ("documents", "text_chunks", "images", "videos", "video_keyframes", "search_sessions")
    with store_errors():
        with stores.pool.connection() as connection:
            counts = (sql.SQL("SELECT count(*) AS n FROM {}").format(sql.Identifier(table)) for table in tables)
            rows = {t: _one(connection.execute(count).fetchone())["n"] for t, count in zip(tables, counts, strict=True)}
        there = [name for name in COLLECTIONS if stores.qdrant.collection_exists(name)]
        points = {name: stores.qdrant.count(name, exact=True).count for name in there}
    return {"rows": rows, "points": points}


@app.get("/api/v1/status", dependencies=KEYED)
def status() -> Mapping[str, Any]:
    """The same as /health, with 200 whatever it says."""
    return health()


def _keep(body: Search, results: Sequence[Result]) -> uuid.UUID:
    bundle = [result.model_dump(mode="json") for result in results]
    filters = Json(body.filters.model_dump(mode="json"))
    with stores.pool.connection() as connection:
        row = connection.execute(
            "INSERT INTO search_sessions (session_name, query, filters, results_count, context_bundle) "
            "VALUES (%s, %s, %s, %s, %s) RETURNING id",
            (body.session_name, body.query, filters, len(results), Json(bundle)),
        ).fetchone()
    session: uuid.UUID = _one(row)["id"]
    return session


def _where(modality: Modality, embedding: Mapping[str, list[float]]) -> list[tuple[str, list[float], tuple[str, ...]]]:
    """The collections a modality is found in, by which vector, and what kind of points of it."""
    text, image = embedding["embedding"], embedding["image_embedding"]
    if modality == "video":
        return [("video_embeddings", text, ("video",)), ("image_embeddings", image, ("keyframe",))]
    return [("text_embeddings", text, ("text",))] if modality == "text" else [("image_embeddings", image, ("image",))]


def _nearest(collection: str, vector: list[float], kinds: Sequence[str], body: Search) -> list[q.ScoredPoint]:
    given = {
        "content_type": list(kinds),
        "document_id": [str(one) for one in body.filters.document_ids],
        "file_type": list(body.filters.file_types),
        "filename": body.filters.filenames,
    }
    must = [q.FieldCondition(key=key, match=q.MatchAny(any=values)) for key, values in given.items() if values]
    try:
        return stores.qdrant.query_points(
            collection,
            query=vector,
            query_filter=q.Filter(must=list(must)),
            limit=body.limit if body.filters.created_after is None else 10 * body.limit,
            score_threshold=body.score_threshold,
        ).points
    except UnexpectedResponse as error:
        if error.status_code == HTTPStatus.NOT_FOUND:
            return []  # nothing was taken in yet
        raise


def _read(points: Sequence[q.ScoredPoint], body: Search) -> list[Result]:
    """The rows of points, in their order. A point whose document is not done, or is being deleted, is left out."""
    names = [str(point.id) for point in points]
    with stores.pool.connection() as connection:
        rows = connection.execute(
            """
            WITH found AS (
              SELECT embedding_id, document_id, 'text' AS content_type, chunk_text AS content, start_position,
                NULL::float8 AS timestamp_seconds, NULL::uuid AS keyframe FROM text_chunks
              UNION ALL SELECT embedding_id, document_id, 'image', caption, NULL, NULL, NULL FROM images
              UNION ALL SELECT embedding_id, document_id, 'video', transcription, NULL, NULL, NULL FROM videos
              UNION ALL SELECT k.embedding_id, v.document_id, 'keyframe', k.caption, NULL, k.timestamp_seconds, k.id
                FROM video_keyframes k JOIN videos v ON v.id = k.video_id)
            SELECT found.*, d.filename, d.file_type FROM found JOIN documents d ON d.id = found.document_id
            WHERE found.embedding_id = ANY(%(names)s) AND coalesce(d.metadata->>'state', 'done') = 'done'
              AND d.created_at >= coalesce(%(after)s::timestamptz, '-infinity')
            """,
            {"names": names, "after": body.filters.created_after},
        ).fetchall()
    by_name = {row["embedding_id"]: row for row in rows}
    return [
        Result(score=point.score, artifact=_artifact(by_name[name]), **by_name[name])
        for name, point in zip(names, points, strict=True)
        if name in by_name
    ]


def _artifact(row: Mapping[str, Any]) -> str:
    if row["keyframe"]:
        return f"/api/v1/artifacts/keyframe/{row['keyframe']}"
    kind = row["file_type"] if row["file_type"] in ("image", "video") else "document"
    return f"/api/v1/artifacts/{kind}/{row['document_id']}"


def _stream(bucket: str, place: str, mime: str | None) -> StreamingResponse:
    with store_errors():
        try:
            answer = stores.s3.get_object(bucket, place)
        except S3Error as error:
            if error.code == "NoSuchKey":
                raise HTTPException(404, f"the store holds no {bucket}/{place}") from None
            raise

    def content() -> Iterator[bytes]:
        with answer:
            yield from answer.stream(1 << 16)
        answer.release_conn()

    # What strangers sent is never a page of this address.
    safe = {"Content-Disposition": "attachment", "X-Content-Type-Options": "nosniff"}
    return StreamingResponse(content(), media_type=mime or "application/octet-stream", headers=safe)


def _row(statement: str, key: uuid.UUID, what: str) -> Mapping[str, Any]:
    with store_errors(), stores.pool.connection() as connection:
        row = connection.execute(statement, (key,)).fetchone()
    if row is None:
        raise HTTPException(404, f"there is no {what} {key}")
    return row


def _one(row: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if row is None:
        raise StoreError("postgres: it answered without a row")
    return row


def _embed(text: str) -> Mapping[str, list[float]]:
    body = json.dumps({"text": text}).encode()
    found: Mapping[str, list[float]] = _ask_worker("/api/v1/embed/text", body)
    return found


def _live() -> str:
    try:
        _ask_worker("/health/live")
    except StoreError as error:
        return str(error)
    return "ok"


def _ask_worker(path: str, body: bytes | None = None) -> Any:  # noqa: ANN401  JSON is any
    url = f"{setting('MULTIMODAL_WORKER_URL', 'http://multimodal-worker:8001')}{path}"
    headers = {
        "Content-Type": "application/json",
        "Authorization": f"Bearer {setting('API_KEY')}",
        "Connection": "close",  # one that is kept may be closed by the worker just as it is used again
    }
    try:
        answer = _worker.request(
            "POST" if body else "GET", url, body=body, headers=headers, timeout=_WORKER_S if body else _LIVE_S
        )
    except urllib3.exceptions.HTTPError as error:
        raise StoreError(f"the worker at {url} does not answer: {error}") from None
    if answer.status != HTTPStatus.OK:
        raise StoreError(f"the worker answered {answer.status}: {answer.data[:300].decode(errors='replace')}")
    return answer.json()
