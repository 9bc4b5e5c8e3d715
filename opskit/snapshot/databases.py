"""PostgreSQL in and out of a container, by its own programs and over its own socket: dumps, roles, and counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from opskit.engine.dump import frames, open_inside, stream_inside
from opskit.errors import NotReadError
from opskit.snapshot.stream import Rows

if TYPE_CHECKING:
    from docker import DockerClient

_EACH_TABLE = """
SELECT format('SELECT ''rows'', %L, {what}', n.nspname || '.' || c.relname, n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1 \\gexec
"""
_PLAIN = "{bool,int2,int4,int8,text,varchar,bpchar,uuid,date,timestamp,timestamptz,bytea}"
_HASH = f"""' || CASE WHEN EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0
  AND NOT a.attisdropped AND a.atttypid <> ALL ('{_PLAIN}'::regtype[]::oid[]))
  THEN 'hashtextextended(t::text, 0)' ELSE 'hash_record_extended(t, 0)' END || '"""
"""Of a row: its text's, or, four times as fast, its columns', where no major has changed how their types are hashed."""
_ROWS = _EACH_TABLE.format(what=f"count(*), coalesce(sum({_HASH}), 0) FROM %I.%I t")
"""A row a table: how many rows, and a sum over the hash of each, which does not depend on their order."""
_FILLED = _EACH_TABLE.format(what="EXISTS (SELECT FROM %I.%I)")

_PSQL = r'psql -X -q -At -F "	" -v ON_ERROR_STOP=1 -U postgres -d "$NAME"'
_DUMP = f"""{_PSQL} 3>&1 1>&2 <<'EOF'
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT pg_export_snapshot() AS snapshot \\gset
\\setenv SNAPSHOT :snapshot
\\set pid `{{ pg_dump -U postgres -d "$NAME" -Fc -Z0 --snapshot="$SNAPSHOT" >&3 && echo dumped; }} >&2 & echo $!`
\\setenv DUMPING :pid
{_ROWS}\\! while kill -0 "$DUMPING" 2>/dev/null; do sleep 0.1; done
EOF
"""
"""One moment for both, side by side: the dump goes out by stdout, the counts by stderr. Only restic compresses."""

_RESTORE = """head -c "$SIZE" | if [ "$NAME" = postgres ]
then pg_restore -U postgres -d postgres --clean --if-exists --exit-on-error
else dropdb -U postgres --if-exists --force "$NAME" && pg_restore -U postgres -d postgres --create --exit-on-error
fi"""
_ROLES = """head -c "$SIZE" | psql -X -q -U postgres -d postgres -f -"""


class Databases:
    """The PostgreSQL of a container that runs.

    Args:
        client: of the Engine.
        container: its id.
    """

    def __init__(self, client: DockerClient, container: str) -> None:
        self._client = client
        self._container = container

    def version(self) -> str:
        """Of the server, such as `15.6`.

        Raises:
            NotReadError: it does not answer.
        """
        return self._ask("SHOW server_version").split()[0]

    def names(self) -> list[str]:
        """Every database that may be connected to.

        Raises:
            NotReadError: it does not answer.
        """
        query = "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY 1"
        return self._ask(query).split("\n")

    def roles(self) -> Iterator[bytes]:
        """SQL that makes the roles, with the hashes of their passwords.

        Raises:
            NotReadError: pg_dumpall failed.
        """
        yield from self._run(["pg_dumpall", "-U", "postgres", "--roles-only"], {})[0]

    def dump(self, name: str, rows: Rows) -> Iterator[bytes]:
        """A database in pg_dump's custom format; `rows` gets rows and checksum by table, of the same moment.

        Raises:
            NotReadError: pg_dump failed, or ended early.
        """
        told = bytearray()
        yield from self._stream(["sh", "-c", _DUMP], {"NAME": name}, told)
        lines = told.decode("utf-8", "replace").splitlines()
        if "dumped" not in lines:
            raise NotReadError(f"pg_dump {name}: {' '.join(lines)[-300:]}")
        rows.update(_rows_of(lines))

    def count(self, name: str) -> Rows:
        """Rows and checksum by table.

        Raises:
            NotReadError: it does not answer.
        """
        return self._of_tables(_ROWS, name)

    def filled(self, name: str) -> set[str]:
        """Tables that have a row, found without reading them.

        Raises:
            NotReadError: it does not answer, or has no such database.
        """
        return {table for table, (there,) in self._of_tables(_FILLED, name).items() if there == "t"}

    def restore_roles(self, sql: Iterable[bytes], size: int) -> None:
        """Make the roles, or give those that are there their passwords and rights.

        Raises:
            NotReadError: psql refused something.
        """
        told = self._feed(_ROLES, "postgres", sql, size)
        wrong = [line for line in told.splitlines() if "ERROR" in line and "already exists" not in line]
        if wrong:
            raise NotReadError(f"roles: {wrong[0]}")

    def restore(self, name: str, dump: Iterable[bytes], size: int) -> None:
        """Make a database again from its dump; what was in it is gone.

        Raises:
            NotReadError: pg_restore failed.
        """
        self._feed(_RESTORE, name, dump, size)

    def _of_tables(self, query: str, name: str) -> Rows:
        out, _ = self._run(["sh", "-c", f"{_PSQL} <<'EOF'\n{query}EOF\n"], {"NAME": name})
        return _rows_of(b"".join(out).decode().splitlines())

    def _ask(self, query: str) -> str:
        out, _ = self._run(["psql", "-XAtq", "-U", "postgres", "-d", "postgres", "-c", query], {})
        return b"".join(out).decode().strip()

    def _run(self, words: list[str], environment: Mapping[str, str]) -> tuple[list[bytes], str]:
        told = bytearray()
        return list(self._stream(words, environment, told)), told.decode("utf-8", "replace")

    def _stream(self, words: list[str], environment: Mapping[str, str], told: bytearray) -> Iterator[bytes]:
        what = words[-1] if words[0] != "sh" else environment["NAME"]
        return stream_inside(self._client, self._container, words, what=what, environment=environment, told=told)

    def _feed(self, script: str, name: str, content: Iterable[bytes], size: int) -> str:
        """Run a script that reads `size` bytes; what it says."""
        told = bytearray()
        with open_inside(
            self._client,
            self._container,
            ["sh", "-c", script],
            what=name,
            told=told,
            environment={"NAME": name, "SIZE": str(size)},
            stdin=True,
        ) as (socket, wire):
            try:
                for chunk in content:
                    wire.sendall(chunk)
            except (BrokenPipeError, ConnectionResetError):
                pass  # the script has ended: its status says why
            for _, data in frames(socket):
                told += data
        return told.decode("utf-8", "replace")


def _rows_of(lines: Iterable[str]) -> Rows:
    found = (line.split("\t") for line in lines)
    return {words[1]: words[2:] for words in found if words[0] == "rows"}
