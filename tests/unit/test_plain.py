from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opskit.plain import LONGEST, plain_line, plain_lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ready", "ready"),
        ("\x1b[2J\x1b[1;1HREADY in 1 s", "READY in 1 s"),
        ("\x1b]0;a title\x07left", "left"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("a\rb\x00c\x9bd", "abcd"),
        ("price \u202e321", "price 321"),
        ("a\tb", "a   b"),
        ("naïve … 日本", "naïve … 日本"),
    ],
)
def test_what_would_move_a_terminal_is_taken_out(text: str, shown: str) -> None:
    assert plain_line(text) == shown


def test_a_line_without_an_end_is_cut_and_says_so() -> None:
    shown = plain_line("x" * 2_000_000)
    assert shown == "x" * LONGEST + "… (2,000,000 characters)"


@given(st.lists(st.text()))
def test_no_control_character_is_left_whatever_is_written(lines: list[str]) -> None:
    for line in plain_lines(lines):
        assert line
        assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in line), ascii(line)
