from __future__ import annotations

import pytest

from opskit.rehearsal.level import read_level


@pytest.mark.parametrize(
    ("word", "level"),
    [
        ("no", "no"),
        (False, "no"),
        ("0", "no"),
        ("yes", "yes"),
        (True, "yes"),
        ("TRUE", "yes"),
        (1, "yes"),
        ("full", "full"),
        ("fully", None),
        ("", None),
        (2, None),
    ],
)
def test_old_switches_and_new_words_stand_for_a_level(word: object, level: str | None) -> None:
    assert read_level(word) == level
