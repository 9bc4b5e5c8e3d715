"""Data that does not fit what is about to read it: lost secrets, another PostgreSQL. Nothing is written meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from opskit.engine.postgres import read_major
from opskit.preflight.finding import Verdict
from opskit.secrets.policy import RULES
from opskit.secrets.store import ensure_secrets
from tests.checkout import LABEL, Checkout
from tests.remedies import OVERRIDE, follow, gone_at_last, judge, trouble

if TYPE_CHECKING:
    from docker import DockerClient

pytestmark = pytest.mark.engine

KEY = "com.docker.compose.volume"


@pytest.fixture
def data(checkout: Checkout, engine: DockerClient, undo: ExitStack) -> str:
    """The volume that Compose makes for PostgreSQL; returns its name."""
    project = f"{checkout.prefix}-development"
    made = engine.volumes.create(f"{project}_postgres_data", labels={LABEL: project, KEY: "postgres_data"})
    undo.enter_context(gone_at_last(made))
    return str(made.name)


@pytest.fixture
def env_file(checkout: Checkout) -> Iterator[Path]:
    path = checkout.root / ".env.development"
    yield path
    path.unlink(missing_ok=True)


def test_secrets_lost_beside_data_pass_once_their_file_is_restored(
    checkout: Checkout, data: str, env_file: Path
) -> None:
    ensure_secrets(env_file, RULES)
    away = env_file.rename(checkout.root / "kept")
    findings = trouble(checkout, "secret-data")
    assert {finding.verdict for finding in findings} == {Verdict.FAIL}
    opened = {rule.name for rule in RULES if "postgres_data" in rule.volumes}
    assert "POSTGRES_PASSWORD" in {finding.subject for finding in findings} <= opened
    assert all(finding.found.endswith(f"while there is data in {data}") for finding in findings)
    assert not env_file.exists()
    away.rename(env_file)
    assert not trouble(checkout, "secret-data")


def test_data_that_may_go_goes_by_the_printed_command_and_the_secrets_may_be_made_anew(
    checkout: Checkout, data: str
) -> None:
    finding = trouble(checkout, "secret-data")[0]
    assert follow(checkout, finding, -1) == f"docker volume rm {data}"
    assert not trouble(checkout, "secret-data")


@pytest.mark.parametrize("folder", ["", "14/docker/"])
def test_data_of_another_postgresql_passes_with_its_own_image_and_on_a_new_volume(
    checkout: Checkout, engine: DockerClient, data: str, busybox: str, folder: str
) -> None:
    write = ["sh", "-c", f"mkdir -p /data/{folder} && echo 14 > /data/{folder}PG_VERSION"]
    engine.containers.run(busybox, write, remove=True, network_mode="none", volumes={data: {"bind": "/data"}})
    (finding,) = trouble(checkout, "data-version")
    assert (finding.verdict, finding.subject, finding.found) == (Verdict.FAIL, "postgres_data", "PostgreSQL 14")
    assert finding.wanted == "PostgreSQL 18"
    assert "set image and mount of postgres back to those of PostgreSQL 14" in finding.remedy
    override = checkout.root / OVERRIDE
    before = override.read_text()
    override.write_text(before + "  postgres: {image: postgres:14}\n")
    fits = judge(checkout)
    override.write_text(before)
    assert [f.verdict for f in fits if f.check == "data-version"] == [Verdict.PASS]
    assert "`opskit restore`, which makes the databases again" in finding.remedy
    assert read_major(engine, data) == "", "no container mounts it"
    box = engine.containers.create(busybox, volumes={data: {"bind": "/var/lib/postgresql"}})
    told = read_major(engine, data)
    box.remove()
    assert told == "14"
    engine.volumes.get(data).remove()
    assert not trouble(checkout, "data-version")
