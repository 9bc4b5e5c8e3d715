"""sql/init.sql, read by PostgreSQL, holds what the predecessor's worker and retrieval proxy write and read.

The two services are the images most people will run. Their statements are data here, written by hand: table, columns and a
value of the kind the service sends (ids and JSON as text, numbers as numbers, None where it does not know). Source: read in
markwoitaszek/llm-multimodal-stack at 463cec0, app/database.py of both and app/api.py of the proxy.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.checkout import ROOT
from tests.real.report import Real

if TYPE_CHECKING:
    from docker.models.containers import Container

REAL = Real(
    "PostgreSQL",
    "Debian postgresql, in a container",
    "sql/init.sql",
    "made the tables; took and refused the statements of the stack's own two services",
    "15",
)

pytestmark = pytest.mark.engine

Value = str | int | float | None
Row = dict[str, Value]

SQL = (ROOT / "sql/init.sql").read_text()
EARLIER = (ROOT / "tests/data/sql/init-0.1.0.sql").read_text()
PASSWORDS = {
    f"{name}_PASSWORD": f"of-{name}" for name in ("POSTGRES", "MULTIMODAL_DB", "LITELLM_DB", "N8N_DB", "MONITOR_DB")
}
DOCUMENT, CHUNK, IMAGE, VIDEO, KEYFRAME, SESSION, MESSAGE = (
    f"{n}0000000-0000-4000-8000-000000000000" for n in range(1, 8)
)

WRITES: dict[str, Row] = {
    "documents": {
        "id": DOCUMENT,
        "filename": "it's a film.mp4",
        "file_type": "video",
        "file_size": 5_000_000_000,
        "mime_type": "video/mp4",
        "content_hash": "f" * 64,
        "metadata": '{"original_filename": "film.mp4"}',
    },
    "text_chunks": {
        "id": CHUNK,
        "document_id": DOCUMENT,
        "chunk_text": "some words",
        "chunk_index": 0,
        "start_position": None,
        "end_position": None,
        "embedding_id": None,
        "metadata": "{}",
    },
    "images": {
        "id": IMAGE,
        "document_id": DOCUMENT,
        "image_path": "images/ff/ff.png",
        "width": 640,
        "height": 480,
        "format": "PNG",
        "caption": "a cat",
        "embedding_id": None,
        "features": '{"dominant_colors": [[1, 2, 3]]}',
    },
    "videos": {
        "id": VIDEO,
        "document_id": DOCUMENT,
        "video_path": "videos/ff/ff.mp4",
        "duration_seconds": 12.5,
        "width": 1920,
        "height": 1080,
        "fps": 29.97,
        "format": "mp4",
        "transcription": "words",
        "embedding_id": None,
        "metadata": '{"keyframe_count": 1}',
    },
    "video_keyframes": {
        "id": KEYFRAME,
        "video_id": VIDEO,
        "keyframe_path": "videos/ff/0.jpg",
        "timestamp_seconds": 0.0,
        "caption": "a frame",
        "embedding_id": "e1",
    },
    "search_sessions": {
        "id": SESSION,
        "session_name": None,
        "query": "cats",
        "filters": "{}",
        "results_count": 0,
        "context_bundle": '{"unified_context": ""}',
    },
    "conversations": {
        "id": MESSAGE,
        "session_id": "any name of a session",
        "role": "user",
        "content": "hello",
        "metadata": "{}",
    },
}
"""What each INSERT names, in an order in which what is referenced comes first."""

UNKNOWN: dict[str, tuple[str, ...]] = {
    "documents": ("file_size", "mime_type"),
    "images": ("width", "height", "format", "caption"),
    "videos": ("duration_seconds", "width", "height", "fps", "format", "transcription"),
    "video_keyframes": ("caption", "embedding_id"),
    "search_sessions": ("session_name",),
}
"""What a service may not know and then sends as NULL."""

READS = (
    "SELECT created_at, updated_at FROM documents WHERE filename ILIKE '%film%' AND created_at >= '2020-01-01'",
    "SELECT file_type, count(*) FROM documents GROUP BY file_type",
    "SELECT created_at FROM text_chunks WHERE document_id = '{document}' ORDER BY chunk_index",
    "SELECT created_at FROM images WHERE document_id = '{document}' ORDER BY created_at",
    "SELECT created_at FROM videos WHERE document_id = '{document}' ORDER BY created_at",
    "SELECT created_at FROM video_keyframes WHERE video_id = '{video}' ORDER BY timestamp_seconds",
    """SELECT k.video_id, v.video_path, d.filename FROM video_keyframes k JOIN videos v ON k.video_id = v.id
    JOIN documents d ON v.document_id = d.id WHERE k.embedding_id = 'e1'""",
    "SELECT created_at FROM search_sessions ORDER BY created_at DESC LIMIT 20",
    "SELECT created_at FROM conversations WHERE session_id = 'any name of a session' ORDER BY created_at LIMIT 50",
)
"""What the services select, filter, join and sort by, besides the columns of WRITES."""


class Database:
    """A PostgreSQL container, asked by psql as one role over the network."""

    def __init__(self, box: Container) -> None:
        self.box = box

    def run(self, role: str, sql: str, database: str = "multimodal") -> tuple[int, str]:
        """Exit code and output of one statement."""
        name = "POSTGRES" if role == "postgres" else f"{role.upper()}_DB"
        words = ["psql", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", role, "-d", database, "-qAtc", sql]
        done = self.box.exec_run(words, environment={"PGPASSWORD": PASSWORDS[f"{name}_PASSWORD"]})
        assert isinstance(done.output, bytes)
        return int(done.exit_code or 0), done.output.decode().strip()

    def ask(self, role: str, sql: str) -> str:
        code, output = self.run(role, sql)
        assert code == 0, f"{sql}\n{output}"
        return output

    def read_file(self, path: str) -> None:
        """What an operator does with a database of an earlier version: the file by psql as the superuser."""
        words = ["psql", "-h", "127.0.0.1", "-U", "postgres", "-d", "multimodal", "-qf", path]
        done = self.box.exec_run(words, environment={"PGPASSWORD": PASSWORDS["POSTGRES_PASSWORD"]})
        assert done.exit_code == 0, done.output


@pytest.fixture
def database(
    start: Callable[..., Container],
    image_of: Callable[[str], str],
    volume: str,
    until: Callable[..., None],
    tmp_path: Path,
) -> Callable[[str], Database]:
    """Start PostgreSQL, initialised by the given SQL; today's file lies beside it as /sql/init.sql."""

    def run(sql: str) -> Database:
        (tmp_path / "first.sql").write_text(sql)
        mounts = {
            volume: {"bind": "/var/lib/postgresql", "mode": "rw"},
            str(tmp_path / "first.sql"): {"bind": "/docker-entrypoint-initdb.d/init.sql", "mode": "ro"},
            str(ROOT / "sql"): {"bind": "/sql", "mode": "ro"},
        }
        environment = {"POSTGRES_USER": "postgres", "POSTGRES_DB": "multimodal", **PASSWORDS}
        box = start(image_of("postgres"), environment=environment, volumes=mounts)
        until(lambda: box.exec_run(["pg_isready", "-q", "-h", "127.0.0.1"]).exit_code == 0)
        return Database(box)

    return run


