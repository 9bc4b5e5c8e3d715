from __future__ import annotations

import pytest

from opskit.show.formats import format_bytes, format_seconds


@pytest.mark.parametrize(
    ("count", "text"),
    [(None, "unknown"), (0, "0 MiB"), (512 * 1024**2, "512 MiB"), (1024**3 - 1, "1024 MiB"), (1024**3, "1.0 GiB"), (25_274_793_984, "23.5 GiB")],
)  # fmt: skip
def test_bytes(count: float | None, text: str) -> None:
    assert format_bytes(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "unknown"), (0, "0.0 s"), (59.94, "59.9 s"), (59.95, "1 min 0 s"), (60, "1 min 0 s"), (119.6, "2 min 0 s"), (3725, "62 min 5 s")],
)  # fmt: skip
def test_seconds(seconds: float | None, text: str) -> None:
    assert format_seconds(seconds) == text
