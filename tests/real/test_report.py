"""What docs/real.md says is there, and the tests it names too."""

from __future__ import annotations

import re

import pytest

from tests.checkout import ROOT
from tests.real.findings import FINDINGS
from tests.real.report import Real, Results, table


@pytest.mark.parametrize("test", sorted({test for tests in FINDINGS.values() for test in tests}))
def test_each_finding_names_a_test_that_there_is(test: str) -> None:
    file, _, name = test.partition("::")
    assert re.search(rf"^def {name}\(", (ROOT / file).read_text(), re.MULTILINE)


def test_a_row_counts_outcomes_and_adds_all_time_up() -> None:
    results = Results()
    real = Real("Redis", "Debian redis", "its command", "answers", lambda: "7")
    for word, seconds in (("", 1.0), ("passed", 2.0), ("failed", 0.5)):
        results.add("m", (real,), word, seconds)
    assert "| Redis | 7 | Debian redis | its command | answers | 1 passed, 1 failed | 4 s |" in results.text(
        {}, "make real"
    )


def test_a_cell_breaks_no_table() -> None:
    assert table(("a",), [("x|y",)]).splitlines()[-1] == "| x/y |"
