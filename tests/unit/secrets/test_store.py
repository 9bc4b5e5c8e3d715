from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st

from opskit.errors import ConfigError, LockHeldError
from opskit.secrets import store
from opskit.secrets.policy import ALPHABET, RULES, SecretRule
from opskit.secrets.store import (
    change_secrets,
    ensure_secrets,
    forget_secrets,
    kept_copies,
    read_hidden,
    read_secrets,
    write_setting,
)
from opskit.secrets.value import Secret

A, B = SecretRule("A_PASSWORD"), SecretRule("B_KEY", length=50, prefix="sk-")


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_new_file_holds_every_secret_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / ".env.development"
    assert ensure_secrets(path, [A, B]) == ("A_PASSWORD", "B_KEY")
    values = {name: secret.reveal() for name, secret in read_secrets(path).items()}
    assert mode(path) == 0o600
    assert len(values["A_PASSWORD"]) == 43
    assert len(values["B_KEY"]) == 53
    assert values["B_KEY"].startswith("sk-")
    assert set("".join(values.values())) <= set(ALPHABET)


def test_a_second_time_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / ".env.development"
    ensure_secrets(path, RULES)
    before, written = path.read_bytes(), path.stat().st_mtime_ns
    assert ensure_secrets(path, RULES) == ()
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (before, written)


def test_a_missing_one_is_added_after_lines_that_stay_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / ".env.development"
    before = "\ufeff# mine\r\n\r\nexport A_PASSWORD = 'old $value'  # kept\r\nOTHER=x y".encode()
    path.write_bytes(before)
    assert ensure_secrets(path, [A, B]) == ("B_KEY",)
    assert path.read_bytes().startswith(before + b"\nB_KEY=sk-")
    assert read_secrets(path)["A_PASSWORD"].reveal() == "old $value"


def test_an_empty_file_is_filled(tmp_path: Path) -> None:
    path = tmp_path / ".env.development"
    path.touch()
    assert ensure_secrets(path, [A]) == ("A_PASSWORD",)


@pytest.mark.parametrize("loose", [0o644, 0o640, 0o660, 0o604])
def test_a_looser_mode_is_tightened_whether_something_is_missing_or_not(tmp_path: Path, loose: int) -> None:
    path = tmp_path / ".env.development"
    for rules in ([A], [A], [A, B]):
        ensure_secrets(path, rules)
        assert mode(path) == 0o600
        path.chmod(loose)


@pytest.mark.parametrize(
    "line", ["REDIS_PASSWORD=", "REDIS_PASSWORD=''", "junk", "B_KEY=1\nB_KEY=2", "REDIS_PASSWORD=x$y"]
)
def test_a_damaged_file_is_refused_with_its_place_and_left_alone(tmp_path: Path, line: str) -> None:
    path = tmp_path / ".env.development"
    path.write_text(f"# mine\n{line}\n")
    with pytest.raises(ConfigError, match=rf"{path}:[23]: "):
        ensure_secrets(path, [A, B])
    assert path.read_text() == f"# mine\n{line}\n"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [path.name, f"{path.name}.lock"]


def test_no_fault_tells_a_value(tmp_path: Path) -> None:
    path = tmp_path / ".env.development"
    path.write_text("A_PASSWORD=hunter2\nA_PASSWORD=hunter2\nhunter2\nREDIS_PASSWORD=hunter2$x\nB='hunter2\n")
    with pytest.raises(ConfigError) as caught:
        read_secrets(path)
    assert "hunter2" not in str(caught.value)


def test_no_file_has_no_secrets_and_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / ".env.development"
    assert read_secrets(path) == {}
    path.write_bytes(b"A=\xff\n")
    with pytest.raises(ConfigError, match="byte 2 is not UTF-8"):
        read_secrets(path)
    with pytest.raises(ConfigError, match="found a folder"):
        read_secrets(tmp_path)


def test_a_folder_that_cannot_be_made_is_an_answer_not_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="wanted a folder this user may write to"):
        ensure_secrets(tmp_path / "file" / ".env.development", [A])


