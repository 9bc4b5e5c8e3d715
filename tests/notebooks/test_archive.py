"""The archive of real runs: each is accounted for, also one that was killed, and an alteration is named."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.notebooks.test_recording import environ

__all__ = ["environ"]
KILLS = int(os.environ.get("OPSKIT_KILLS", "4"))
RUN = (sys.executable, "-m", "opskit", "run", "start", "-p", "env", "dev")


def opskit(env: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "opskit", *words]
    return subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def records(root: Path) -> dict[Path, dict[str, object]]:
    return {path: json.loads(path.read_text()) for path in sorted(root.glob("audit/*/*/*/record.json"))}


def test_killed_runs_are_closed_by_the_next_and_the_ledger_holds(tmp_path: Path, environ: dict[str, str]) -> None:
    chance = random.Random(7)  # noqa: S311  when, not what
    for _ in range(KILLS):
        known = len(records(tmp_path))
        with subprocess.Popen(
            RUN, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        ) as run:
            while run.poll() is None and len(records(tmp_path)) == known:
                time.sleep(0.005)
            time.sleep(chance.random())
            os.killpg(run.pid, signal.SIGKILL)
        time.sleep(1)  # a folder is named by its second
    refused = opskit(environ, "run", "start", "-p", "env", "dev")
    assert refused.returncode == 3, "no Engine is in its reach"
    ends = [record["ended_by"] for record in records(tmp_path).values()]
    assert len(ends) == KILLS + 1
    killed = [end for end in ends[:-1] if str(end).startswith("killed")]
    assert killed, "some were killed before they ended"
    assert ends[:-1].count(None) == KILLS - len(killed), f"the others had ended by themselves: {ends}"
    assert not str(ends[-1]).startswith(("killed", "still"))
    held = opskit(environ, "audit", "verify")
    assert (held.returncode, held.stdout.strip()) == (0, f"{tmp_path / 'audit'} is as its ledger says")


def test_a_record_says_of_what_and_by_whom(tmp_path: Path, environ: dict[str, str]) -> None:
    opskit({**environ, "SUDO_USER": "ceo"}, *RUN[3:])
    ((path, record),) = records(tmp_path).items()
    assert record["who"] != "ceo"
    assert (record["claimed"], record["uid"], record["environment"]) == ("ceo", os.getuid(), "development")
    assert record["rehearsal"] is False
    assert record["parameters"] == {"env": "dev"}
    effective = record["effective"]
    assert isinstance(effective, dict)
    assert (effective["env"], effective["deadline_s"]) == ("dev", 900)
    files = record["files"]
    assert isinstance(files, dict)
    assert all(len(files[name]) == 64 for name in ("notebook", "compose", "configs"))
    path.write_text(path.read_text().replace('"ceo"', '"root"'))
    told = opskit(environ, "audit", "verify")
    assert (told.returncode, told.stdout.strip()) == (1, f"{path}: was changed")


@pytest.mark.parametrize("rehearse", ["yes", "full"])
def test_a_refused_rehearsal_is_recorded_as_one(tmp_path: Path, environ: dict[str, str], rehearse: str) -> None:
    opskit({**environ, "PATH": "/nowhere"}, "run", "status", "-p", "env", "dev", "-p", "rehearse", rehearse)
    assert [record["rehearsal"] for record in records(tmp_path).values()] == [True]
