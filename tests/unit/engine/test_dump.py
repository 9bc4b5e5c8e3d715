from __future__ import annotations

import pytest
import requests
from docker.errors import APIError

from opskit.engine import dump

BUSY = "Cannot pause container 975f: OCI runtime pause failed: unable to freeze: unknown"


def refusal(text: str, status: int = 500) -> APIError:
    response = requests.Response()
    response.status_code = status
    return APIError("the Engine answered", response=response, explanation=text)


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ([None], True),
        ([refusal(BUSY), refusal(BUSY), None], True),
        ([refusal("Container 975f is not running", 409)], False),
        ([refusal("No such container: 975f", 404)], False),
    ],
)
def test_a_container_that_cannot_be_frozen_at_once_is_asked_again(
    answers: list[APIError | None], told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dump, "_FREEZE_AGAIN_S", 0.0)
    left = list(answers)

    def pause(_: str) -> None:
        if answer := left.pop(0):
            raise answer

    assert dump._told(pause, "975f") is told
    assert left == []


@pytest.mark.parametrize("text", [BUSY, "the disk is on fire"])
def test_one_that_never_can_or_fails_otherwise_is_an_error(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dump, "_FREEZE_AGAIN_S", 0.0)
    asked = []

    def pause(container: str) -> None:
        asked.append(container)
        raise refusal(text)

    with pytest.raises(APIError, match=text[:20]):
        dump._told(pause, "975f")
    assert len(asked) == (1 + dump._FREEZES if text == BUSY else 1)
