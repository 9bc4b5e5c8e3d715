"""The user's own line, `papermill notebooks/start.ipynb -p env production`, wherever it is typed or put."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINE = "papermill notebooks/start.ipynb -p env production"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """What cron gives and no more; the record's folder, and an Engine that is not there."""
    return {
        "HOME": str(tmp_path),
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "SHELL": "/bin/sh",
        "OPSKIT_RUN_FOLDER": str(tmp_path / "run"),
        "DOCKER_HOST": f"unix://{tmp_path}/no.sock",
    }


def check(said: str, status: int, run: Path) -> None:
    """Preflight forbids it: the exit status and the words say so, and the record is there, whole."""
    assert status == 3, said
    assert "[engine-reachable]" in said
    assert f"The record is {run}" in said
    assert "Traceback" not in said
    record = json.loads((run / "record.json").read_text())
    assert (record["act"], record["environment"], record["ok"]) == ("start", "production", False)
    told = json.loads((run / "start.ipynb").read_text())["metadata"]["papermill"]
    assert told["output_path"] == str(run / "start.ipynb")


@pytest.mark.parametrize(
    "ends", ["", "</dev/null", "<&-", "<&- >&-", "| cat"], ids=["pipe", "null", "closed", "both closed", "piped on"]
)
def test_from_a_shell_without_a_terminal(tmp_path: Path, environ: dict[str, str], ends: str) -> None:
    (tmp_path / "run").mkdir()
    command = ["bash", "-c", f"set -o pipefail; {LINE} {ends}"]
    done = subprocess.run(command, cwd=ROOT, env=environ, input="", capture_output=True, text=True, check=False)
    check(done.stdout + done.stderr, done.returncode, tmp_path / "run")


def test_on_a_terminal(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "run").mkdir()
    ours, theirs = pty.openpty()
    with subprocess.Popen(LINE.split(), cwd=ROOT, env=environ, stdin=theirs, stdout=theirs, stderr=theirs) as run:
        os.close(theirs)
        said = b""
        while True:
            try:
                said += os.read(ours, 65536)
            except OSError:  # the terminal's other end was closed
                break
    os.close(ours)
    check(said.decode().replace("\r\n", "\n"), run.returncode, tmp_path / "run")


def test_with_an_output_path_it_is_written_there_too(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "run").mkdir()
    out = tmp_path / "out.ipynb"
    command = [*LINE.split()[:2], str(out), *LINE.split()[2:]]
    done = subprocess.run(command, cwd=ROOT, env=environ, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert done.returncode == 3
    assert json.loads(out.read_text())["metadata"]["papermill"]["output_path"] == str(out)
    assert (tmp_path / "run/record.json").exists()
