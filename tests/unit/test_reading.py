from __future__ import annotations

import threading
import time

import pytest

from opskit.errors import EngineUnavailableError, NotReadError
from opskit.reading import Reading


def refuse(error: Exception) -> None:
    raise error


def test_what_was_read_is_the_result_however_often_it_is_asked_for() -> None:
    reading = Reading("memory", lambda: 5, timeout_s=5)
    assert [reading.result(), reading.result()] == [5, 5]
    assert 0 <= reading.seconds < 5


def test_two_are_read_at_the_same_time() -> None:
    meeting = threading.Barrier(2)
    both = [Reading("x", lambda: meeting.wait(timeout=5), timeout_s=5) for _ in range(2)]
    assert {reading.result() for reading in both} == {0, 1}


def test_one_that_hangs_is_given_up_when_its_time_is_over_not_before_and_not_again() -> None:
    end = threading.Event()
    began = time.monotonic()
    reading = Reading("disk use", end.wait, timeout_s=0.2)
    with pytest.raises(NotReadError, match=r"disk use: no answer within 0\.2 s"):
        reading.result()
    with pytest.raises(NotReadError):
        reading.result()
    assert 0.2 <= time.monotonic() - began < 5
    end.set()


def test_a_refusal_is_a_reason_with_its_place_and_one_of_ours_is_a_sentence_already() -> None:
    with pytest.raises(NotReadError, match=r"^memory: no$"):
        Reading("memory", lambda: refuse(OSError("no")), timeout_s=5).result()
    ours = Reading(
        "x",
        lambda: refuse(EngineUnavailableError("Docker Engine: gone.")),
        timeout_s=5,
        refused=(EngineUnavailableError,),
    )
    with pytest.raises(NotReadError, match=r"^Docker Engine: gone\.$"):
        ours.result()


def test_any_other_error_is_raised_as_it_is() -> None:
    with pytest.raises(KeyError):
        Reading("x", lambda: refuse(KeyError("x")), timeout_s=5).result()
