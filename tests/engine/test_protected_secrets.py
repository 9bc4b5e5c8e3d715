"""Each secret that opens data is lost, edited, or put back from an old file; every way back ends in READY with the data.

In CI all of them at once; `OPSKIT_SECRETS=each` takes one after the other.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from opskit.secrets.policy import BY_NAME, RULES
from opskit.secrets.roles import ROLES
from opskit.secrets.store import kept_copies, read_secrets
from tests.checkout import Checkout

pytestmark = [pytest.mark.engine, pytest.mark.timeout(3600)]
PROTECTED = tuple(rule.name for rule in RULES if rule.volumes)
LOGINS = tuple(name for name in PROTECTED if name in ROLES)
KEYS = tuple(name for name in PROTECTED if name not in ROLES)
SETS = tuple((name,) for name in PROTECTED) if os.environ.get("OPSKIT_SECRETS") == "each" else (PROTECTED,)
ROW = "kept through it all"
LOGS = ("-p", "env", "monitoring", "-p", "rehearse", "yes")
WHERE = (*LOGS, "-p", "overlays", "docker-compose.prometheus-grafana.yml")


def of(kind: Iterable[str]) -> list[tuple[str, ...]]:
    """The sets of names to try, without those of another kind."""
    return [names for every in SETS if (names := tuple(name for name in every if name in kind))]


def start(checkout: Checkout, *more: str) -> subprocess.CompletedProcess[str]:
    return checkout.run("start", *WHERE, *more)


@pytest.fixture(scope="module")
def up(checkout: Checkout) -> Checkout:
    """The logs' environment with Grafana, in which every protected secret is used, with a row of data."""
    done = start(checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert read_secrets(checkout.env_file("monitoring")).keys() >= set(PROTECTED)
    checkout.ask_postgres(f"INSERT INTO search_sessions (query) VALUES ('{ROW}')", "monitoring")  # noqa: S608  our own text
    # A change of another secret leaves a copy of the file as it is now.
    env_file = checkout.env_file("monitoring")
    rotated = secrets(
        checkout, "-p", "action", "rotate", "-p", "names", "STACK_API_KEY", "-p", "confirm", name(checkout)
    )
    assert rotated.returncode == 0, rotated.stdout + rotated.stderr
    assert kept_copies(env_file)
    return checkout


@pytest.fixture
def env_file(up: Checkout) -> Path:
    """Not put back after a test: each ends with a file and data that belong together."""
    return up.env_file("monitoring")


def name(checkout: Checkout) -> str:
    return checkout.project_of("monitoring")


def secrets(checkout: Checkout, *words: str) -> subprocess.CompletedProcess[str]:
    return checkout.run("secrets", *WHERE, *words)


def is_ready(up: Checkout) -> None:
    done = start(up)
    assert done.returncode == 0, done.stdout + done.stderr
    assert up.ask_postgres("SELECT query FROM search_sessions", "monitoring") == ROW


def edit(env_file: Path, names: Iterable[str], value: str = "sk-of-another-installation-0123456789abcdef") -> None:
    """Other values; an empty one takes the lines out."""
    line = rf"\1={value}\n" if value else ""
    env_file.write_text(re.sub(rf"(?m)^({'|'.join(names)})=.*\n", line, env_file.read_text()))


def follow(up: Checkout, said: str, names: Iterable[str]) -> None:
    """The printed `opskit secrets … recover`, as it stands, of each name."""
    for secret in names:
        finding = next(line for line in said.splitlines() if re.search(rf"(FAIL|WARN) secret-\w+ +{secret}:", line))
        words = re.search(r"`opskit secrets ([^`]* -p action recover[^`]*)`", said[said.index(finding) :])
        assert words, said
        done = up.opskit("secrets", *words[1].split())
        assert done.returncode == 0, done.stdout + done.stderr


def put_back(env_file: Path, want: dict[str, str]) -> None:
    """The newest kept copy that has them all, by cp, as `opskit secrets` prints it."""
    for copy in kept_copies(env_file):
        if {secret: value.reveal() for secret, value in read_secrets(copy).items()}.items() >= want.items():
            subprocess.run(["cp", "-p", copy, env_file], check=True)
            return
    pytest.fail(f"no kept copy has {', '.join(want)}")


def values(env_file: Path, names: Iterable[str]) -> dict[str, str]:
    held = read_secrets(env_file)
    return {secret: held[secret].reveal() for secret in names}


def refused(up: Checkout, check: str, names: Iterable[str], *more: str) -> str:
    """What is printed where a start finds a FAIL for each of the names."""
    done = start(up, *more)
    assert done.returncode == 3, done.stdout
    for secret in names:
        assert f"FAIL {check:<19}{secret}:" in done.stdout
    return done.stdout


@pytest.mark.parametrize("names", SETS, ids="-".join)
def test_lost_and_read_back_from_the_containers(names: tuple[str, ...], up: Checkout, env_file: Path) -> None:
    before = values(env_file, names)
    edit(env_file, names, "")
    said = refused(up, "secret-data", names)
    assert not read_secrets(env_file).keys() & set(names), "none was made"
    follow(up, said, names[:1])  # one reads every lost one back
    assert values(env_file, names) == before
    is_ready(up)


@pytest.mark.parametrize("names", SETS, ids="-".join)
def test_lost_with_every_container_and_put_back_from_a_copy(
    names: tuple[str, ...], up: Checkout, env_file: Path
) -> None:
    change_with_no_container_left(up, env_file, names, "", "secret-data")


@pytest.mark.parametrize("names", of(KEYS), ids="-".join)
def test_an_old_file_put_back_is_noticed_with_no_container_left(
    names: tuple[str, ...], up: Checkout, env_file: Path
) -> None:
    old = "sk-of-an-older-installation-0123456789abcdefg"
    change_with_no_container_left(up, env_file, names, old, "secret-changed", "-p", "strict", "yes")


def change_with_no_container_left(
    up: Checkout, env_file: Path, names: tuple[str, ...], value: str, check: str, *more: str
) -> None:
    """A start is refused and starts nothing; a kept copy ends in READY."""
    before = values(env_file, PROTECTED)
    assert up.run("stop", *LOGS).returncode == 0
    edit(env_file, names, value)
    refused(up, check, names, *more)
    assert not up.containers("monitoring")
    put_back(env_file, before)
    is_ready(up)


@pytest.mark.parametrize("names", of(KEYS), ids="-".join)
def test_edited_keys_are_refused_and_read_back(names: tuple[str, ...], up: Checkout, env_file: Path) -> None:
    """Those of a program that keeps its own are a warning, for that program goes on with what it has."""
    before = values(env_file, names)
    edit(env_file, names)
    said = refused(up, "secret-changed", names, "-p", "strict", "yes")
    if any(BY_NAME[secret].permanent for secret in names):
        assert start(up).returncode == 3
    follow(up, said, names)
    assert values(env_file, names) == before
    is_ready(up)


@pytest.mark.parametrize("names", of(LOGINS), ids="-".join)
def test_lost_for_ever_the_roles_get_new_ones(names: tuple[str, ...], up: Checkout, env_file: Path) -> None:
    before = values(env_file, names)
    edit(env_file, names, "")
    accept = ",".join(f"secret-data:{secret}" for secret in names)
    start(up, "-p", "accept", accept)  # makes them; what logs in with them is refused until the roles have them
    made = values(env_file, names)
    assert all(made[secret] != before[secret] for secret in names)
    repair(up)
    is_ready(up)


@pytest.mark.parametrize("names", of(LOGINS), ids="-".join)
def test_edited_or_old_passwords_of_roles_fail_and_are_repaired(
    names: tuple[str, ...], up: Checkout, env_file: Path
) -> None:
    old = env_file.read_bytes()
    edit(env_file, names)
    failed = start(up)
    assert failed.returncode == 1, failed.stdout + failed.stderr
    assert "password" in failed.stderr
    repair(up)
    is_ready(up)
    env_file.write_bytes(old)  # the old file is put back: the same, the other way round
    assert start(up).returncode == 1
    repair(up)
    is_ready(up)


def repair(up: Checkout) -> None:
    done = secrets(up, "-p", "action", "repair", "-p", "confirm", name(up))
    assert done.returncode == 0, done.stdout + done.stderr
