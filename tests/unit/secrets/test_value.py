from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opskit.secrets.policy import hidden_of
from opskit.secrets.value import Secret, make_redact
from tests.written import WRITTEN

SECRET = Secret("REDIS_PASSWORD", "hunter2-hunter2")


def test_no_way_of_writing_it_shows_the_value() -> None:
    written = [repr(SECRET), str(SECRET), f"{SECRET}", f"{SECRET!s:>40}", f"{SECRET:>40}", str([SECRET]), str({"a": SECRET})]  # fmt: skip
    assert not [text for text in written if "hunter2" in text]
    assert all("REDIS_PASSWORD" in text for text in written)


def test_only_reveal_yields_it() -> None:
    assert SECRET.reveal() == "hunter2-hunter2"


def test_json_join_and_pickle_refuse_it() -> None:
    with pytest.raises(TypeError):
        json.dumps({"password": SECRET})
    with pytest.raises(TypeError):
        ", ".join(["a", SECRET])  # type: ignore[list-item]  # noqa: FLY002  the join is what is tested
    for refuse in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="REDIS_PASSWORD"):
            refuse(SECRET)


def test_secrets_compare_by_name_and_value() -> None:
    assert Secret("REDIS_PASSWORD", "hunter2-hunter2") == SECRET
    assert Secret("REDIS_PASSWORD", "other") != SECRET
    assert SECRET != "hunter2-hunter2"


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
@given(st.text(st.characters(min_codepoint=33, max_codepoint=382), min_size=12, max_size=60))
def test_no_form_of_a_value_is_left(written: Callable[[str], str], value: str) -> None:
    text = f"before {written(value)} after"
    left = make_redact({"NAME": value})(text)
    assert "[NAME]" in left
    assert left.startswith("before ")
    assert left.endswith(" after")
    assert len(left) < len("before [NAME] after") + 20


def test_names_and_urls_tell_what_must_not_be_shown() -> None:
    shown = {
        "N8N_LOG_LEVEL": "debugging-all",
        "SECRET_FILE": "/run/secrets/x",
        "KEY_ALIAS": "Multimodal",
        "API_KEY": "none",
    }
    hidden = {
        name: f"value-{name}-1" for name in ("N8N_SMTP_PASS", "OPENAI_API_KEYS", "SLACK_WEBHOOK_URL", "SENTRY_DSN")
    }
    assert hidden_of(shown | hidden, words=False) == hidden
    assert list(hidden_of({"SMTP_URL": "smtps://u:p%40ss-word@mail:465"}).values()) == ["p%40ss-word", "p@ss-word"]
