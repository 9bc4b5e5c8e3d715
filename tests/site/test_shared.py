"""What opskit makes in a checkout of several users: two of them, in one group, each in a process of its own."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from opskit.audit.journal import Journal, open_run_folder
from opskit.audit.ledger import add_line, verify
from opskit.files import is_shared, make_folder, write_atomically
from opskit.secrets.policy import RULES
from opskit.secrets.store import change_secrets, ensure_secrets, read_secrets

GROUP, ALICE, BOB = 64_100, 64_101, 64_102


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that is a group's, where its members reach it."""
    if os.geteuid() != 0:
        pytest.skip("only root can be two other users")
    root = Path(tempfile.mkdtemp(prefix="opskit-shared-"))
    os.chown(root, 0, GROUP)
    root.chmod(0o2775)
    yield root
    shutil.rmtree(root)


def run_as(uid: int, root: Path) -> None:
    """What a run writes, as that user of the group, whose umask is the usual one."""
    process = multiprocessing.get_context("fork").Process(target=_write, args=(uid, root))
    process.start()
    process.join()
    assert process.exitcode == 0


def _write(uid: int, root: Path) -> None:
    os.setgroups([GROUP])
    os.setgid(uid)
    os.setuid(uid)
    os.umask(0o022)
    audit, env_file = root / "audit", root / ".env.staging"
    folder = open_run_folder(audit, environment="staging", act="start")
    for kept in audit.glob("[0-9]*/*/*"):  # one that died is closed by the next run, whoever's it was
        Journal(kept).keep("record.json", "{}")
    Journal(folder).write("phase_started", phase="look")
    add_line(audit, folder, "begin")
    add_line(audit, folder, "end")
    ensure_secrets(env_file, RULES[:2])
    change_secrets(env_file, {RULES[0].name: f"changed-by-{uid}-0123456789"})


def test_two_users_of_one_checkout_write_the_same_archive_and_env_file(shared: Path) -> None:
    run_as(ALICE, shared)
    first = read_secrets(shared / ".env.staging")
    run_as(BOB, shared)
    run_as(ALICE, shared)
    second = read_secrets(shared / ".env.staging")
    assert first.keys() == second.keys() == {rule.name for rule in RULES[:2]}
    assert second[RULES[1].name] == first[RULES[1].name], "none made the secrets of the other again"
    assert len((shared / "audit/ledger.jsonl").read_text().splitlines()) == 6
    assert [fault for fault in verify(shared / "audit") if "record.json" not in fault] == []
    kept = sorted(shared.glob(".env.staging.before-*"))
    assert len(kept) == 3
    for path in (shared / ".env.staging", *kept):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert path.stat().st_gid == GROUP


def test_outside_of_a_shared_folder_all_is_its_owners(tmp_path: Path) -> None:
    make_folder(tmp_path / "a/b", 0o750)
    assert stat.S_IMODE((tmp_path / "a/b").stat().st_mode) == 0o750
    assert not is_shared(tmp_path / "a")
    write_atomically(tmp_path / "a/file", "text")
    assert stat.S_IMODE((tmp_path / "a/file").stat().st_mode) == 0o600
