"""Which failure is named first where one service fails because of another."""

from __future__ import annotations

from typing import Any

from opskit.compose.model import Stack, parse_stack
from opskit.engine.model import Evidence
from opskit.health.readiness import ServiceWord, Word
from opskit.health.roots import rank


def stack(**depends: str) -> Stack:
    services: dict[str, Any] = {
        name: {"image": "x", "depends_on": {other: {"condition": "service_started"} for other in others.split()}}
        for name, others in depends.items()
    }
    return parse_stack({"name": "p", "services": services})


def never(name: str, deaths: int = 3) -> ServiceWord:
    return ServiceWord(name, Word.NEVER, "crash loop", "crash_loop", 1, deaths, name)


def waiting(name: str, deaths: int = 0) -> ServiceWord:
    return ServiceWord(name, Word.WAITING, "starting", None, None, deaths, name)


def ready(name: str) -> ServiceWord:
    return ServiceWord(name, Word.READY, "running", container=name)


def ranked(model: Stack, *words: ServiceWord, late: bool = False, **logs: str) -> list[tuple[str, str]]:
    failing = [word for word in words if word.word is (Word.WAITING if late else Word.NEVER)]
    evidence = {name: Evidence(log=(line,)) for name, line in logs.items()}
    return [(word.service, cause) for word, cause in rank(failing, words, model, evidence, late=late)]


def test_what_it_depends_on_comes_first_also_where_that_has_not_died_often_enough_yet() -> None:
    model = stack(app="db", db="")
    assert ranked(model, never("app"), waiting("db", deaths=2)) == [("db", ""), ("app", "db")]
    assert ranked(model, never("app"), never("db")) == [("db", ""), ("app", "db")]


def test_a_dependency_that_is_well_or_only_slow_is_no_cause() -> None:
    model = stack(app="db", db="")
    assert ranked(model, never("app"), ready("db")) == [("app", "")]
    assert ranked(model, never("app"), waiting("db")) == [("app", "")]


def test_a_chain_that_is_late_begins_with_its_end() -> None:
    model = stack(a="b", b="z", z="", other="")
    words = [waiting("a"), waiting("b"), waiting("z"), ready("other")]
    assert ranked(model, *words, late=True) == [("z", ""), ("b", "z"), ("a", "b")]


def test_without_depends_on_the_log_names_it() -> None:
    model = stack(app="", db="")
    words = [never("app"), waiting("db", deaths=1)]
    line = "could not connect to server db:5432: Connection refused"
    assert ranked(model, *words, app=line) == [("db", ""), ("app", "db")]
    assert ranked(model, *words, app="serving the db view") == [("app", "")]
    assert ranked(model, *words, app="dbx: connection refused") == [("app", "")]


def test_two_that_name_each_other_come_to_an_end() -> None:
    model = stack(a="", b="")
    found = ranked(model, never("a"), never("b"), a="b: connection refused", b="a: connection refused")
    assert sorted(found) == [("a", "b"), ("b", "a")]