def quote(value: Value) -> str:
    """A literal without a type, as a driver's parameter has none."""
    return "NULL" if value is None else "'" + str(value).replace("'", "''") + "'"


def insert(table: str, row: Row) -> str:
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(map(quote, row.values()))})"


def matches(table: str, row: Row) -> str:
    """A query for the row by every column that was written."""
    same = " AND ".join(f"{column} IS NOT DISTINCT FROM {quote(value)}" for column, value in row.items())
    return f"SELECT count(*) FROM {table} WHERE {same}"


def write_and_read_all(database: Database) -> None:
    """Every statement of the two services, as their role."""
    for table, row in WRITES.items():
        database.ask("multimodal", insert(table, row))
        assert database.ask("multimodal", matches(table, row)) == "1", table
    for sql in READS:
        assert database.ask("multimodal", sql.format(document=DOCUMENT, video=VIDEO)), sql


def columns(database: Database) -> set[str]:
    """Each column with type, null and default, each constraint and each index."""
    return set(
        database.ask(
            "postgres",
            "SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || coalesce(column_default, '')"
            " FROM information_schema.columns WHERE table_schema = 'public' UNION ALL"
            " SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid > 0"
            " AND connamespace = 'public'::regnamespace UNION ALL"
            " SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'",
        ).splitlines()
    )


