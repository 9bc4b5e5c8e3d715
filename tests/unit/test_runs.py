"""The archive's runs are listed, shown and told apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from opskit.errors import UsageError
from opskit.runbook.runs import Runs

MODEL = {"vllm": {"image": "vllm:1", "command": ["--model", "a"], "environment": {"LOG": "INFO"}}}


def run(root: Path, second: int, *, ok: bool = True, model: Any = MODEL, act: str = "start", **more: Any) -> str:
    folder = root / f"2026/11/20261127T0000{second:02}Z-staging-{act}"
    folder.mkdir(parents=True)
    record = {
        "act": act,
        "environment": "staging",
        "ok": ok,
        "who": "ada",
        "when": f"2026-11-27T00:00:{second:02}Z",
        "seconds": {"total": 12.3},
        "files": {"revision": "abc"},
        "containers": [{"Id": "1", "Image": "vllm:1", "ImageID": "sha256:1"}],
        **more,
    }
    (folder / "record.json").write_text(json.dumps(record))
    facts = {"placement": {"mode": "dual"}, "resolved": {"services": model}}
    (folder / "facts-staging.json").write_text(json.dumps(facts))
    return folder.name


def test_runs_are_listed_the_newest_first_by_environment_act_and_end(tmp_path: Path) -> None:
    outcome = {"failures": [{"service": "vllm", "message": "vllm: out of memory"}]}
    names = [run(tmp_path, 1), run(tmp_path, 2, ok=False, outcome=outcome), run(tmp_path, 3, act="stop")]
    table, rows = Runs(tmp_path).listed(20)
    assert [row["run"] for row in rows] == names[::-1]
    assert "vllm: out of memory" in str(table)
    assert [row["run"] for row in Runs(tmp_path).listed(1)[1]] == names[2:]
    assert [row["run"] for row in Runs(tmp_path).listed(9, act="start", failed=True)[1]] == names[1:2]
    assert not Runs(tmp_path).listed(9, env="production")[1]


def test_what_changed_since_it_last_worked_is_told_and_nothing_else(tmp_path: Path) -> None:
    run(tmp_path, 1)
    good = run(tmp_path, 2)
    run(tmp_path, 3, ok=False)
    run(tmp_path, 4, act="stop")
    changed = {"vllm": {"image": "vllm:1", "command": ["--model", "b"], "environment": {"LOG": "INFO"}}, "n8n": {}}
    moved = [{"Id": "2", "Image": "vllm:1", "ImageID": "sha256:2"}]
    finding = {"check": "gpu-process", "verdict": "WARN", "subject": "GPU 0", "found": "held by 42"}
    new = run(tmp_path, 5, ok=False, model=changed, containers=moved, files={"revision": "def"}, findings=[finding])
    table = Runs(tmp_path).compared()
    assert table.columns == ("what", good, new)
    assert set(table.rows) == {
        ("files.revision", "abc", "def"),
        ("image vllm:1", "sha256:1", "sha256:2"),
        ("compose.vllm.command.1", "a", "b"),
        ("finding gpu-process GPU 0", "", "WARN: held by 42"),
    }
    assert not Runs(tmp_path).compared(good).rows, "of two that are alike nothing is told"


def test_two_that_are_named_are_compared_in_that_order(tmp_path: Path) -> None:
    first, second = run(tmp_path, 1, who="ada"), run(tmp_path, 2, who="bob")
    assert list(Runs(tmp_path).compared(second, first).rows) == [("who", "ada", "bob")]
    assert list(Runs(tmp_path).compared(first, second).rows) == [("who", "bob", "ada")]


def test_one_run_is_shown_with_its_files(tmp_path: Path) -> None:
    shown = str(Runs(tmp_path).shown(run(tmp_path, 1)))
    assert all(word in shown for word in ("abc", "sha256:1", "facts-staging.json", "ada"))


def test_a_run_that_is_not_one_is_an_answer(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="found none"):
        Runs(tmp_path).shown("x")
    with pytest.raises(UsageError, match="found no start"):
        Runs(tmp_path).compared()
    run(tmp_path, 1)
    run(tmp_path, 2, ok=False)
    with pytest.raises(UsageError, match="wanted the name of one"):
        Runs(tmp_path).shown("2026")
    with pytest.raises(UsageError, match="no good run of its kind"):
        Runs(tmp_path).compared("20261127T000001Z")
