from __future__ import annotations

import os
from pathlib import Path

import pytest

from opskit.host.read import read_disks, read_host, read_kinds, read_memory


def test_each_asked_path_is_a_file_a_directory_or_missing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    paths = {name: str(tmp_path / name) for name in ("file", "", "gone", "dangling", "file/below")}
    kinds = read_kinds(paths.values())
    assert [kinds[path] for path in paths.values()] == ["file", "directory", "missing", "missing", "missing"]


def test_free_space_of_a_path_that_is_not_there_is_unknown_not_zero(tmp_path: Path) -> None:
    there, gone = str(tmp_path), str(tmp_path / "gone")
    disks = read_disks([there, gone])
    found = disks[there]
    assert disks[gone] is None
    assert found is not None
    assert found.free_bytes > 0
    assert not found.read_only


def test_memory_is_in_bytes_and_less_is_available_than_there_is() -> None:
    memory = read_memory()
    assert 64 * 1024**2 < memory.available_bytes < memory.total_bytes


def test_a_user_id_without_a_name_is_a_user_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SUDO_USER", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)
    assert read_host().user == "uid 4000000000"
