from __future__ import annotations

import pwd
from pathlib import Path
from typing import NoReturn

import pytest

from opskit.paths import docker_config


def test_a_user_whom_the_machine_does_not_know_has_no_home_and_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_: int) -> NoReturn:
        raise KeyError("uid not found")

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("DOCKER_CONFIG", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert docker_config() == Path(".docker")
    monkeypatch.setenv("DOCKER_CONFIG", "/etc/docker-cli")
    assert docker_config() == Path("/etc/docker-cli")
