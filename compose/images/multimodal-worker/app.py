"""The multimodal worker: takes text, pictures, sound and film in, so that the retrieval proxy finds them."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import media
from cache import Cache
from fastapi import FastAPI, Form, HTTPException, UploadFile
from gate import Gate
from jobs import Jobs
from pydantic import BaseModel, Field
from service import CONNECTIONS, KEYED, RefusedError, StoreError, Stores, make_app, setting
from starlette.middleware import Middleware

from models import Models

MAX_BYTES = int(setting("MAX_UPLOAD_BYTES", str(100 * 1024**2)))
_NAME = 255
_OTHERS = 3
"""Connections to PostgreSQL that uploads leave free: for `/health`, a deletion, and going on with what was left."""

_FORMS: Mapping[str, Callable[[Path], str]] = {
    "image": lambda path: media.open_picture(path)[1],
    "audio": lambda path: media.read_recording(path, "audio").format,
    "video": lambda path: media.read_recording(path, "video").format,
}
stores, models = Stores(), Models()
jobs, cache = Jobs(stores, models), Cache(stores)


class Document(BaseModel):
    """A document that was taken in."""

    document_id: uuid.UUID
    kind: str
    filename: str
    content_hash: str
    already_there: bool = Field(description="The same content was taken in before; nothing was done again.")


class Text(BaseModel):
    """A text to take in."""

    text: str
    document_name: str = Field("text", max_length=_NAME)
    metadata: dict[str, Any] = Field(default_factory=dict)


class Query(BaseModel):
    """A text to search by."""

    text: str = Field(min_length=1, max_length=10_000)


class Embedding(BaseModel):
    """A text's vectors: among texts, and among pictures."""

    embedding: list[float]
    image_embedding: list[float]


def health() -> Mapping[str, Any]:
    """Every store, every model, and where they compute."""
    device = models.device
    free = device == "cuda" or setting("CUDA_VISIBLE_DEVICES") in ("", "-1") or setting("GPU_OPTIONAL") == "true"
    seen = "ok" if free else "CUDA_VISIBLE_DEVICES names a GPU, and torch sees none"
    states = dict(stores.states(("postgres", "redis", "qdrant", "s3")))
    if all(state == "ok" for state in (*states.values(), *models.states.values())):
        try:
            jobs.prepare()
        except StoreError as error:
            states["qdrant" if str(error).startswith("qdrant") else "s3"] = str(error)
    return {"stores": states, "models": models.states, "gpu": {"use": seen}, "device": device}


@asynccontextmanager
async def running(_: FastAPI) -> AsyncIterator[None]:
    """Load the models and go on with what was left, beside the requests."""
    stop = threading.Event()

    def work() -> None:
        models.load()
        if all(state == "ok" for state in models.states.values()):
            jobs.keep_on(stop)

    thread = threading.Thread(target=work, name="jobs", daemon=True)
    thread.start()
    yield
    stop.set()
    thread.join(20)


app = make_app(
    "multimodal-worker",
    health,
    lifespan=running,
    max_body_size=MAX_BYTES + 64 * 1024,  # the form around it
    middleware=[Middleware(Gate, most=max(1, CONNECTIONS - _OTHERS))],
)


@app.post("/api/v1/process/text", dependencies=KEYED)
def process_text(body: Text) -> Document:
    """Take a text in: cut into chunks, each with a vector."""
    with _kept(body.text.encode()) as path:
        media.read_text(path)
        return _take("text", body.document_name, path, "text/plain", body.metadata)


@app.post("/api/v1/process/{kind}", dependencies=KEYED)
def process_file(
    kind: Literal["image", "audio", "video"],
    file: UploadFile,
    document_name: Annotated[str, Form(max_length=_NAME)] = "",
    metadata: Annotated[str, Form()] = "{}",
) -> Document:
    """Take a file in.

    A picture gets a vector, and a caption where the model server can see; speech is written down, in chunks with
    vectors; of a film its key frames get vectors, and what is said.
    """
    try:
        given = json.loads(metadata)
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"metadata is no JSON: {error}") from None
    if not isinstance(given, dict):
        raise RefusedError("metadata is not an object of JSON")
    with _kept(file) as path:
        if path.stat().st_size == 0:
            raise RefusedError("the file is empty")
        if path.stat().st_size > MAX_BYTES:
            raise RefusedError(f"more than {MAX_BYTES} bytes are not taken", 413)
        form = _FORMS[kind](path)
        called = Path((document_name or file.filename or kind).replace("\\", "/")).name
        return _take(kind, called, path, f"{kind}/{form}", given)


@app.delete("/api/v1/documents/{document}", dependencies=KEYED, status_code=204)
def delete_document(document: uuid.UUID) -> None:
    """Delete a document with its chunks, vectors and objects."""
    if not jobs.delete(document):
        raise HTTPException(404, f"there is no document {document}")


@app.post("/api/v1/embed/text", dependencies=KEYED)
def embed_text(body: Query) -> Embedding:
    """The vectors of a query."""
    _need_models()
    key = f"{models.key} {hashlib.sha256(body.text.encode()).hexdigest()}"
    if (kept := cache.get(key)) is not None:
        return Embedding.model_validate_json(kept)
    made = Embedding(embedding=models.embed_texts([body.text])[0], image_embedding=models.embed_query(body.text))
    cache.put(key, made.model_dump_json())
    return made


@app.get("/api/v1/models/status", dependencies=KEYED)
def models_status() -> dict[str, Any]:
    """Each model's name, and "ok" or why it does not serve."""
    return {"device": models.device, "names": models.names, "states": models.states, "sizes": models.sizes}


@app.get("/api/v1/storage/status", dependencies=KEYED)
def storage_status() -> Mapping[str, str]:
    """By store, "ok" or why it does not serve."""
    return stores.states(("postgres", "redis", "qdrant", "s3"))


@app.get("/api/v1/cache/stats", dependencies=KEYED)
def cache_stats() -> dict[str, int]:
    """How many queries' vectors are kept."""
    return {"embeddings": cache.count()}


@app.delete("/api/v1/cache/clear", dependencies=KEYED)
def clear_cache() -> dict[str, int]:
    """Forget the queries' vectors; they are made again when asked for."""
    return {"deleted": cache.clear()}


def _take(kind: str, name: str, path: Path, mime: str, metadata: Mapping[str, Any]) -> Document:
    _need_models()
    row, before = jobs.take(kind, name.replace("\0", "")[:_NAME] or kind, path, mime, metadata)
    return Document(
        document_id=row["id"],
        kind=row["file_type"],
        filename=row["filename"],
        content_hash=row["content_hash"],
        already_there=before,
    )


def _need_models() -> None:
    if lacking := {kind: state for kind, state in models.states.items() if state != "ok"}:
        raise StoreError("; ".join(f"the {kind} model: {state}" for kind, state in lacking.items()))


@contextmanager
def _kept(content: UploadFile | bytes) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "content")
        with path.open("wb") as file:
            if isinstance(content, bytes):
                file.write(content)
            else:
                shutil.copyfileobj(content.file, file)
        yield path
