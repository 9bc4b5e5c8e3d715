"""What a real Compose quotes in its faults; it asks no Engine for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from opskit.compose.client import Project, find_compose
from opskit.compose.faults import Failure
from opskit.secrets.store import read_secrets
from opskit.target.project import resolve

_FILE = """
services:
  one:
    image: nginx:1
    environment: [APP_TOKEN]
    ports: [{host_ip: "${ADDRESS}", published: "80", target: 80}]
    labels: {token: "${APP_TOKEN}"}
"""


@pytest.mark.parametrize("by_shell", [False, True], ids=["env file", "shell"])
def test_a_secret_that_compose_quotes_stands_in_the_fault_as_its_name(
    by_shell: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, env_file = tmp_path / "c.yml", tmp_path / ".env.test"
    file.write_text(_FILE)
    given = "APP_TOKEN=tiger-lily\n"
    env_file.write_text("ADDRESS=tiger-lily\n" + ("" if by_shell else given))
    if by_shell:
        monkeypatch.setenv("APP_TOKEN", "tiger-lily")
    found = resolve(Project(find_compose(), "opskit-test-quoted", (file,), env_file), read_secrets(env_file))
    assert isinstance(found, Failure)
    assert "tiger-lily" not in str(found)
    assert "invalid ip address: [APP_TOKEN]" in found.message
