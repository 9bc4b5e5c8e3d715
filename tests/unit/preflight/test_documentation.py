from __future__ import annotations

import re
from pathlib import Path

import pytest

from opskit.preflight.finding import id_of
from opskit.preflight.registry import CHECK_IDS, CHECKS, NOT_REHEARSED

TEXT = (Path(__file__).resolve().parents[3] / "docs/preflight.md").read_text(encoding="utf-8")
ANALYSIS, LIST = TEXT.split("## Every check")


@pytest.mark.parametrize(("title", "count"), [("fourteen steps", 14), ("ten hard blockers", 10), ("eleven preconditions", 11), ("eight brittle assumptions", 8)])  # fmt: skip
def test_every_point_of_the_analysis_has_a_check(title: str, count: int) -> None:
    table = ANALYSIS.split(title)[1].split("\n\n")[1]
    rows = [row for row in table.splitlines()[2:] if row]
    assert [row.split(".")[0] for row in rows] == [f"| {number}" for number in range(1, count + 1)]
    named = {word for row in rows for word in re.findall(r"`([a-z]+-[a-z]+)`", row)}
    assert named <= set(CHECK_IDS)
    assert all("`" in row for row in rows)


def test_the_list_is_that_of_the_code_in_its_words() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", LIST, re.MULTILINE)
    assert rows == [(id_of(check), (check.__doc__ or "").splitlines()[0]) for check in CHECKS]
    left_out = LIST.partition("leaves out")[2].partition(".\n")[0]
    assert set(re.findall(r"`([a-z-]+)`", left_out)) == {id_of(check) for check in NOT_REHEARSED}
