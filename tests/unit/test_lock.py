from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from opskit.errors import LockHeldError
from opskit.lock import _path, hold_project, read_launcher


@pytest.fixture
def project() -> Iterator[str]:
    name = f"opskit-test-{uuid.uuid4().hex[:8]}"
    yield name
    for engine in ("", "other"):
        _path(name, engine).unlink(missing_ok=True)


@contextmanager
def held_by_another(project: str, *, uid: int = 0) -> Iterator[int]:
    """Another process holds the lock, as another user where one is given."""
    told, tell = os.pipe()
    wait, end = os.pipe()
    child = os.fork()
    if child == 0:
        if uid:
            os.setuid(uid)
        with hold_project(project):
            os.write(tell, b"x")
            os.read(wait, 1)
        os._exit(0)
    os.read(told, 1)
    try:
        yield child
    finally:
        os.write(end, b"x")
        os.waitpid(child, 0)


forks = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")


def test_nobody_launches_a_project_that_never_was() -> None:
    assert read_launcher("opskit-test-none") == ""


def test_one_s_own_lock_is_nobody_else_s(project: str) -> None:
    with hold_project(project):
        assert read_launcher(project) == ""


@forks
def test_another_process_s_launch_is_told_with_its_holder_and_not_disturbed(project: str) -> None:
    with held_by_another(project) as child:
        assert f"pid {child}, user" in read_launcher(project)
        with pytest.raises(LockHeldError, match=f"pid {child}, user"), hold_project(project):
            pass
    assert read_launcher(project) == ""
    with hold_project(project):
        pass


@forks
def test_a_project_of_the_same_name_on_another_engine_is_another_one(project: str) -> None:
    with held_by_another(project), hold_project(project, engine="other"):
        assert read_launcher(project, engine="other") == ""


@forks
def test_who_waits_gets_it_when_the_other_ends(project: str) -> None:
    begun = threading.Event()

    def hold() -> None:
        with held_by_another(project):
            begun.set()
            time.sleep(1)

    other = threading.Thread(target=hold)
    other.start()
    begun.wait()
    with pytest.raises(LockHeldError), hold_project(project, wait_s=0.3):
        pass
    with hold_project(project, wait_s=30):
        other.join(5)
        assert not other.is_alive()


@root
@forks
def test_the_file_of_another_user_is_locked_all_the_same(project: str) -> None:
    with held_by_another(project, uid=65534), pytest.raises(LockHeldError, match="user nobody"), hold_project(project):
        pass
    assert _path(project, "").stat().st_uid == 65534
    with hold_project(project):
        pass


def test_what_was_put_in_the_lock_s_place_is_neither_followed_nor_waited_for(project: str, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("untouched")
    path = _path(project, "")
    path.symlink_to(target)
    with pytest.raises(LockHeldError, match="cannot be locked"), hold_project(project):
        pass
    assert target.read_text() == "untouched"
    path.unlink()
    os.mkfifo(path)
    with hold_project(project):
        pass
