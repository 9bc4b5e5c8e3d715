"""The archive's disk fills up in the middle of a launch: it ends as it would have, and its record is filed afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checkout import Checkout

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]
MOMENTS = int(os.environ.get("OPSKIT_FULL", "3"))
LAUNCH_S = 6.0


@pytest.fixture(scope="module")
def up(checkout: Checkout) -> Iterator[Checkout]:
    """A development that runs, with an archive of 32 MB."""
    done = checkout.start("-p", "smoke", "no")
    assert done.returncode == 0, done.stdout + done.stderr
    archive = checkout.root / "audit"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", archive], check=True)
    yield checkout
    subprocess.run(["umount", archive], check=True)


def fill(archive: Path) -> Path:
    """Take all the room there is."""
    ballast = archive / "ballast"
    with ballast.open("wb", buffering=0) as sink, contextlib.suppress(OSError):
        while sink.write(b"x" * 4096):
            pass
    return ballast


@pytest.mark.parametrize("share", [number / MOMENTS for number in range(MOMENTS)])
def test_a_launch_outlives_a_full_archive_and_is_filed(up: Checkout, share: float) -> None:
    archive = up.root / "audit"
    before = set(archive.rglob("*-start"))
    filled: list[Path] = []
    filler = threading.Timer(share * LAUNCH_S, lambda: filled.append(fill(archive)))
    if share:
        filler.start()
    else:
        filled.append(fill(archive))
    done = up.start("-p", "smoke", "no")
    if share:
        filler.join()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "READY" in done.stdout + done.stderr
    if not share:
        assert "No space left on device" in done.stderr
    for ballast in filled:
        ballast.unlink(missing_ok=True)
    filed = up.run("status", "-p", "env", "dev", "-p", "rehearse", "yes")
    assert filed.returncode == 0, filed.stdout + filed.stderr
    (folder,) = set(archive.rglob("*-start")) - before
    record = json.loads((folder / "record.json").read_text())
    assert (record["ok"], record["ended_by"], record["act"]) == (True, None, "start")
    assert len(record["outcome"]["services"]) == 11
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines() if line.startswith("{")]
    assert events[-1]["kind"] == "ended"
    assert [event["at"] for event in events] == sorted(event["at"] for event in events)
    assert "is ready" in (folder / "start.ipynb").read_text()
    assert not list((up.root / ".opskit/spool").glob("*"))
    time.sleep(1)  # a folder is named by its second
