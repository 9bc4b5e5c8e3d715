"""Secrets that were lost, edited or put back from an old file, beside real data: each comes to ready again with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from opskit.secrets.store import kept_copies, read_secrets
from tests.checkout import Checkout

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]
ROW = "kept through it all"


@pytest.fixture(scope="module")
def up(checkout: Checkout) -> Checkout:
    """A development that runs, with a row of data."""
    done = checkout.start()
    assert done.returncode == 0, done.stdout + done.stderr
    checkout.ask_postgres(f"INSERT INTO search_sessions (query) VALUES ('{ROW}')")  # noqa: S608  our own text
    return checkout


@pytest.fixture
def env_file(up: Checkout) -> Iterator[Path]:
    path = up.env_file()
    before = path.read_bytes()
    yield path
    path.write_bytes(before)


def secrets(checkout: Checkout, *words: str) -> tuple[int, str]:
    done = checkout.run("secrets", "-p", "env", "dev", "-p", "rehearse", "yes", *words)
    return done.returncode, done.stdout + done.stderr


def is_ready(checkout: Checkout) -> None:
    done = checkout.start()
    assert done.returncode == 0, done.stdout + done.stderr
    assert checkout.ask_postgres("SELECT query FROM search_sessions") == ROW


def test_a_lost_env_file_is_read_back_from_the_containers(up: Checkout, env_file: Path) -> None:
    before = read_secrets(env_file)
    env_file.unlink()
    refused = up.start()
    assert refused.returncode == 3
    assert "-p action recover" in refused.stderr
    rc, said = secrets(up, "-p", "action", "recover")
    assert rc == 0, said
    back = read_secrets(env_file)
    lost = before.keys() - back.keys()
    assert not any(back[name] != before[name] for name in back)
    assert not lost, f"not found in any container: {lost}"
    assert env_file.stat().st_mode & 0o777 == 0o600
    notebook = (up.last()[0] / "secrets.ipynb").read_text()
    assert "put back, from" in notebook
    assert not any(secret.reveal() in notebook for secret in before.values())
    is_ready(up)


def test_every_change_leaves_a_copy_and_a_look_changes_nothing(up: Checkout, env_file: Path) -> None:
    before = env_file.read_bytes()
    rc, said = secrets(up)
    assert rc == 0, said
    assert env_file.read_bytes() == before
    notebook = (up.last()[0] / "secrets.ipynb").read_text()
    assert "the same (postgres)" in notebook
    assert all(copy.stat().st_mode & 0o777 == 0o600 for copy in kept_copies(env_file))


def rotate(up: Checkout, names: str, *more: str) -> tuple[int, str]:
    return secrets(up, "-p", "action", "rotate", "-p", "names", names, "-p", "confirm", up.project, *more)


def test_roles_and_keys_get_new_values_while_the_stack_runs(up: Checkout, env_file: Path) -> None:
    names = ("MULTIMODAL_DB_PASSWORD", "N8N_DB_PASSWORD", "REDIS_PASSWORD", "QDRANT_API_KEY", "STACK_API_KEY")
    before, text = read_secrets(env_file), env_file.read_text()
    rc, said = secrets(up, "-p", "action", "rotate", "-p", "names", names[0])
    assert (rc, env_file.read_text()) == (2, text), "without the project's name nothing is changed"
    for name, why in (
        ("N8N_ENCRYPTION_KEY", "unreadable for ever"),
        ("WEBUI_ADMIN_PASSWORD", "first start"),
        ("X", "no such"),
    ):
        rc, said = rotate(up, f"{names[0]},{name}")
        assert (rc, env_file.read_text()) == (2, text)
        assert why in said
    rc, said = rotate(up, ",".join(names))
    assert rc == 0, said
    after = read_secrets(env_file)
    assert {name for name in after if after[name] != before[name]} == set(names)
    assert (up.last()[0] / "secrets.ipynb").read_text().count("the old one refused") >= len(names)
    files = [path.read_text(errors="replace") for path in up.last()[0].iterdir()]
    assert not any(values[name].reveal() in text for values in (before, after) for name in names for text in files)
    is_ready(up)
    env_file.write_text(text)  # as the fixture does: the roles follow, so that the next test finds them as they were
    rc, said = secrets(up, "-p", "action", "repair", "-p", "confirm", up.project)
    assert rc == 0, said
    is_ready(up)


def test_a_rotation_that_fails_is_taken_back(up: Checkout, env_file: Path) -> None:
    text, old = env_file.read_text(), read_secrets(env_file)["LITELLM_DB_PASSWORD"].reveal()
    pinned = up.root / "compose/docker-compose.pinned.yml"
    held = f"{{DATABASE_PASSWORD: '{old}', MADE_AGAIN_WITH: '${{LITELLM_DB_PASSWORD}}'}}"
    pinned.write_text(f"services: {{litellm: {{environment: {held}}}}}\n")
    try:
        assert up.start("-p", "overlays", pinned.name).returncode == 0
        rc, said = rotate(up, "LITELLM_DB_PASSWORD", "-p", "overlays", pinned.name)
        assert rc == 1
        assert "litellm: crash loop" in said
        assert "Rolled back: LITELLM_DB_PASSWORD" in said
        assert old not in said
        assert env_file.read_text() == text
    finally:
        pinned.unlink()
    is_ready(up)


def test_a_volume_that_vanished_stops_the_start_until_that_is_accepted(up: Checkout) -> None:
    stopped = up.run("stop", "-p", "env", "dev", "-p", "rehearse", "yes")
    assert stopped.returncode == 0, stopped.stderr
    name = f"{up.project}_postgres_data"
    up.engine.volumes.get(name).remove()
    refused = up.start()
    assert refused.returncode == 3
    assert f"[data-missing] {name}" in refused.stderr
    assert not up.containers()
    assert name not in {volume.name for volume in up.engine.volumes.list()}
    done = up.start("-p", "accept", "data-missing")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not up.ask_postgres("SELECT query FROM search_sessions")
    again = up.start()
    assert again.returncode == 0, again.stderr
    assert up.last()[1]["volumes"]["names"] == sorted(
        v.name for v in up.engine.volumes.list() if v.name.startswith(up.project)
    )
