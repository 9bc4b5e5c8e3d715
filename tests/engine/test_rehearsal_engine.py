"""The private engine: started when none answers, found again, stopped alone."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from docker.types import DeviceRequest

from opskit import process
from opskit.engine.client import answers, connect
from opskit.rehearsal.engine import RehearsalEngine, stop_engine

if TYPE_CHECKING:
    from docker.models.containers import Container

pytestmark = pytest.mark.engine

# In a network namespace of its own, so that a second daemon takes no bridge and no firewall rule of the first.
START = """
import sys
from pathlib import Path
from opskit.rehearsal.engine import ensure_engine
found = ensure_engine(Path(sys.argv[1]), say=lambda text: print(text, file=sys.stderr))
print(found.host, found.private)
"""
NO_ENGINE = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}


@pytest.fixture
def other_state(tmp_path: Path) -> Iterator[Path]:
    """A state folder whose path is too long for a socket; no engine is left in it."""
    if os.geteuid() != 0:
        pytest.skip("only root may start a private engine")
    state = tmp_path / ("a-long-name-" * 9) / ".opskit"
    yield state
    stop_engine(state, grace_s=10)


def start_one(state: Path) -> process.Completed:
    """What a caller leaves who asks for an engine; the test's own answers under no address it knows."""
    words = ("unshare", "--net", "--", sys.executable, "-c", START, str(state))
    return process.run(words, timeout_s=90, env=NO_ENGINE)


def start_two(state: Path) -> list[tuple[str, str]]:
    """What two callers at once print: the host and whether it is private, then what they said."""
    words = ("unshare", "--net", "--", sys.executable, "-c", START, str(state))
    runs = [process.start(words, env=NO_ENGINE) for _ in range(2)]
    lines = [list(run.lines()) for run in runs]
    assert [run.poll() for run in runs] == [0, 0], lines
    by_stream = [{stream: [line for s, line in one if s == stream] for stream in ("stdout", "stderr")} for one in lines]
    return [(one["stdout"][-1], "\n".join(one["stderr"])) for one in by_stream]


def test_two_callers_at_once_get_one_engine_and_stopping_it_stops_no_other(
    other_state: Path, rehearsal_engine: RehearsalEngine
) -> None:
    (first, said_first), (second, said_second) = start_two(other_state)
    assert first == second
    host, private = first.split()
    assert private == "True"
    assert host.startswith("unix:///run/opskit-")  # near the state folder its path would be too long
    assert (said_first + said_second).count("starting a private Docker Engine") == 1
    assert host.removeprefix("unix://").removesuffix("/docker.sock") in said_first + said_second
    assert answers(host)
    assert stop_engine(other_state, grace_s=10)
    assert not Path(host.removeprefix("unix://")).parent.exists()
    assert answers(rehearsal_engine.host)
    assert not stop_engine(other_state, grace_s=10)


def test_a_daemon_that_was_killed_is_started_anew_and_its_folder_can_be_deleted(other_state: Path) -> None:
    assert start_one(other_state).rc == 0
    os.kill(int((other_state / "engine" / "docker.pid").read_text()), signal.SIGKILL)
    again = start_one(other_state)
    assert again.rc == 0, again.stderr
    assert answers(again.stdout.split()[0])
    assert stop_engine(other_state, grace_s=10)
    shutil.rmtree(other_state)


def test_nothing_is_stopped_where_nothing_was_started(tmp_path: Path) -> None:
    assert not stop_engine(tmp_path / "none", grace_s=1)


def test_a_daemon_that_dies_is_explained_by_its_log(other_state: Path) -> None:
    (other_state / "engine").mkdir(parents=True)
    (other_state / "engine" / "data").write_text("a file where the daemon wants a folder")
    done = start_one(other_state)
    assert done.rc != 0
    assert "EngineUnavailableError" in done.stderr
    assert str(other_state / "engine" / "data") in done.stderr.partition("Its log")[2]
    assert "Remedy" in done.stderr


def test_a_private_engine_takes_gpu_reservations(
    rehearsal_engine: RehearsalEngine, start: Callable[..., Container], busybox: str
) -> None:
    if not rehearsal_engine.private:
        pytest.skip("the operator's own engine: the overlay drops the reservations there")
    request = DeviceRequest(driver="nvidia", device_ids=["0", "1"], capabilities=[["gpu"]])
    box = start(busybox, ["echo", "ran"], device_requests=[request])
    assert box.wait(timeout=20)["StatusCode"] == 0
    client = connect(rehearsal_engine.host)
    assert client.api.inspect_container(str(box.id))["HostConfig"]["DeviceRequests"][0]["Driver"] == "nvidia"
    client.close()
