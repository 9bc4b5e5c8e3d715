from __future__ import annotations

from typing import Any

import pytest

from opskit.compose.model import parse_stack
from opskit.preflight.checks_image import check_image_present
from opskit.preflight.finding import Finding, Verdict

DIGEST = "sha256:" + "0" * 64


def judged(image: str | None, images: set[str], *, offline: bool = False, **more: Any) -> Finding:
    service = {**({"image": image} if image else {}), **more}
    (finding,) = check_image_present(parse_stack({"name": "p", "services": {"a": service}}), images, offline=offline)
    return finding


@pytest.mark.parametrize(
    ("image", "listed"),
    [
        ("nginx:1.30.4-alpine", "nginx:1.30.4-alpine"),
        ("nginx", "nginx:latest"),
        ("docker.io/library/nginx:1", "nginx:1"),
        ("docker.io/qdrant/qdrant:v1", "qdrant/qdrant:v1"),
        ("docker.n8n.io/n8nio/n8n:2", "docker.n8n.io/n8nio/n8n:2"),
        ("localhost:5000/a", "localhost:5000/a:latest"),
        (f"nginx@{DIGEST}", f"nginx@{DIGEST}"),
        (f"nginx:1@{DIGEST}", f"nginx@{DIGEST}"),
    ],
)
def test_an_image_that_is_there_passes_however_it_is_named(image: str, listed: str) -> None:
    assert judged(image, {listed}).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("image", "listed"),
    [("nginx:1", "nginx:2"), ("nginx", "nginx:1"), (f"nginx:1@{DIGEST}", "nginx:1"), ("localhost:5000/a", "a:latest"), ("a:1", "b/a:1")],
)  # fmt: skip
def test_another_image_is_another(image: str, listed: str) -> None:
    finding = judged(image, {listed})
    assert finding.verdict is Verdict.WARN
    assert f"docker pull {image}" in finding.remedy


def test_a_missing_image_fails_where_nothing_can_be_pulled() -> None:
    assert judged("nginx:1", set(), offline=True).verdict is Verdict.FAIL
    assert judged("nginx:1", {"nginx:1"}, offline=True).verdict is Verdict.PASS


def test_a_missing_image_fails_where_pulling_is_forbidden() -> None:
    assert judged("nginx:1", set(), pull_policy="never").verdict is Verdict.FAIL
    assert judged("nginx:1", set(), pull_policy="always").verdict is Verdict.WARN


def test_what_compose_builds_is_not_missed() -> None:
    assert judged(None, set(), build={"context": "."}).verdict is Verdict.PASS
