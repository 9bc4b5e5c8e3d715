"""What both services are made of: their settings, the stores with their keys, health, metrics and the key they ask for.

Every setting is an environment variable; docs/images.md lists them.
"""

from __future__ import annotations

import hmac
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import psycopg
import urllib3
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from logs import set_up_logs
from minio import Minio
from minio.error import MinioException
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool, PoolTimeout
from qdrant_client import QdrantClient
from qdrant_client.http.exceptions import ApiException
from redis import Redis, RedisError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("service")
COLLECTIONS = ("text_embeddings", "image_embeddings", "video_embeddings")
BUCKETS = {"image": "images", "video": "videos", "audio": "documents", "text": "documents"}
COLUMNS = {
    "documents": "id filename file_type file_size mime_type content_hash metadata created_at updated_at",
    "text_chunks": "id document_id chunk_index chunk_text start_position end_position embedding_id metadata",
    "images": "id document_id image_path width height format caption embedding_id features",
    "videos": "id document_id video_path duration_seconds width height fps format transcription embedding_id metadata",
    "video_keyframes": "id video_id keyframe_path timestamp_seconds caption embedding_id metadata",
    "search_sessions": "id query filters results_count context_bundle created_at",
}
"""What sql/init.sql makes and the services read and write."""
_STORE_S, _STATE_S = 4.0, 5.0
_NEEDED = ("API_KEY", "POSTGRES_HOST", "POSTGRES_USER", "REDIS_HOST", "QDRANT_HOST", "MINIO_ENDPOINT")
_REQUESTS = Counter("http_requests_total", "Requests answered.", ["method", "route", "status"])
_SECONDS = Histogram("http_request_duration_seconds", "Time to answer.", ["route"])


class StoreError(Exception):
    """A store does not answer, or refuses; `str` says which one and why."""


class RefusedError(Exception):
    """What was sent cannot be taken; `status` is the HTTP status."""

    def __init__(self, text: str, status: int = 422) -> None:
        """Keep text and status."""
        super().__init__(text)
        self.status = status


def setting(name: str, default: str = "") -> str:
    """An environment variable; one that is set to nothing counts as not set."""
    return os.environ.get(name) or default


CONNECTIONS = int(setting("POSTGRES_CONNECTIONS", "8"))
"""How many connections to PostgreSQL a process opens at most."""


class Stores:
    """The four stores. Nothing is connected until it is used, so that a store may come later than the service."""

    def __init__(self) -> None:
        """Connect to nothing yet."""
        self._threads = ThreadPoolExecutor(8)
        self._asked: dict[str, Future[str]] = {}

    @cached_property
    def pool(self) -> ConnectionPool[psycopg.Connection[DictRow]]:
        """PostgreSQL; a connection is a transaction, and one that died is replaced."""
        parts = {part: setting(f"POSTGRES_{name}") for part, name in _POSTGRES.items()}
        keep_alive = {"connect_timeout": 3, "keepalives_idle": 10, "tcp_user_timeout": 20_000}
        pool: ConnectionPool[psycopg.Connection[DictRow]] = ConnectionPool(
            kwargs={**parts, **keep_alive, "row_factory": dict_row},
            min_size=1,
            max_size=CONNECTIONS,
            timeout=20.0,
            check=ConnectionPool.check_connection,
            open=True,
        )
        return pool

    @cached_property
    def redis(self) -> Redis:
        """Redis."""
        return Redis(
            setting("REDIS_HOST"),
            int(setting("REDIS_PORT", "6379")),
            int(setting("REDIS_DB", "0")),
            setting("REDIS_PASSWORD") or None,
            socket_timeout=_STORE_S,
            socket_connect_timeout=_STORE_S,
        )

    @cached_property
    def qdrant(self) -> QdrantClient:
        """Qdrant, by HTTP."""
        return QdrantClient(
            host=setting("QDRANT_HOST"),
            port=int(setting("QDRANT_PORT", "6333")),
            api_key=setting("QDRANT_API_KEY") or None,
            https=False,
            timeout=20,
            check_compatibility=False,
        )

    @cached_property
    def s3(self) -> Minio:
        """The S3 store."""
        retries = urllib3.Retry(total=1, backoff_factor=0.2)
        return Minio(
            setting("MINIO_ENDPOINT"),
            setting("MINIO_ACCESS_KEY"),
            setting("MINIO_SECRET_KEY"),
            secure=False,
            http_client=urllib3.PoolManager(timeout=urllib3.Timeout(connect=3, read=20), retries=retries, maxsize=16),
        )

    def states(self, names: tuple[str, ...]) -> Mapping[str, str]:
        """By store, "ok" or why it does not serve; each has a few seconds."""
        asked: Mapping[str, Callable[[], None]] = {
            "postgres": self._ask_postgres,
            "redis": lambda: self.redis.ping() and None,
            "qdrant": lambda: self.qdrant.get_collections() and None,
            "s3": lambda: self.s3.list_buckets() and None,
        }
        answers = {name: self._answer(name, asked[name]) for name in names}
        wait(answers.values(), _STATE_S)
        pending = f"no answer within {_STATE_S:g} s"
        return {name: answer.result() if answer.done() else pending for name, answer in answers.items()}

    def _answer(self, name: str, ask: Callable[[], None]) -> Future[str]:
        """Ask a store, or join who still waits for it; the caller keeps it, since the next one puts its own here."""
        answer = self._asked.get(name)
        if answer is None or answer.done():
            answer = self._asked[name] = self._threads.submit(_state, name, ask)
        return answer

    def _ask_postgres(self) -> None:
        with self.pool.connection(timeout=_STORE_S) as connection:
            rows = connection.execute(
                "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
            ).fetchall()
        there = {(row["table_name"], row["column_name"]) for row in rows}
        lacking = [f"{t}.{c}" for t, columns in COLUMNS.items() for c in columns.split() if (t, c) not in there]
        if lacking:
            raise StoreError(
                f"postgres: the role {setting('POSTGRES_USER')} sees no {lacking[0]} (of {len(lacking)}); "
                "give PostgreSQL sql/init.sql again"
            )


