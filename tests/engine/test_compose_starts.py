"""How often a start runs Compose, counted by programs in front of it on PATH."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from opskit.compose.client import find_compose
from tests.checkout import Checkout

pytestmark = pytest.mark.engine


@pytest.fixture
def log(tmp_path: Path, checkout: Checkout) -> Path:
    """Where each run of Compose leaves its words, one line each; before an `up`, the script `edit` beside it is run."""
    log, words = tmp_path / "log", find_compose().words
    log.touch()
    real = " ".join([shutil.which(words[0]) or words[0], *words[1:]])
    edit = f'case "$*" in *" up "*) [ ! -e {tmp_path}/edit ] || sh {tmp_path}/edit;; esac'
    counted = f'#!/bin/sh\necho "$*" >> {log}\n{edit}\nexec {real} "$@"\n'
    for name, text in {"docker": "#!/bin/sh\nexit 1\n", "docker-compose": counted}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    checkout.environ["PATH"] = f"{tmp_path}:{os.environ['PATH']}"
    return log


def asked(log: Path) -> list[str]:
    """The command of each run since the last look."""
    lines = [line.split() for line in log.read_text().splitlines()]
    log.write_text("")
    return [next(word for word in words if word in {"config", "up", "version", "restart"}) for words in lines]


def test_compose_resolves_once_and_starts_only_what_has_to_be_started(checkout: Checkout, log: Path) -> None:
    done = checkout.start()
    assert done.returncode == 0, done.stdout + done.stderr
    assert asked(log) == ["version", "config", "up"]

    before = {name: box.attrs["State"]["StartedAt"] for name, box in checkout.containers().items()}
    done = checkout.start()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "READY in" in done.stdout
    assert asked(log) == ["version", "config"]
    assert {name: box.attrs["State"]["StartedAt"] for name, box in checkout.containers().items()} == before

    checkout.containers()["n8n"].stop(timeout=0)
    done = checkout.start()
    assert done.returncode == 0, done.stdout + done.stderr
    assert asked(log) == ["version", "config", "up"]
    after = {name: box.attrs["State"]["StartedAt"] for name, box in checkout.containers().items()}
    assert [name for name in before if after[name] != before[name]] == ["n8n"]

    for commands in (["version", "config", "config", "up"], ["version", "config"]):
        done = checkout.start(TIMEZONE="Asia/Tokyo")
        assert done.returncode == 0, done.stdout + done.stderr
        assert asked(log) == commands, "a changed model is hashed, and the one that then runs is known"


def test_a_file_edited_before_up_reads_it_is_not_taken_for_the_one_that_was_resolved(
    checkout: Checkout, log: Path
) -> None:
    file, edit = checkout.root / "compose/services/frontends.yml", log.with_name("edit")
    before = file.read_text()
    edit.write_text(f"sed -i s,TIMEZONE:-UTC,TIMEZONE:-Asia/Tokyo, {file}; rm {edit}\n")
    for zone, told in (("Asia/Tokyo", True), ("UTC", False)):
        done = checkout.start()
        assert done.returncode == 0, done.stdout + done.stderr
        assert asked(log)[-1] == "up"
        assert ("edited during this launch" in done.stdout) == told
        assert f"GENERIC_TIMEZONE={zone}" in checkout.containers()["n8n"].attrs["Config"]["Env"]
        file.write_text(before)
