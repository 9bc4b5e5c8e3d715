from __future__ import annotations

import copy
import json
import pickle

import pytest

from opskit.secrets.value import Secret

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
