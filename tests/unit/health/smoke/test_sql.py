"""What psql and redis-cli answer, recorded from PostgreSQL 15 and Redis 7, and the word that it means."""

from __future__ import annotations

from pathlib import Path

import pytest

from opskit.engine.model import Answer
from opskit.health.smoke.sql import Role, judge_redis, judge_sql, parse_tables, role_of, sql_words

SCRIPT = (Path(__file__).parents[4] / "sql/init.sql").read_text()
APPLICATION = Role("multimodal", "multimodal", ("documents", "images"))
MONITOR = Role("monitor", "multimodal", reads_only=True)
FINE = "others|\nmissing|\nbarred|\nread|3"


def test_the_tables_are_those_of_init_sql() -> None:
    assert len(parse_tables(SCRIPT)) == 7
    assert role_of("multimodal", SCRIPT).tables == parse_tables(SCRIPT)
    assert role_of("monitor", SCRIPT) == MONITOR
    assert role_of("n8n", SCRIPT) == Role("n8n", "n8n")


def test_what_was_written_is_rolled_back_and_the_server_is_asked_over_the_network() -> None:
    for role in (APPLICATION, Role("litellm", "litellm")):
        words = sql_words(role)
        assert words[-1] == "ROLLBACK"
        assert [word for word in words if word.startswith("BEGIN")]
        assert words[words.index("-h") + 1] == "postgres", "the image trusts its loopback"


def test_a_role_that_reads_and_writes_its_own_database_alone_is_fine() -> None:
    assert judge_sql(APPLICATION, Answer(0, FINE)).kind == ""
    assert judge_sql(MONITOR, Answer(0, "others|\nreadable|\nread|12")).kind == ""


@pytest.mark.parametrize(
    ("role", "code", "text", "kind", "holds"),
    [
        (APPLICATION, 0, "others|litellm, n8n\nmissing|\nbarred|\nread|3", "not_separated", "litellm, n8n"),
        (MONITOR, 0, "others|\nreadable|documents\nread|12", "not_separated", "documents"),
        (APPLICATION, 1, "others|\nmissing|images\nbarred|\nread|3", "missing_table", "images"),
        (APPLICATION, 1, "others|\nmissing|\nbarred|images", "missing_right", "images"),
        (APPLICATION, 1, 'others|\nERROR:  relation "documents" does not exist', "missing_table", "documents"),
        (APPLICATION, 1, "others|\nERROR:  permission denied for table documents", "missing_right", "documents"),
        (
            APPLICATION,
            2,
            (
                'psql: error: connection to server at "postgres" (172.18.0.2), port 5432 failed: FATAL:  password '
                'authentication failed for user "multimodal"'
            ),
            "wrong_key",
            "password authentication failed",
        ),
        (APPLICATION, 2, 'FATAL:  database "multimodal" does not exist', "missing_database", "does not exist"),
        (APPLICATION, 2, 'FATAL:  permission denied for database "multimodal"', "missing_right", "denied"),
        (APPLICATION, 2, 'could not translate host name "postgres" to address', "no_answer", "translate"),
        (APPLICATION, None, "psql did not answer within 30 s", "no_answer", "within 30 s"),
        (APPLICATION, 0, "others|\nmissing|\nbarred|\nread|0", "bad_answer", "read|0"),
        (APPLICATION, 0, "", "bad_answer", "wanted"),
        (APPLICATION, 3, "ERROR:  disk full", "bad_answer", "disk full"),
    ],
)
def test_a_role_that_cannot_is_named_by_the_right_word(
    role: Role, code: int | None, text: str, kind: str, holds: str
) -> None:
    verdict = judge_sql(role, Answer(code, text))
    assert verdict.kind == kind
    assert holds in verdict.text


def test_redis_is_fine_where_a_key_lives_for_a_minute_and_nobody_without_the_password_is_answered() -> None:
    for ttl in (60, 59):
        assert judge_redis(Answer(1, f"OK\n1\n{ttl}\n1\nNOAUTH Authentication required.\n\n")).kind == ""


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("OK\n1\n60\n1\nPONG", "unguarded"),
        (
            (
                "AUTH failed: WRONGPASS invalid username-password pair or user is disabled.\n"
                "NOAUTH Authentication required.\nNOAUTH Authentication required."
            ),
            "wrong_key",
        ),
        ("OK\n1\n-1\n1\nNOAUTH Authentication required.", "bad_answer"),
        ("OOM command not allowed when used memory > 'maxmemory'.\nNOAUTH Authentication required.", "bad_answer"),
        ("Could not connect to Redis at redis:6379: Connection refused\nCould not connect to Redis", "no_answer"),
        ("", "bad_answer"),
        ("DENIED Redis is running in protected mode because protected mode is enabled and no password", "unguarded"),
    ],
)
def test_redis_that_does_not_is_named_by_the_right_word(text: str, kind: str) -> None:
    verdict = judge_redis(Answer(1, text))
    assert verdict.kind == kind
    assert verdict.text
