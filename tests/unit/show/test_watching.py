"""What is shown beside a run, without a kernel: a choice begins it, another one ends it, a fault is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from opskit.show import watching
from opskit.show.watching import ALL, OFF, Watching, draw_lines


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(watching, "_EVERY_S", 0.01)
    before = threading.active_count()
    yield
    until = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.01)
    assert threading.active_count() <= before, "nothing reads on once it is off"


def wait_for(shown: Watching, text: str) -> None:
    until = time.monotonic() + 5
    while text not in shown.view.value and time.monotonic() < until:
        time.sleep(0.01)
    assert text in shown.view.value


def test_it_reads_on_until_it_is_off_and_follows_the_service() -> None:
    asked: list[str] = []

    def read(service: str) -> str:
        asked.append(service)
        return f"look {len(asked)} at {service or 'all'}"

    shown = Watching({"status": read}, ["redis", "vllm"])
    assert shown.service.options == (ALL, "redis", "vllm")
    assert asked == []
    shown.choice.value = "status"
    wait_for(shown, "look 3 at all")
    shown.service.value = "vllm"
    wait_for(shown, "at vllm")
    shown.choice.value = OFF
    assert shown.view.value == ""


def test_an_engine_that_is_away_is_told_and_asked_again() -> None:
    answers = iter((OSError("<gone>"), "back"))

    def read(_: str) -> str:
        answer = next(answers, "back")
        if isinstance(answer, OSError):
            raise answer
        return answer

    shown = Watching({"logs": read}, [])
    shown.choice.value = "logs"
    wait_for(shown, "back")
    shown.choice.value = OFF


def test_lines_are_text_and_none_is_said() -> None:
    assert "&lt;script&gt;\nsecond" in draw_lines(["<script>", "second"])
    assert "no line yet" in draw_lines([])


def test_another_environment_has_other_services() -> None:
    shown = Watching({"logs": lambda _: ""}, ["redis"])
    shown.service.value = "redis"
    shown.set_services(["kibana"])
    assert (shown.service.options, shown.chosen) == ((ALL, "kibana"), "")
