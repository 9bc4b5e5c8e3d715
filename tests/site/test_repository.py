"""The real restic, and the password that opskit makes for it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from opskit.errors import ConfigError, UsageError
from opskit.snapshot import repository as under_test
from opskit.snapshot.repository import Repository
from opskit.snapshot.stream import Head, Part, SetReader, write_set


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(under_test, "STATE", tmp_path)
    for name in [name for name in os.environ if name.startswith("RESTIC_")]:
        monkeypatch.delenv(name)
    return tmp_path


def test_before_the_first_set_there_is_none_and_nothing_is_made(state: Path) -> None:
    assert Repository().sets() == []
    with pytest.raises(UsageError, match="there are: none"):
        Repository().find("latest", "p")
    assert list(state.iterdir()) == []


def test_a_password_is_made_once_and_one_that_was_lost_is_not_made_again(state: Path) -> None:
    repository = Repository()
    repository.ensure()
    kept = repository.save([b"a", b"b"], environment="e", project="p")
    password = state / "snapshots.password"
    assert password.stat().st_mode & 0o777 == 0o600
    repository.ensure()
    with Repository().open(kept) as stream:
        assert stream.read() == b"ab"
    assert [(one.id, one.environment, one.project) for one in repository.sets("p")] == [(kept, "e", "p")]
    assert repository.sets("other") == []
    before = password.read_bytes()
    password.unlink()
    for ask in (repository.ensure, repository.sets):
        with pytest.raises(ConfigError, match="put its copy back"):
            ask()
    assert not password.exists()
    password.write_bytes(before)
    assert len(repository.sets()) == 1


def test_a_stream_that_fails_leaves_no_set_and_no_lock(state: Path) -> None:
    repository = Repository()
    repository.ensure()

    def chunks() -> Iterator[bytes]:
        yield b"a" * 2**20
        raise OSError("the container is gone")

    with pytest.raises(OSError, match="the container is gone"):
        repository.save(chunks(), environment="e", project="p")
    assert repository.sets() == []
    assert list((state / "snapshots/locks").iterdir()) == []


def test_the_oldest_sets_go_and_as_many_as_are_wanted_stay(state: Path) -> None:
    repository = Repository()
    repository.ensure()
    made = [repository.save([str(number).encode()], environment="e", project="p") for number in range(3)]
    other = repository.save([b"x"], environment="e", project="other")
    repository.forget("p", last=2, days=0)
    assert {one.id for one in repository.sets()} == {*made[1:], other}
    assert state.exists()


@pytest.fixture
def small(state: Path) -> Iterator[Path]:
    """A disk of 200 MB for the repository."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    place = state / "snapshots"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_disk_that_fills_up_leaves_no_set_and_no_lock_and_a_smaller_one_is_kept(small: Path) -> None:
    repository = Repository()
    repository.ensure()
    with pytest.raises(ConfigError, match=r"MiB free at .*no set was made"):
        repository.save((os.urandom(2**20) for _ in range(400)), environment="e", project="p")
    assert repository.sets() == []
    assert list((small / "locks").iterdir()) == []
    for pack in small.glob("data/*/*"):
        pack.unlink()  # of no set; `restic prune` takes them too
    assert repository.save([b"small"], environment="e", project="p")


@pytest.mark.usefixtures("small")
def test_a_restic_that_waits_for_ever_on_a_full_disk_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "_ROOM_BYTES", 0)
    repository = Repository()
    repository.ensure()
    for _ in range(3):
        with pytest.raises(ConfigError):
            repository.save((os.urandom(2**20) for _ in range(220)), environment="e", project="p")
        assert repository.sets() == []


def test_user_and_password_of_a_repository_are_told_nowhere(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESTIC_REPOSITORY", "rest:http://me:s3cret@127.0.0.1:1/p")
    (state / "snapshots.password").write_text("x")
    repository = Repository()
    assert repository.location == "rest:http://127.0.0.1:1/p"
    with pytest.raises(ConfigError) as refused:
        repository.sets()
    assert "127.0.0.1:1" in str(refused.value)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("lost", [True, False], ids=["missing", "flipped"])
def test_a_set_whose_pack_is_missing_or_has_a_flipped_byte_is_no_whole_set(state: Path, *, lost: bool) -> None:
    repository = Repository()
    repository.ensure()
    parts = [(Part("volume/a"), [os.urandom(1024**2) for _ in range(8)])]
    kept = repository.save(write_set(Head("e", "p", "", {}), parts), environment="e", project="p")
    pack = max((state / "snapshots/data").glob("*/*"), key=lambda path: path.stat().st_size)
    content = bytearray(pack.read_bytes())
    pack.unlink()
    if not lost:
        content[len(content) // 2] ^= 1
        pack.write_bytes(content)
    with (
        pytest.raises(ConfigError, match=r"wanted a whole set\. Remedy: take another; `restic check` tells"),
        repository.open(kept) as stream,
    ):
        for _ in SetReader(stream, f"set {kept}").read():
            pass
