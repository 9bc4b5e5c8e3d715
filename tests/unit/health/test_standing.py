"""The word of a container that is looked at without a launch, and what brings it back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from opskit.engine.model import ContainerState
from opskit.health.readiness import Word
from opskit.health.standing import stand

NOW = 10_000.0
UP = ContainerState("c" * 64, "web", "running", created_s=NOW - 600, started_s=NOW - 600, restarts=True)
ENDED = replace(UP, status="exited", exit_code=137, ended_s=NOW - 60)


@pytest.mark.parametrize(
    ("state", "word", "text", "remedy"),
    [
        (UP, Word.READY, "running", ""),
        (replace(UP, health="healthy"), Word.READY, "healthy", ""),
        (replace(UP, health="starting"), Word.WAITING, "starting", ""),
        (replace(UP, health="unhealthy"), Word.NEVER, "unhealthy", "opskit logs dev web"),
        (ENDED, Word.NEVER, "stopped or killed from outside (exit code 137)", "opskit restart dev web"),
        (replace(ENDED, restarts=False), Word.NEVER, "exited (exit code 137)", "opskit restart dev web"),
        (replace(ENDED, oom_killed=True), Word.NEVER, "out of memory (exit code 137)", "memory limit"),
        (replace(ENDED, exit_code=0, may_end=True, restarts=False), Word.READY, "completed", ""),
        (replace(ENDED, exit_code=0), Word.NEVER, "stopped or killed from outside (exit code 0)", "opskit restart"),
        (replace(ENDED, error="no such device"), Word.NEVER, "not started: no such device", "opskit start"),
        (replace(UP, status="created", started_s=None), Word.NEVER, "never started", "opskit start dev"),
        (replace(UP, status="paused"), Word.NEVER, "paused", "docker unpause cccccccccccc"),
        (replace(UP, status="restarting", restart_count=1), Word.WAITING, "restarting (1)", ""),
        (replace(UP, status="restarting", restart_count=9, exit_code=3), Word.NEVER,
         "crash loop: restarted 9 times, last with exit code 3", "opskit logs"),
        (replace(UP, restart_count=9, started_s=NOW - 2), Word.NEVER, "crash loop: restarted 9 times", "opskit logs"),
        (replace(UP, restart_count=3, created_s=NOW - 7200, started_s=NOW - 7000), Word.READY, "running", ""),
    ],
)  # fmt: skip
def test_one_container(state: ContainerState, word: Word, text: str, remedy: str) -> None:
    (standing,) = stand([state], [], env="dev", now_s=NOW)
    assert (standing.word, standing.state) == (word, text)
    assert remedy in standing.remedy
    assert bool(standing.remedy) is (word is Word.NEVER)


def test_a_service_of_the_last_launch_that_has_no_container_is_missing() -> None:
    standing = stand([UP], ["web", "db"], env="dev", now_s=NOW)
    assert [(one.service, one.word) for one in standing] == [("web", Word.READY), ("db", Word.NEVER)]
    assert "missing" in standing[1].state
    assert "opskit start dev" in standing[1].remedy
