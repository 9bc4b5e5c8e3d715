"""The Engine's lines of a pull, as API 1.41 writes them, to bytes."""

from __future__ import annotations

from opskit.engine.pulling import Pulling
from opskit.health.outcome import PullProgress


def test_bytes_are_counted_by_layer_and_those_there_already_are_not() -> None:
    pull = Pulling("x:1")
    for step in (
        {"status": "Pulling from x", "id": "1"},
        {"status": "Already exists", "progressDetail": {}, "id": "a"},
        {"status": "Pulling fs layer", "progressDetail": {}, "id": "b"},
        {"status": "Downloading", "progressDetail": {"current": 10, "total": 100}, "id": "b"},
        {"status": "Downloading", "progressDetail": {"current": 5, "total": 50}, "id": "c"},
        {"status": "Download complete", "progressDetail": {}, "id": "c"},
        {"status": "Extracting", "progressDetail": {"current": 1, "total": 50}, "id": "c"},
    ):
        pull._take(step)
    assert pull.bytes == (60, 150)
    assert not pull.error


def test_the_same_bytes_again_are_no_step_forward() -> None:
    pull = Pulling("x:1")
    pull.moved = 0.0
    step = {"status": "Downloading", "progressDetail": {"current": 10, "total": 100}, "id": "b"}
    pull._take(step)
    assert pull.moved > 0
    pull.moved = 0.0
    pull._take(step)
    assert pull.moved == 0.0


def test_an_error_is_the_engine_s_own_text() -> None:
    pull = Pulling("x:1")
    pull._take({"errorDetail": {"message": "toomanyrequests: wait"}, "error": "toomanyrequests: wait"})
    assert pull.error == "toomanyrequests: wait"


def test_progress_tells_the_rest_only_while_there_is_some() -> None:
    half = PullProgress(0, 2, 20_000_000, 40_000_000, 2_000_000.0)
    assert str(half) == "images: 0 of 2, 20.0 MB of 40.0 MB, 2.0 MB/s, 10 s left"
    assert str(PullProgress(2, 2, 40_000_000, 40_000_000, 2_000_000.0)) == "images: 2 of 2, 40.0 MB of 40.0 MB"
    assert str(PullProgress(0, 1, 0, 0, 0.0, "x: busy")).endswith("; x: busy")
