from __future__ import annotations

import pytest

from opskit.llm.huggingface import parse_refusal, read_hub


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
    monkeypatch.setenv("NO_PROXY", "*")
    hub = read_hub("Qwen/x", {"HF_ENDPOINT": address})
    assert (hub.silent, hub.refusal) == (said, "")
    assert "lily" not in repr(hub)


@pytest.mark.parametrize(
    ("status", "code", "message", "refusal"),
    [
        (401, "RepoNotFound", "Invalid username or password.", "unknown"),
        (404, "RepoNotFound", "Repository not found", "unknown"),
        (401, "", "Invalid username or password.", "unknown"),
        (401, "GatedRepo", "Access to model is restricted.", "gated"),
        (403, "GatedRepo", "Access to model is restricted.", "gated"),
        (401, "", "Invalid credentials in Authorization header", "bad token"),
        (403, "", "Access to this resource is disabled.", "disabled"),
        (403, "", "", "forbidden"),
        (404, "EntryNotFound", "Entry not found", ""),
        (307, "", "", ""),
        (200, "", "", ""),
    ],
)
def test_an_answer_is_told_apart_as_the_hub_s_own_client_does(
    status: int, code: str, message: str, refusal: str
) -> None:
    assert parse_refusal(status, code, message) == refusal
