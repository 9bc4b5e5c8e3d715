from __future__ import annotations

import os

import pytest

from opskit.errors import LockHeldError
from opskit.lock import _describe, _folder, hold_project, read_launcher


def test_nobody_launches_a_project_that_never_was() -> None:
    assert read_launcher("opskit-test-none") == ""


def test_one_s_own_lock_is_nobody_else_s() -> None:
    with hold_project("opskit-test-own"):
        assert read_launcher("opskit-test-own") == ""


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_another_process_s_launch_is_told_with_its_holder_and_not_disturbed() -> None:
    told, tell = os.pipe()
    wait, end = os.pipe()
    child = os.fork()
    if child == 0:
        with hold_project("opskit-test-other"):
            os.write(tell, b"x")
            os.read(wait, 1)
        os._exit(0)
    os.read(told, 1)
    try:
        assert f"pid {child}, user" in read_launcher("opskit-test-other")
        with pytest.raises(LockHeldError), hold_project("opskit-test-other"):
            pass
    finally:
        os.write(end, b"x")
        os.waitpid(child, 0)
    assert read_launcher("opskit-test-other") == ""


def test_a_holder_s_damaged_name_is_no_name() -> None:
    with hold_project("opskit-test-damaged"):
        for text in ("", "null", "[]", "{}"):
            (holder := _folder() / "opskit-test-damaged.holder").write_text(text)
            assert _describe(holder) == f"its holder left no name in {holder}"
