from __future__ import annotations

from typing import Any

import pytest

from opskit.compose.model import Compose, Stack, parse_stack
from opskit.preflight.checks.files import check_file_present, check_file_readable
from opskit.preflight.finding import Finding, Verdict
from tests.facts import stack as sound

NEW, OLD = (Compose(("docker", "compose"), version) for version in ((5, 0, 0), (2, 40, 3)))


def bind(source: str, target: str, *, made: bool = False) -> Stack:
    mount: dict[str, Any] = {"type": "bind", "source": source, "target": target}
    if made:
        mount["bind"] = {"create_host_path": True}
    return parse_stack({"name": "p", "services": {"nginx": {"volumes": [mount, {"type": "volume", "source": "v", "target": "/v"}]}}})  # fmt: skip


CONF = bind("/p/nginx.conf", "/etc/nginx/nginx.conf")
FOLDER = bind("/p/conf.d", "/etc/nginx/conf.d")


def judged(stack: Stack, found: str, compose: Compose = NEW) -> Finding:
    (finding,) = check_file_present(stack, {stack.bind_sources[0][1]: found}, compose)
    return finding


@pytest.mark.parametrize(
    ("stack", "found", "verdict"),
    [
        (CONF, "file", Verdict.PASS),
        (CONF, "missing", Verdict.FAIL),
        (CONF, "directory", Verdict.FAIL),
        (CONF, "unreadable", Verdict.SKIP),
        (FOLDER, "directory", Verdict.PASS),
        (FOLDER, "file", Verdict.PASS),
        (FOLDER, "missing", Verdict.FAIL),
        (bind("/p/models", "/models", made=True), "missing", Verdict.WARN),
        (bind("/p/models", "/models", made=True), "directory", Verdict.PASS),
        (bind("/p/nginx.conf", "/etc/nginx/nginx.conf", made=True), "missing", Verdict.FAIL),
        (bind("/p/litellm.yaml", "/app/config.yaml"), "directory", Verdict.FAIL),
        (bind("/var/run/docker.sock", "/var/run/docker.sock"), "file", Verdict.PASS),
        (bind("/p/v1.2", "/srv/data"), "directory", Verdict.PASS),
    ],
)
def test_what_is_there_must_be_what_is_meant(stack: Stack, found: str, verdict: Verdict) -> None:
    finding = judged(stack, found)
    assert finding.verdict is verdict
    assert bool(finding.remedy) is (verdict is not Verdict.PASS)


def test_a_folder_docker_made_for_a_missing_file_is_told_as_such() -> None:
    assert judged(CONF, "directory").remedy.startswith("`rmdir /p/nginx.conf` (an Engine makes a folder")


def test_what_this_user_may_not_see_stops_nothing_the_engine_may_see_it() -> None:
    assert not judged(CONF, "unreadable").stops


@pytest.mark.parametrize(
    ("compose", "options", "verdict"),  # what `config --format json` makes of create_host_path, and what `up` then does
    [
        (NEW, {}, Verdict.WARN),  # true, or the short form
        (NEW, {"create_host_path": False}, Verdict.FAIL),
        (OLD, {"create_host_path": True}, Verdict.WARN),
        (OLD, {}, Verdict.FAIL),  # false
    ],
)
def test_a_folder_the_engine_will_make_is_known_from_each_compose(
    compose: Compose, options: dict[str, bool], verdict: Verdict
) -> None:
    mount = {"type": "bind", "source": "/p/models", "target": "/models", "bind": options}
    stack = parse_stack({"name": "p", "services": {"vllm": {"volumes": [mount]}}})
    assert judged(stack, "missing", compose).verdict is verdict


@pytest.mark.parametrize("section", ["configs", "secrets"])
def test_config_and_secret_files_are_files(section: str) -> None:
    entries = {"one": {"file": "/p/key"}, "other": {"external": True}}
    stack = parse_stack({"name": "p", "services": {}, section: entries})
    found = {
        kind: check_file_present(stack, {"/p/key": kind}, NEW)[0].verdict for kind in ("file", "directory", "missing")
    }
    assert found == {"file": Verdict.PASS, "directory": Verdict.FAIL, "missing": Verdict.FAIL}
    assert check_file_present(stack, {"/p/key": "file"}, NEW)[0].subject == f"{section}/one"


@pytest.mark.parametrize(("mode", "verdict"), [(0o644, Verdict.PASS), (0o640, Verdict.WARN), (0o755, Verdict.PASS)])
def test_a_mounted_file_that_others_may_not_read_is_a_warning(mode: int, verdict: Verdict) -> None:
    bind = {"type": "bind", "source": "/etc/a b.conf", "target": "/a.conf"}
    found = check_file_readable(sound(volumes=[bind]), {"/etc/a b.conf": mode})
    assert [f.verdict for f in found] == [verdict]
    assert [f.verdict for f in check_file_readable(sound(volumes=[bind]), {})] == [Verdict.PASS]


@pytest.mark.parametrize("user", ["root", "0", "0:0", "root:root"])
def test_what_root_in_a_container_reads_need_not_be_open_to_all(user: str) -> None:
    bind = {"type": "bind", "source": "/engine/containers", "target": "/c"}
    assert [
        f.verdict for f in check_file_readable(sound(volumes=[bind], user=user), {"/engine/containers": 0o710})
    ] == [Verdict.PASS]
