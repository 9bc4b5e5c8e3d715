from __future__ import annotations

import pytest

from opskit.quantity import decimal, gib, percent


@pytest.mark.parametrize(
    ("count", "words"),
    [(None, "unknown"), (0, "0.0 MB"), (999_900_000, "999.9 MB"), (10**9, "1.0 GB"), (12_340_000_000, "12.3 GB")],
)
def test_decimal_is_what_docker_system_df_says(count: int | None, words: str) -> None:
    assert decimal(count) == words


def test_gib_is_rounded_down() -> None:
    assert gib(2 * 1024**3 - 1) == "1.9 GiB"


def test_a_share_that_is_unknown_is_no_zero() -> None:
    assert (percent(None), percent(0.0), percent(0.301)) == ("unknown", "0.0%", "30.1%")
