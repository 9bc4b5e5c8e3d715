from __future__ import annotations

import json
from pathlib import Path

import pytest

from opskit.engine.client import _explain, resolve_host
from opskit.errors import EngineUnavailableError


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))


def test_without_any_setting_it_is_the_local_socket() -> None:
    assert resolve_host(None) == "unix:///var/run/docker.sock"


def test_a_given_address_wins_over_docker_host_and_that_over_the_context(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONTEXT", "nowhere")
    monkeypatch.setenv("DOCKER_HOST", "tcp://a:2375")
    assert resolve_host("unix:///given.sock") == "unix:///given.sock"
    assert resolve_host(None) == "tcp://a:2375"


def test_a_context_that_does_not_exist_is_never_taken_for_the_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"currentContext": "default"}))
    assert resolve_host(None) == "unix:///var/run/docker.sock"
    monkeypatch.setenv("DOCKER_CONTEXT", "nowhere")
    with pytest.raises(EngineUnavailableError, match=r"'nowhere': there is no such context. Remedy: "):
        resolve_host(None)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"currentContext": null}'])
def test_a_broken_docker_config_means_no_context(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    assert resolve_host(None) == "unix:///var/run/docker.sock"


@pytest.mark.parametrize(
    ("error", "cause", "remedy"),
    [
        (PermissionError(13, "Permission denied"), "permission denied", "log in again"),
        (FileNotFoundError(2, "No such file or directory"), "there is no socket", "install docker-ce or docker.io"),
        (ConnectionRefusedError(111, "Connection refused"), "connection refused", "systemctl start docker"),
        (TimeoutError("timed out"), "out of reach (timed out)", "the network"),
        (OSError(113, "No route to host"), "out of reach (No route to host)", "docker context ls"),
        (ValueError("400 Client Error"), "no Engine that can be spoken to (400 Client Error)", "DOCKER_HOST"),
    ],
)
def test_each_reason_has_its_own_remedy(error: Exception, cause: str, remedy: str) -> None:
    reason, fix = _explain(error)
    assert reason.startswith(cause)
    assert remedy in fix
