"""The table of known causes: each is found by its own recorded line, and by nothing that a good start writes."""

from __future__ import annotations

import re

import pytest

from opskit.engine.model import Evidence
from opskit.health.causes import Cause, find_cause, read_causes
from opskit.health.diagnosis import diagnose
from opskit.health.readiness import ServiceWord, Word

LOOP = ServiceWord("vllm", Word.NEVER, "crash loop", "crash_loop", 1, 3, "0123456789abcdef")
GOOD = """
INFO 11-26 10:00:00 [core.py:387] # GPU blocks: 2048, # CPU blocks: 0
INFO:     Application startup complete.
LOG:  database system is ready to accept connections
* Ready to accept connections tcp
Editor is now accessible via:
level=info msg="Server is ready to receive web requests."
2026/11/26 10:00:00 [notice] 1#1: start worker processes
2026-11-26 10:00:00.000 UTC [187] ERROR:  permission denied for table documents
2026-11-26 10:00:00.000 UTC [188] ERROR:  relation "_prisma_migrations" does not exist at character 15
"""


@pytest.mark.parametrize("cause", read_causes(), ids=lambda cause: cause.cause[:40])
def test_each_cause_is_found_by_its_own_line(cause: Cause) -> None:
    assert find_cause(["Starting", cause.line, "exiting"]) == (cause, cause.line)


def test_there_are_at_least_forty_each_with_a_remedy_and_a_source_of_its_own() -> None:
    causes = read_causes()
    assert len({cause.cause for cause in causes}) == len(causes) >= 40
    assert all(cause.remedy and cause.source for cause in causes)
    assert all(re.compile(cause.pattern) for cause in causes)


def test_a_good_start_tells_no_cause() -> None:
    assert find_cause(GOOD.splitlines()) is None


def test_the_cause_is_told_with_its_line_also_where_that_is_far_above_the_last_words() -> None:
    line = "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization`."
    log = (line, *(f"  File {number}" for number in range(100)), "RuntimeError: Engine core initialization failed.")
    failure = diagnose(LOOP, Evidence(log=log), project="p", waited_s=9)
    assert failure.kind == "crash_loop"
    assert "probable cause: the model's weights leave no memory" in failure.message
    assert "VLLM_MODEL" in failure.remedy
    assert failure.evidence[0] == f"log: {line}"
    assert len(failure.evidence) == 22
    assert failure.evidence[-1].endswith("initialization failed.")


def test_an_unknown_end_keeps_its_general_remedy() -> None:
    failure = diagnose(LOOP, Evidence(log=("segfault",)), project="p", waited_s=9)
    assert "probable cause" not in failure.message
    assert failure.remedy.startswith("fix what the log says")


def test_what_a_good_start_prints_too_counts_among_the_last_lines_alone() -> None:
    line = "redis.exceptions.ConnectionError: Error 111 connecting to redis:6379. Connection refused."
    assert find_cause([line, *["ready"] * 20]) is None
    assert find_cause([line, *["ready"] * 19]) is not None
