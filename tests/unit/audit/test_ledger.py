"""An archive that was altered in any place is told from one that was not, and the place is named."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from opskit.audit import ledger
from opskit.audit.ledger import NAME, add_line, verify

ALTERATIONS = int(os.environ.get("OPSKIT_ALTERATIONS", "100"))


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Six runs, and the newest hash of their ledger."""
    root, head = tmp_path_factory.mktemp("audit"), ""
    for number in range(6):
        folder = root / "2026" / "11" / f"2026112{number}T000000Z-development-start"
        folder.mkdir(parents=True)
        add_line(root, folder, "begin")
        for name in ("record.json", "events.jsonl", "start.ipynb"):
            (folder / name).write_text(f"{name} of run {number}\n" * 3)
        head = add_line(root, folder, "end")
    return root, head


def test_an_archive_that_was_not_altered_has_no_fault(archive: tuple[Path, str]) -> None:
    assert list(verify(archive[0], head=archive[1])) == []


def alter(root: Path, chance: random.Random) -> str:
    """Alter one place; returns what the first fault has to name."""
    runs = sorted(path for path in root.glob("*/*/*") if path.is_dir())
    run = chance.choice(runs)
    file = chance.choice(sorted(run.iterdir()))
    ledger = root / NAME
    lines = ledger.read_bytes().splitlines(keepends=True)
    number = chance.randrange(len(lines))
    kind = chance.choice(["byte", "remove", "add", "rename", "run", "swap", "line", "drop", "copy"])
    if kind == "byte":
        data = bytearray(file.read_bytes())
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        file.write_bytes(data)
    elif kind == "remove":
        file.unlink()
    elif kind == "add":
        file = run / "more.txt"
        file.write_text("more")
    elif kind == "rename":
        file = file.rename(run / f"a-{file.name}")
    elif kind == "run":
        shutil.rmtree(run)
        return str(run)
    elif kind == "copy":
        shutil.copytree(run, other := run.with_name("20261130T000000Z-development-start"))
        return str(other)
    else:
        if kind == "swap":
            number = max(number, 1)
            lines[number - 1], lines[number] = lines[number], lines[number - 1]
        elif kind == "line":
            lines[number] = lines[number].replace(b'"at": 1', b'"at": 2')
        else:
            lines.pop(number)
        ledger.write_bytes(b"".join(lines))
        return str(ledger)
    return str(file)


@pytest.mark.parametrize("seed", range(ALTERATIONS))
def test_an_alteration_is_located(archive: tuple[Path, str], tmp_path: Path, seed: int) -> None:
    root = tmp_path / "audit"
    shutil.copytree(archive[0], root)
    place = alter(root, random.Random(seed))  # noqa: S311  a test
    faults = list(verify(root, head=archive[1]))
    assert faults
    assert faults[0].startswith(place), (place, faults)


@pytest.mark.parametrize("lines", [[], ["one"], ["one", "two"], ["x" * 300, "y" * 5], ["a", "z" * 300]])
def test_the_last_line_is_found_from_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str]) -> None:
    monkeypatch.setattr(ledger, "_BLOCK", 7)
    path = tmp_path / "ledger.jsonl"
    assert ledger._last_line(path) == b""
    path.write_text("".join(f"{line}\n" for line in lines))
    assert ledger._last_line(path).decode() == (lines[-1] if lines else "")
