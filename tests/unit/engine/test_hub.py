from __future__ import annotations

import pytest

from opskit.engine.hub import read_hub


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("nonsense", "nonsense: MissingSchema"),
        ("http://[::1", "http://[::1: InvalidURL"),
        (f"https://ada:tiger-lily@{'a' * 64}.net", f"https://{'a' * 64}.net: LocationParseError"),
    ],
)
def test_an_address_that_is_none_is_out_of_reach_and_its_password_nobody_s(
    address: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", address)
    monkeypatch.setenv("NO_PROXY", "*")
    assert read_hub() == said
