from __future__ import annotations

import pytest

from opskit.errors import UsageError
from opskit.runbook.logs import _split, read_time


@pytest.mark.parametrize(
    ("word", "seconds"),
    [
        ("", None),
        ("90s", 99_910),
        ("10m", 99_400),
        ("1.5h", 94_600),
        ("1d", 13_600),
        ("1970-01-02", 86_400),
        ("1970-01-01T01:00", 3_600),
        ("1970-01-01T01:00+01:00", 0),
    ],
)
def test_a_length_of_time_and_a_time_are_read(word: str, seconds: int | None) -> None:
    assert read_time(word, now_s=100_000) == seconds


@pytest.mark.parametrize("word", ["10", "ten minutes", "-5m", "10M", "2026-13-01", "nan"])
def test_what_is_neither_is_refused(word: str) -> None:
    with pytest.raises(UsageError, match="wanted such as 10m"):
        read_time(word, now_s=100_000)


def test_a_line_that_comes_in_pieces_is_one_and_the_last_needs_no_end() -> None:
    assert list(_split([b"a", b"b\nc\n", b"\xc3", b"\xa9"])) == ["ab", "c", "é"]
