from __future__ import annotations

from opskit.compose.model import parse_stack
from opskit.compose.plan import Present, plan_launch

STACK = parse_stack({"name": "p", "services": {"a": {"image": "x:1"}, "b": {"image": "y:1", "scale": 2}}})


def acts(present: list[Present], hashes: dict[str, str]) -> dict[str, str]:
    return {step.service: step.act for step in plan_launch(STACK, present, hashes)}


def test_nothing_there_is_created() -> None:
    assert acts([], {}) == {"a": "create", "b": "create"}


def test_the_same_hash_is_kept_and_another_recreated() -> None:
    there = [Present("a", "running", "1", "x:1"), *(Present("b", "running", "2", "y:1") for _ in range(2))]
    assert acts(there, {"a": "1", "b": "2"}) == {"a": "keep", "b": "keep"}
    assert acts(there, {"a": "1", "b": "3"}) == {"a": "keep", "b": "recreate"}


def test_a_missing_replica_is_created_and_a_stopped_one_started() -> None:
    assert acts([Present("a", "exited", "1", "x:1"), Present("b", "running", "2", "y:1")], {"a": "1", "b": "2"}) == {
        "a": "start",
        "b": "create",
    }


def test_what_the_files_do_not_name_is_an_orphan_and_left_alone() -> None:
    assert acts([Present("old", "running", "9", "z:1")], {}) == {"a": "create", "b": "create", "old": "orphan"}