def test_each_statement_of_the_two_services_fits_the_tables(database: Callable[[str], Database]) -> None:
    fresh = database(SQL)
    write_and_read_all(fresh)
    for table, unknown in UNKNOWN.items():
        row = {**WRITES[table], **dict.fromkeys(unknown), "id": "90000000-0000-4000-8000-000000000000"}
        row |= {"content_hash": "e" * 64} if table == "documents" else {}
        fresh.ask("multimodal", insert(table, row))
        assert fresh.ask("multimodal", matches(table, row)) == "1", table
    fresh.ask("multimodal", "DELETE FROM documents")
    assert fresh.ask("multimodal", "SELECT count(*) FROM video_keyframes") == "0", (
        "what hangs on a document goes with it"
    )


def test_what_no_service_means_is_refused_and_no_role_may_do_more_than_it_needs(
    database: Callable[[str], Database],
) -> None:
    fresh = database(SQL)
    write_and_read_all(fresh)
    refused = {
        "violates check": [
            insert("conversations", {**WRITES["conversations"], "id": IMAGE, "role": "nobody"}),
            insert("images", {**WRITES["images"], "id": CHUNK, "width": -1}),
            insert("video_keyframes", {**WRITES["video_keyframes"], "id": CHUNK, "timestamp_seconds": -1}),
        ],
        "duplicate key": [insert("documents", {**WRITES["documents"], "id": CHUNK})],
        "invalid input syntax for type json": [
            insert("images", {**WRITES["images"], "id": CHUNK, "features": "{'a'}"})
        ],
        "violates foreign key": [insert("text_chunks", {**WRITES["text_chunks"], "id": IMAGE, "document_id": IMAGE})],
        "permission denied for schema": ["CREATE TABLE more (id int)"],
        "must be owner": ["DROP TABLE documents", "ALTER TABLE documents ADD COLUMN more int"],
        "permission denied": ["CREATE ROLE more", "TRUNCATE documents"],
    }
    for reason, statements in refused.items():
        for sql in statements:
            code, output = fresh.run("multimodal", sql)
            assert code != 0, sql
            assert reason in output, sql
    for role, database_name in (
        ("multimodal", "litellm"),
        ("litellm", "multimodal"),
        ("n8n", "multimodal"),
        ("monitor", "n8n"),
    ):
        code, output = fresh.run(role, "SELECT 1", database_name)
        assert code != 0
        assert "does not have CONNECT" in output, (role, database_name)
    for role in ("litellm", "n8n"):  # each migrates its own database itself
        assert fresh.run(role, "CREATE TABLE own (id int)", role) == (0, "")
    assert "permission denied" in fresh.run("monitor", "SELECT * FROM documents")[1]


EARLIER_ROWS = (
    insert("documents", {"id": CHUNK, "filename": "a", "file_type": "image", "file_size": 1, "content_hash": "a"}),
    insert("images", {"document_id": CHUNK, "storage_path": "a.png", "metadata": '{"kept": 1}'}),
    insert("search_sessions", {"id": IMAGE, "query": "a"}),
    insert(
        "conversations",
        {"session_id": IMAGE, "user_message": "question", "assistant_message": "answer", "model_used": "m"},
    ),
    insert("conversations", {"user_message": "no answer"}),
)


def test_a_database_of_an_earlier_version_becomes_this_one_and_keeps_its_rows(
    database: Callable[[str], Database],
) -> None:
    earlier = database(EARLIER)
    for sql in EARLIER_ROWS:
        earlier.ask("multimodal", sql)
    earlier.read_file("/sql/init.sql")
    changed = columns(earlier)
    assert earlier.ask("multimodal", "SELECT image_path, features FROM images") == 'a.png|{"kept": 1}'
    talk = "SELECT session_id, role, content, metadata FROM conversations ORDER BY created_at"
    assert earlier.ask("multimodal", talk).splitlines() == [
        f"{IMAGE}|user|question|{{}}",
        f'{IMAGE}|assistant|answer|{{"model": "m"}}',
        "|user|no answer|{}",
    ]
    write_and_read_all(earlier)
    earlier.read_file("/sql/init.sql")
    assert columns(earlier) == changed, "read again, it changes nothing"
    assert earlier.ask("multimodal", "SELECT count(*) FROM conversations") == "4"
    earlier.ask("postgres", "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    earlier.read_file("/sql/init.sql")
    assert changed == columns(earlier), "nothing of the earlier version is left"