def test_what_fails_half_way_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / ".env.development"
    path.write_text("A_PASSWORD=old\n")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match="No space left on device"):
        ensure_secrets(path, [A, B])
    assert path.read_text() == "A_PASSWORD=old\n"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [path.name, f"{path.name}.lock"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    link = tmp_path / ".env.development"
    link.symlink_to(kept)
    ensure_secrets(link, [A])
    assert link.is_symlink()
    assert list(read_secrets(kept)) == ["A_PASSWORD"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_root_does_not_take_the_file_from_its_owner(tmp_path: Path) -> None:
    path = tmp_path / ".env.development"
    path.write_text("A_PASSWORD=old\n")
    os.chown(path, 12345, 23456)
    ensure_secrets(path, [A, B])
    assert (path.stat().st_uid, path.stat().st_gid, mode(path)) == (12345, 23456, 0o600)


def test_a_held_lock_is_named_and_nothing_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / ".env.development"
    monkeypatch.setattr(store, "_LOCK_S", 0.05)
    with FileLock(tmp_path / f"{path.name}.lock"), pytest.raises(LockHeldError, match=r"\.env\.development\.lock"):
        ensure_secrets(path, [A])
    assert not path.exists()


names = st.from_regex(r"[A-Z][A-Z0-9_]{0,12}", fullmatch=True)
rules = st.lists(
    st.builds(SecretRule, names, st.integers(1, 64), st.sampled_from(["", "sk-"])), unique_by=lambda rule: rule.name
)
settings = st.dictionaries(
    names, st.text("abc'\"=: #é\u2028", min_size=1).map(str.strip).filter(lambda v: v[:1].isalpha())
)


@given(settings, rules, st.booleans())
def test_what_is_written_reads_back_and_what_was_there_stays(
    before: dict[str, str], asked: list[SecretRule], ends: bool
) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / ".env.x"
        text = "\n".join(["# mine", *(f"{name}={value}" for name, value in before.items())]) + "\n" * ends
        path.write_text(text)
        old = dict(read_secrets(path))
        added = ensure_secrets(path, asked)
        new = read_secrets(path)
        assert path.read_text().startswith(text)
        assert set(added) == {rule.name for rule in asked} - set(before)
        assert {name: new[name] for name in old} == old
        assert all(
            len(new[rule.name].reveal()) == len(rule.prefix) + rule.length for rule in asked if rule.name in added
        )
        assert ensure_secrets(path, asked) == ()


def test_forgetting_takes_the_generated_secrets_and_leaves_every_other_byte(tmp_path: Path) -> None:
    path = tmp_path / ".env.x"
    path.write_text("# mine\nHF_TOKEN=keep\nPOSTGRES_PASSWORD=a\nexport REDIS_PASSWORD='b'\n# end\n")
    assert forget_secrets(path) == ("POSTGRES_PASSWORD", "REDIS_PASSWORD")
    assert path.read_text() == "# mine\nHF_TOKEN=keep\n# end\n"
    assert forget_secrets(path) == ()
    assert forget_secrets(tmp_path / "none") == ()


def test_a_setting_takes_the_place_of_its_line_and_goes_again_and_nothing_else_changes(tmp_path: Path) -> None:
    path = tmp_path / ".env.staging"
    path.write_text("# mine\nREDIS_PASSWORD=aaaaaaaaaaaaaaaa\nOPSKIT_GPU=dual\nX=1", encoding="utf-8")
    write_setting(path, "OPSKIT_GPU", "single")
    assert path.read_text() == "# mine\nREDIS_PASSWORD=aaaaaaaaaaaaaaaa\nX=1\nOPSKIT_GPU=single\n"
    assert path.stat().st_mode & 0o777 == 0o600
    write_setting(path, "OPSKIT_GPU", None)
    assert path.read_text() == "# mine\nREDIS_PASSWORD=aaaaaaaaaaaaaaaa\nX=1\n"


def test_taking_out_a_setting_that_is_not_there_makes_no_file_and_a_damaged_file_is_left(tmp_path: Path) -> None:
    path = tmp_path / ".env.staging"
    write_setting(path, "OPSKIT_GPU", None)
    assert not path.exists()
    path.write_text("no line\n", encoding="utf-8")
    with pytest.raises(ConfigError):
        write_setting(path, "OPSKIT_GPU", "single")
    assert path.read_text() == "no line\n"


def test_what_the_shell_gives_the_files_is_hidden_as_the_env_file_s_secrets_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_from_the_shell")
    monkeypatch.setenv("OTHER_TOKEN", "of another")
    monkeypatch.setenv("LOG_LEVEL", "INFO")
    env_file = {"REDIS_PASSWORD": Secret("REDIS_PASSWORD", "tiger"), "MINE": Secret("MINE", "1")}
    hidden = read_hidden(env_file, ["HF_TOKEN", "LOG_LEVEL", "TARGET_API_KEY"])
    assert hidden == {"HF_TOKEN": "hf_from_the_shell", "REDIS_PASSWORD": "tiger"}


@pytest.mark.parametrize(
    "make", [os.mkfifo, Path.mkdir, lambda p: p.symlink_to("/dev/null"), lambda p: p.symlink_to(p)]
)
def test_what_is_no_regular_file_is_refused_and_stays_what_it_is(
    tmp_path: Path, make: Callable[[Path], object]
) -> None:
    path = tmp_path / ".env.x"
    make(path)
    before = path.lstat()
    for act in (lambda: read_secrets(path), lambda: ensure_secrets(path, [A]), lambda: write_setting(path, "B", "1")):
        with pytest.raises(ConfigError, match=r"wanted a regular file\. Remedy"):
            act()
    assert path.lstat() == before
    assert Path("/dev/null").stat().st_rdev == os.makedev(1, 3)


def test_what_a_killed_writer_left_goes_with_the_next_write(tmp_path: Path) -> None:
    left = tmp_path / ".env.x.abc123.part"
    left.write_text("POSTGRES_PASSWORD=of-a-killed-writer")
    ensure_secrets(tmp_path / ".env.x", [A])
    assert not left.exists()


def test_every_change_leaves_what_the_file_was_also_many_within_one_second(tmp_path: Path) -> None:
    path = tmp_path / ".env.development"
    was = []
    for value in range(20):
        if path.exists():
            was.append(path.read_text())
        write_setting(path, "COMPOSE_PROFILES", str(value))
    copies = kept_copies(path)
    assert [copy.read_text() for copy in reversed(copies)] == was
    assert {mode(copy) for copy in copies} == {0o600}


def test_a_secret_gets_another_value_in_its_place_and_every_other_line_stays(tmp_path: Path) -> None:
    path = tmp_path / ".env.development"
    path.write_text("# mine\nA_PASSWORD=old\nexport B_KEY='b c' # kept\nOTHER=x\n")
    change_secrets(path, {"A_PASSWORD": "it's new"})
    assert path.read_text() == "# mine\nA_PASSWORD='it\\'s new'\nexport B_KEY='b c' # kept\nOTHER=x\n"
    assert read_secrets(path)["A_PASSWORD"].reveal() == "it's new"
    assert kept_copies(path)[0].read_text().startswith("# mine\nA_PASSWORD=old\n")


@pytest.mark.parametrize("sign", ["\u2028", "\x85", "\x0c", "\x1c", "\r"])
def test_a_sign_that_python_takes_for_a_line_s_end_parts_no_value(tmp_path: Path, sign: str) -> None:
    path = tmp_path / ".env.development"
    theirs = f"MINE='before{sign}B_KEY=after'\n"
    path.write_bytes(f"{theirs}B_KEY=old\n".encode())
    change_secrets(path, {"B_KEY": "new"})
    assert path.read_bytes() == f"{theirs}B_KEY=new\n".encode()
    write_setting(path, "OTHER", "1")
    write_setting(path, "B_KEY", None)
    assert path.read_bytes() == f"{theirs}OTHER=1\n".encode()