_POSTGRES = {"host": "HOST", "port": "PORT", "dbname": "DB", "user": "USER", "password": "PASSWORD"}
_FAILURES: Mapping[type[Exception], str] = {
    psycopg.OperationalError: "postgres",
    PoolTimeout: "postgres",
    psycopg.errors.InsufficientPrivilege: "postgres",
    psycopg.errors.UndefinedTable: "postgres",
    psycopg.errors.UndefinedColumn: "postgres",
    RedisError: "redis",
    ApiException: "qdrant",
    MinioException: "s3",
    urllib3.exceptions.HTTPError: "s3",
}


@contextmanager
def store_errors() -> Iterator[None]:
    """Turn what the stores' libraries raise into a StoreError that names the store."""
    try:
        yield
    except tuple(_FAILURES) as error:
        store = next(name for kind, name in _FAILURES.items() if isinstance(error, kind))
        raise StoreError(f"{store}: {' '.join(str(error).split()) or type(error).__name__}"[:300]) from error


def _state(name: str, ask: Callable[[], None]) -> str:
    try:
        with store_errors():
            ask()
    except StoreError as error:
        return str(error).removeprefix(f"{name}: ")
    return "ok"


def _faults(parts: Mapping[str, Any]) -> list[str]:
    mappings = {of: part for of, part in parts.items() if isinstance(part, Mapping)}
    return [f"{of} {name}: {v}" for of, part in mappings.items() for name, v in part.items() if v != "ok"]


def need_key(request: Request) -> None:
    """Refuse a call without the key, in `Authorization: Bearer` or `X-API-Key`."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    sent = request.headers.get("x-api-key") or (token.strip() if scheme.lower() == "bearer" else "")
    if not hmac.compare_digest(sent.encode(), setting("API_KEY").encode()):
        raise HTTPException(401, "send the key as `Authorization: Bearer KEY` or `X-API-Key: KEY`")


KEYED = [Depends(need_key)]
"""For a route that reads or changes data."""


class _Measure:
    """Counts and times requests by route."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and see what is answered."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        begun, status = time.perf_counter(), 500

        async def seen(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self.app(scope, receive, seen)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            _SECONDS.labels(route).observe(time.perf_counter() - begun)
            _REQUESTS.labels(scope["method"], route, status).inc()


def make_app(title: str, health: Callable[[], Mapping[str, Any]], **options: Any) -> FastAPI:  # noqa: ANN401
    """An application with `/`, `/health`, `/health/live`, `/metrics`, and one answer for each kind of error.

    Args:
        title: of the service.
        health: what it says of itself; whatever in it is a string other than "ok" makes it unhealthy.
        options: of FastAPI.
    """
    set_up_logs(setting("LOG_LEVEL", "INFO"))
    if lacking := [name for name in _NEEDED if not setting(name)]:
        raise SystemExit(f"{title}: {', '.join(lacking)} not set; docs/images.md lists what it is given")
    app = FastAPI(title=title, version="1.0.0", **options)

    @app.exception_handler(StoreError)
    def not_now(_: Request, error: StoreError) -> JSONResponse:
        log.warning("%s", error)
        return JSONResponse({"detail": str(error)}, 503, {"Retry-After": "5"})

    @app.exception_handler(RefusedError)
    def refused(_: Request, error: RefusedError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, error.status)

    @app.exception_handler(psycopg.DataError)
    def not_kept(_: Request, error: psycopg.DataError) -> JSONResponse:
        return JSONResponse({"detail": f"PostgreSQL cannot keep that: {str(error).splitlines()[0]}"}, 422)

    app.add_middleware(_Measure)

    @app.get("/", tags=["service"])
    def root() -> dict[str, str]:
        """Its name and version."""
        return {"service": title, "version": app.version}

    _add_health(app, health)

    @app.get("/health/live", tags=["service"])
    def live() -> dict[str, str]:
        """Whether the process answers; it asks no store, so that a lost store restarts nothing."""
        return {"status": "ok"}

    @app.get("/metrics", tags=["service"])
    def metrics() -> Response:
        """For Prometheus."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return app


def _add_health(app: FastAPI, health: Callable[[], Mapping[str, Any]]) -> None:
    told: list[str] = []

    @app.get("/health", tags=["service"], responses={503: {"description": "A store or a model does not serve."}})
    def ready() -> JSONResponse:
        """Whether it can serve: every store, every model, and where it computes."""
        parts = health()
        faults = _faults(parts)
        if faults != told:
            log.warning("health: %s", "; ".join(faults) or "ok again")
            told[:] = faults
        return JSONResponse({"status": "unhealthy" if faults else "ok", **parts}, 503 if faults else 200)
