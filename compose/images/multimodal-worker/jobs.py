"""A document's way into PostgreSQL, Qdrant and S3, and out of them: whole, once, and gone on with after a crash.

`documents.metadata` holds the state: `pending`, `done` or `deleting`; a row of another's making, without one,
is done. The worker of a document holds its row's lock, which PostgreSQL gives free when that process or its
connection dies. Points and objects have names that follow from the document, so that work done twice leaves one of
each; rows and the state `done` are one transaction.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
import threading
import uuid
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import media
import psycopg
from minio.deleteobjects import DeleteObject
from minio.error import S3Error
from psycopg.rows import DictRow
from psycopg.types.json import Json
from qdrant_client import models as q
from service import BUCKETS, COLLECTIONS, RefusedError, StoreError, Stores, store_errors

from models import Models, Vector, caption

log = logging.getLogger("jobs")
Connection = psycopg.Connection[DictRow]
Row = Mapping[str, Any]
ATTEMPTS = 3
AGAIN_S = 5.0


class Jobs:
    """What a worker does; several workers may run at once."""

    def __init__(self, stores: Stores, models: Models) -> None:
        """Take stores and models; nothing is asked of them yet."""
        self.stores, self.models = stores, models
        self._made = threading.Event()
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Make collections and buckets that are not there.

        Raises:
            StoreError: a store does not answer, or a collection is of vectors of another size.
        """
        with self._lock, store_errors():
            if self._made.is_set():
                return
            sizes = (self.models.sizes["text"], self.models.sizes["image"], self.models.sizes["text"])
            for name, size in zip(COLLECTIONS, sizes, strict=True):
                if not self.stores.qdrant.collection_exists(name):
                    vectors = q.VectorParams(size=size, distance=q.Distance.COSINE)
                    self.stores.qdrant.create_collection(name, vectors_config=vectors)
                has = self.stores.qdrant.get_collection(name).config.params.vectors
                if getattr(has, "size", size) != size:
                    raise StoreError(
                        f"qdrant: {name} holds vectors of {getattr(has, 'size', '?')}, and the model makes {size}: "
                        "name the model it was filled by, or delete the collection and send the documents again"
                    )
            for bucket in set(BUCKETS.values()):
                try:
                    if not self.stores.s3.bucket_exists(bucket):
                        self.stores.s3.make_bucket(bucket)
                except S3Error as error:
                    if error.code not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                        raise
            self._made.set()

    def take(self, kind: str, name: str, path: Path, mime: str, metadata: Mapping[str, Any]) -> tuple[Row, bool]:
        """Take a file in; the document's row, and whether it was there before.

        Args:
            kind: image, video, audio or text.
            name: what the document is called; it names nothing in a store.
            path: the file, which was looked at.
            mime: its type.
            metadata: of the sender, kept with the document.

        Raises:
            RefusedError: its content cannot be taken; nothing of it is left.
            StoreError: a store does not answer; what was begun is gone on with.
        """
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        kept = {key: value for key, value in metadata.items() if key not in {"state", "attempts"}}
        self.prepare()
        while True:
            with store_errors(), self.stores.pool.connection() as connection:
                connection.execute(
                    "INSERT INTO documents (filename, file_type, file_size, mime_type, content_hash, metadata) "
                    "VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (content_hash) DO NOTHING",
                    (name, kind, path.stat().st_size, mime, digest, Json({**kept, "state": "pending"})),
                )
            with store_errors(), self.stores.pool.connection() as connection:
                row = connection.execute(
                    "SELECT * FROM documents WHERE content_hash = %s FOR UPDATE", (digest,)
                ).fetchone()
                if row is None:
                    continue  # deleted meanwhile
                if _state(row) == "deleting":
                    self._remove(connection, row)
                    continue
                if _state(row) == "done":
                    return row, True
                try:
                    self.stores.s3.fput_object(BUCKETS[kind], _place(row), str(path), content_type=mime)
                    self._work(connection, row, path)
                except RefusedError:
                    self._remove(connection, row)
                    connection.commit()
                    raise
                return row, False

    def delete(self, document: uuid.UUID) -> bool:
        """Delete a document from every store; False where there is none.

        Raises:
            StoreError: a store does not answer; the deletion is gone on with.
        """
        with store_errors():
            with self.stores.pool.connection() as connection:
                marked = connection.execute(
                    'UPDATE documents SET metadata = metadata || \'{"state": "deleting"}\' WHERE id = %s RETURNING *',
                    (document,),
                ).fetchone()
            if marked is None:
                return False
            with self.stores.pool.connection() as connection:
                row = connection.execute("SELECT * FROM documents WHERE id = %s FOR UPDATE", (document,)).fetchone()
                if row is not None:
                    self._remove(connection, row)
        return True

    def go_on(self) -> bool:
        """Take up one document that nobody works at any more; False where there is none.

        Raises:
            StoreError: a store does not answer.
        """
        with store_errors(), self.stores.pool.connection() as connection:
            row = connection.execute(
                "UPDATE documents SET metadata = metadata || jsonb_build_object("
                "  'attempts', coalesce((metadata->>'attempts')::int, 0) + 1) "
                "WHERE id = (SELECT id FROM documents WHERE metadata->>'state' IN ('pending', 'deleting') "
                "  AND updated_at < now() - interval '10 seconds' ORDER BY updated_at LIMIT 1 FOR UPDATE SKIP LOCKED) "
                "RETURNING *"
            ).fetchone()
        if row is None:
            return False
        with store_errors(), self.stores.pool.connection() as connection:
            row = connection.execute(
                "SELECT * FROM documents WHERE id = %s AND metadata->>'state' IN ('pending', 'deleting') "
                "FOR UPDATE SKIP LOCKED",
                (row["id"],),
            ).fetchone()
            if row is not None:
                log.info("going on with %s, %s", row["id"], _state(row))
                self._again(connection, row)
        return True

    def keep_on(self, stop: threading.Event) -> None:
        """Make what the stores need, and take up what was left, until `stop`."""
        while not stop.wait(AGAIN_S):
            try:
                self.prepare()
                while not stop.is_set() and self.go_on():
                    pass
            except StoreError as error:
                log.warning("%s; trying again", error)
                self._made.clear()  # what was there may be gone: a restored store, a deleted collection
            except Exception:
                log.exception("a document could not be gone on with")

    def _again(self, connection: Connection, row: Row) -> None:
        if row["metadata"]["attempts"] > ATTEMPTS:
            log.error("%s is given up: %d attempts ended without a result", row["id"], ATTEMPTS)
        if _state(row) == "deleting" or row["metadata"]["attempts"] > ATTEMPTS:
            self._remove(connection, row)
            return
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "content")
            try:
                self.stores.s3.fget_object(BUCKETS[row["file_type"]], _place(row), str(path))
                self._work(connection, row, path)
            except S3Error as error:
                if error.code not in ("NoSuchKey", "NoSuchBucket"):
                    raise
                self._remove(connection, row)  # its sender was never answered, and the content never came
            except RefusedError as error:
                log.warning("%s: %s", row["id"], error)
                self._remove(connection, row)

    def _work(self, connection: Connection, row: Row, path: Path) -> None:
        {"image": self._image, "video": self._video, "audio": self._audio, "text": self._text}[row["file_type"]](
            connection, row, path
        )
        connection.execute(
            "UPDATE documents SET metadata = metadata - 'attempts' || '{\"state\": \"done\"}' WHERE id = %s",
            (row["id"],),
        )

    def _image(self, connection: Connection, row: Row, path: Path) -> None:
        picture, form = media.open_picture(path)
        point = _name(row, "image")
        self._point("image_embeddings", row, "image", {point: self.models.embed_images([picture])[0]})
        connection.execute(
            "INSERT INTO images (id, document_id, image_path, width, height, format, caption, embedding_id) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            (point, row["id"], _path(row), *picture.size, form, caption(picture), str(point)),
        )

    def _text(self, connection: Connection, row: Row, path: Path) -> None:
        self._chunks(connection, row, media.read_text(path))

    def _audio(self, connection: Connection, row: Row, path: Path) -> None:
        media.read_recording(path, "audio")
        self._chunks(connection, row, self.models.transcribe(str(path)))

    def _video(self, connection: Connection, row: Row, path: Path) -> None:
        film = media.read_recording(path, "video")
        said = self.models.transcribe(str(path)) if film.sound else ""
        video = _name(row, "video")
        if said:
            self._point("video_embeddings", row, "video", {video: self.models.embed_texts([said])[0]})
        connection.execute(
            "INSERT INTO videos (id, document_id, video_path, duration_seconds, width, height, fps, format, "
            "  transcription, embedding_id) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                *(video, row["id"], _path(row), film.seconds, film.width, film.height, film.fps, film.format),
                *(said or None, str(video) if said else None),
            ),
        )
        for number, (at, picture) in enumerate(media.key_frames(path)):
            frame, jpeg = _name(row, f"frame {number}"), media.as_jpeg(picture)
            place = f"{_place(row)}/frame-{number:04d}.jpg"
            self.stores.s3.put_object(BUCKETS["image"], place, BytesIO(jpeg), len(jpeg), content_type="image/jpeg")
            self._point("image_embeddings", row, "keyframe", {frame: self.models.embed_images([picture])[0]})
            connection.execute(
                "INSERT INTO video_keyframes (id, video_id, keyframe_path, timestamp_seconds, caption, embedding_id) "
                "VALUES (%s, %s, %s, %s, %s, %s)",
                (frame, video, f"{BUCKETS['image']}/{place}", at, caption(picture), str(frame)),
            )

    def _chunks(self, connection: Connection, row: Row, text: str) -> None:
        places = list(media.chunks(text))
        names = [_name(row, f"chunk {index}") for index in range(len(places))]
        vectors = self.models.embed_texts([text[begin:end] for begin, end in places])
        self._point("text_embeddings", row, "text", dict(zip(names, vectors, strict=True)))
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO text_chunks (id, document_id, chunk_index, chunk_text, start_position, end_position, "
                "  embedding_id) VALUES (%s, %s, %s, %s, %s, %s, %s)",
                [
                    (name, row["id"], index, text[begin:end], begin, end, str(name))
                    for index, (name, (begin, end)) in enumerate(zip(names, places, strict=True))
                ],
            )

    def _point(self, collection: str, row: Row, kind: str, vectors: Mapping[uuid.UUID, Vector]) -> None:
        payload = {"document_id": str(row["id"]), "content_type": kind}
        payload |= {name: row[name] for name in ("file_type", "filename")}
        points = [q.PointStruct(id=str(name), vector=vector, payload=payload) for name, vector in vectors.items()]
        for begin in range(0, len(points), 256):  # `upload_points` opens a connection for each call
            self.stores.qdrant.upsert(collection, points[begin : begin + 256], wait=True)

    def _remove(self, connection: Connection, row: Row) -> None:
        """Take a document out of every store, its row last: with it goes what says that there is work left."""
        one = q.FieldCondition(key="document_id", match=q.MatchValue(value=str(row["id"])))
        for collection in COLLECTIONS:
            self.stores.qdrant.delete(collection, q.FilterSelector(filter=q.Filter(must=[one])), wait=True)
        for bucket in {BUCKETS[row["file_type"]], BUCKETS["image"]}:
            named = self.stores.s3.list_objects(bucket, prefix=_place(row), recursive=True)
            gone = [DeleteObject(str(found.object_name)) for found in named]
            for error in self.stores.s3.remove_objects(bucket, gone):
                raise StoreError(f"s3: {error.name} could not be deleted: {error.message}")
        connection.execute("DELETE FROM documents WHERE id = %s", (row["id"],))


def _state(row: Row) -> str:
    return str(row["metadata"].get("state", "done"))


def _place(row: Row) -> str:
    return str(row["content_hash"])


def _path(row: Row) -> str:
    return f"{BUCKETS[row['file_type']]}/{_place(row)}"


def _name(row: Row, part: str) -> uuid.UUID:
    return uuid.uuid5(row["id"], part)
