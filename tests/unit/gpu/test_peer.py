"""The measuring script runs here with a torch of numbers; what a real one says of real GPUs, nobody has seen here."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from opskit.gpu.peer import COPY, PeerCopy, parse_copies


class Tensor:
    def __init__(self, value: int, *, lossy: bool = False) -> None:
        self.value, self.lossy = value, lossy

    def copy_(self, other: Tensor, **_: object) -> None:
        self.value = 0 if self.lossy else other.value

    def cpu(self) -> int:
        return self.value


def torch(count: int, *, lossy: bool = False) -> Any:
    cuda = SimpleNamespace(
        device_count=lambda: count, synchronize=lambda _: None, can_device_access_peer=lambda a, b: (a, b) == (0, 1)
    )
    return SimpleNamespace(
        cuda=cuda,
        uint8=None,
        randint=lambda *_, **__: Tensor(7),
        zeros=lambda *_, **__: Tensor(0, lossy=lossy),
        equal=lambda a, b: a == b,
    )


def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stand_in: Any) -> str:
    monkeypatch.setitem(sys.modules, "torch", stand_in)
    exec(COPY[2], {})  # noqa: S102  it is ours, and this is its test
    return capsys.readouterr().out


def test_each_direction_is_measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    copies = parse_copies(said(monkeypatch, capsys, torch(2)))
    assert copies is not None
    assert [(copy.a, copy.b, copy.peer, copy.same) for copy in copies] == [(0, 1, True, True), (1, 0, False, True)]
    assert all(copy.gb_s > 0 for copy in copies)


def test_data_that_arrives_changed_is_seen(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    copies = parse_copies(said(monkeypatch, capsys, torch(2, lossy=True)))
    assert copies is not None
    assert {copy.same for copy in copies} == {False}


def test_with_one_gpu_there_is_nothing_to_copy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert parse_copies(said(monkeypatch, capsys, torch(1))) == ()


def test_the_last_line_is_read_and_what_is_none_is_none() -> None:
    line = json.dumps([{"a": 0, "b": 1, "peer": True, "gb_s": 50.5, "same": True}])
    assert parse_copies(f"a warning of torch\n{line}") == (PeerCopy(0, 1, peer=True, gb_s=50.5, same=True),)
    for text in ("", "no JSON", "7", "[7]", '[{"a": 0}]'):
        assert parse_copies(text) is None
