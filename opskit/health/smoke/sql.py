"""What psql and redis-cli are asked inside their own containers, and what their answers mean; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from opskit.engine.model import Answer

_TABLE = re.compile(r"^CREATE TABLE IF NOT EXISTS (\w+)", re.MULTILINE)
_RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE")
_FAULTS = (
    ("wrong_key", r"password authentication failed|WRONGPASS|NOAUTH|no password supplied"),
    ("missing_table", r'relation "\S+" does not exist'),
    ("missing_database", r'database "\S+" does not exist'),
    ("missing_right", r"permission denied|not permitted|must be owner|NOPERM"),
    ("no_answer", r"could not translate|[Cc]ould not connect|[Cc]onnection refused|timeout expired|starting up"),
)


_OTHERS = (
    "SELECT 'others', string_agg(datname, ', ') FROM pg_database WHERE datallowconn"
    " AND datname <> current_database() AND has_database_privilege(datname, 'CONNECT')"
)
_TABLES = "SELECT '{row}', string_agg(tablename, ', ') FROM pg_tables WHERE schemaname = 'public' AND"
_MAY = "has_table_privilege(format('%I.%I', schemaname, tablename), '{}')"
_MISSING = (
    "SELECT 'missing', string_agg(name, ', ') FROM unnest(ARRAY[{names}]) AS name "
    "WHERE to_regclass('public.' || quote_ident(name)) IS NULL"
)
_INTO_DOCUMENTS = (
    "INSERT INTO documents (filename, file_type, file_size, content_hash)"
    " VALUES ('opskit smoke', 'smoke', 0, gen_random_uuid()::text)"
)
_INTO_OWN = "CREATE TABLE opskit_smoke (id integer); INSERT INTO opskit_smoke VALUES (1)"
_WRONG = {
    # the row of an answer that names something: what that means
    "others": ("not_separated", "found that {role.name} may connect to {names}; wanted its own database alone"),
    "readable": ("not_separated", "found that {role.name} may read {names}; wanted no table"),
    "missing": ("missing_table", "found no table {names} in {role.database}; wanted all of init.sql"),
    "barred": ("missing_right", "found that {role.name} may not read and write {names}; wanted it to"),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong, as a stable word and a sentence; both empty where nothing is."""

    kind: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Role:
    """A role of the databases and the one database that it is for.

    Attributes:
        tables: that it must be able to read and write; empty where it makes its own.
        reads_only: it sees statistics, and no table.
    """

    name: str
    database: str
    tables: tuple[str, ...] = ()
    reads_only: bool = False


def parse_tables(script: str) -> tuple[str, ...]:
    """The tables that a script of ours makes, in its order."""
    return tuple(_TABLE.findall(script))


def sql_words(role: Role) -> tuple[str, ...]:
    """The command that asks as a role; its password is PGPASSWORD. Over the network: the image trusts its loopback."""
    words = ("psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", "postgres", "-U", role.name, "-d", role.database)
    return (*words, *(word for statement in _statements(role) for word in ("-c", statement)))


def _statements(role: Role) -> Iterable[str]:
    yield _OTHERS
    if role.reads_only:
        yield f"{_TABLES.format(row='readable')} {_MAY.format('SELECT')}"
        yield "SELECT 'read', count(*) FROM pg_stat_activity"
        return
    if role.tables:
        names = ", ".join(f"'{table}'" for table in role.tables)
        yield _MISSING.format(names=names)
        rights = " AND ".join(map(_MAY.format, _RIGHTS))
        yield f"{_TABLES.format(row='barred')} tablename IN ({names}) AND NOT ({rights})"
    table = "documents" if role.tables else "opskit_smoke"
    yield f"BEGIN; {_INTO_DOCUMENTS if role.tables else _INTO_OWN}"
    yield f"SELECT 'read', count(*) FROM {table}"  # noqa: S608  one of two names, see above
    yield "ROLLBACK"


def judge_sql(role: Role, answer: Answer) -> Verdict:
    """What the answer to `sql_words` means."""
    rows = dict(line.split("|", 1) for line in answer.text.splitlines() if "|" in line)
    for row, (kind, text) in _WRONG.items():
        if rows.get(row):
            return Verdict(kind, text.format(names=rows[row], role=role))
    if answer.exit_code != 0:
        return _fault(answer)
    if not rows.get("read", "").isdigit() or rows["read"] == "0":
        return Verdict("bad_answer", f"found {answer.text!r}; wanted to read what was written")
    return Verdict()


_REDIS = """
printf "SET %s 1 EX 60\\nGET %s\\nTTL %s\\nDEL %s\\n" "$KEY" "$KEY" "$KEY" "$KEY" | redis-cli -h redis
env -u REDISCLI_AUTH redis-cli -h redis PING
"""
REDIS_WORDS = ("sh", "-c", _REDIS)
"""The command that asks Redis over the network; the password is REDISCLI_AUTH, the key's name KEY."""

_TTL_S = 60


def judge_redis(answer: Answer) -> Verdict:
    """What the answer to REDIS_WORDS means."""
    lines = [line.strip() for line in answer.text.splitlines() if line.strip()]
    if lines[-1:] == ["PONG"]:
        return Verdict("unguarded", "found that PING is answered without a password; wanted NOAUTH")
    if any("DENIED" in line for line in lines):  # protected mode: without a password it answers its own container alone
        return Verdict("unguarded", "found that it has no password, and so answers no other container; wanted NOAUTH")
    *stored, refused = lines or [""]
    if refused.startswith("NOAUTH") and stored in (["OK", "1", str(ttl), "1"] for ttl in (_TTL_S, _TTL_S - 1)):
        return Verdict()
    return _fault(Answer(answer.exit_code, "\n".join(stored) or answer.text))


def _fault(answer: Answer) -> Verdict:
    kind = next((kind for kind, pattern in _FAULTS if re.search(pattern, answer.text)), "bad_answer")
    told = [line for line in answer.text.splitlines() if "|" not in line] or [f"exit code {answer.exit_code}"]
    return Verdict("no_answer" if answer.exit_code is None else kind, " ".join(told)[:300])


def role_of(name: str, script: str) -> Role:
    """The role whose password is `<NAME>_DB_PASSWORD`.

    Args:
        name: in lower case.
        script: the one that makes the tables of `multimodal`.
    """
    if name == "monitor":
        return Role(name, "multimodal", reads_only=True)
    return Role(name, name, parse_tables(script) if name == "multimodal" else ())
