"""Which run is in progress, by the records and the machine's processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from opskit.audit import attach
from opskit.audit.attach import find_running
from opskit.audit.origin import read_boot_id
from opskit.audit.store import STILL_RUNNING


def begin(root: Path, stamp: str, act: str = "start", **other: Any) -> Path:
    folder = root / f"2026/11/{stamp}-development-{act}"
    folder.mkdir(parents=True)
    record = {
        "act": act,
        "environment": "development",
        "rehearsal": True,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "boot_id": read_boot_id(),
        "started": time.time(),
        "ended_by": STILL_RUNNING,
    }
    (folder / "record.json").write_text(json.dumps({**record, **other}))
    return folder


def test_the_newest_that_runs_is_found_and_can_be_read_and_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(tmp_path, "20261127T100000Z")
    folder = begin(tmp_path, "20261127T100001Z", "stop")
    begin(tmp_path, "20261127T100002Z", ended_by=None)
    found = find_running(tmp_path, "development")
    assert found is not None
    assert (found.folder, found.act, found.rehearsal, found.poll()) == (folder, "stop", True, None)
    assert time.time() - found.began < 60
    assert found.tail(2) == ()
    (folder / "log").write_text("1\n2\n3\n")
    assert found.tail(2) == ("2", "3")
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append((pid, number)))
    found.interrupt()
    assert sent == [(os.getpid(), signal.SIGINT)]


@pytest.mark.parametrize(
    "other",
    [
        {"ended_by": None},
        {"environment": "staging"},
        {"act": "status"},
        {"host": "elsewhere"},
        {"pid": 2**22 + 1},
        {"started": 100.0},
        {"boot_id": "another"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_what_does_not_run_here_is_not_found(tmp_path: Path, other: dict[str, Any]) -> None:
    begin(tmp_path, "20261127T100000Z", **other)
    assert find_running(tmp_path, "development") is None


def test_one_that_ended_meanwhile_is_over_and_gets_no_signal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(tmp_path, "20261127T100000Z")
    found = find_running(tmp_path, "development")
    assert found is not None
    monkeypatch.setattr(attach, "is_dead", lambda _: True)
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("its number may be another's by now"))
    assert found.poll() == 0
    found.interrupt()
