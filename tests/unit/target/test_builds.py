"""The own images are built where nobody names them, each under a tag that changes with what goes into it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from opskit.paths import IMAGES
from opskit.target import builds
from opskit.target.builds import choose_builds

DEMANDED = frozenset({"MULTIMODAL_WORKER_IMAGE", "RETRIEVAL_PROXY_IMAGE", "TLS_DIR"})


def test_what_is_named_or_not_demanded_is_not_built() -> None:
    assert choose_builds(frozenset({"TLS_DIR"}), lambda _: "").environ == {}
    named = choose_builds(DEMANDED, lambda name: "registry/worker:1" if name.startswith("MULTI") else "")
    assert [path.name for path in named.overlays] == ["docker-compose.build-retrieval-proxy.yml"]
    assert named.environ.keys() == {"RETRIEVAL_PROXY_IMAGE"}
    assert named.environ["RETRIEVAL_PROXY_IMAGE"].startswith("opskit/retrieval-proxy:")


@pytest.mark.parametrize(
    ("changed", "both"),
    [
        ("shared/service.py", True),
        ("retrieval-proxy/Dockerfile", False),
        ("retrieval-proxy/requirements.lock", False),
        ("retrieval-proxy/app.py", False),
    ],
)
def test_a_change_of_what_goes_in_is_another_tag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str, both: bool
) -> None:
    shutil.copytree(IMAGES, tmp_path / "images")
    monkeypatch.setattr(builds, "IMAGES", tmp_path / "images")
    before = choose_builds(DEMANDED, lambda _: "").environ
    (tmp_path / "images/retrieval-proxy/openapi.json").write_text("{}")
    assert choose_builds(DEMANDED, lambda _: "").environ == before
    with (tmp_path / "images" / changed).open("a") as file:
        file.write("\n# changed\n")
    after = choose_builds(DEMANDED, lambda _: "").environ
    assert after["RETRIEVAL_PROXY_IMAGE"] != before["RETRIEVAL_PROXY_IMAGE"]
    assert (after["MULTIMODAL_WORKER_IMAGE"] != before["MULTIMODAL_WORKER_IMAGE"]) is both
