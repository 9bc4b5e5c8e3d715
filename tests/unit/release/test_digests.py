"""A lock names each image by the digest that a release ran, and is refused where it does not fit the files."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from opskit.compose.model import Stack, parse_stack
from opskit.errors import ConfigError
from opskit.release import digests
from opskit.release.digests import check_lock, lock_of, locked_images, write_lock
from opskit.release.release import Image, Release
from tests.facts import ENVIRONMENT

A, B = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"


def stack(**images: str) -> Stack:
    return parse_stack({"name": "p", "services": {name: {"image": image} for name, image in images.items()}})


def release(**images: Image) -> Release:
    return Release(Path("r1"), "run", "2026-11-29T00:00:00Z", (), {}, images, {})


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(digests, "ROOT", tmp_path)
    return tmp_path


def test_a_service_is_locked_to_what_its_tag_was_and_the_others_say_why_not() -> None:
    ran = release(
        redis=Image("redis:8", A, (f"redis@{A}",)),
        again=Image(f"redis:8@{B}", A, (f"redis@{B}",)),
        moved=Image(A, A, (f"redis@{A}",)),
        own=Image("worker:1", A),
        newer=Image("redis:8", A, (f"redis@{A}",)),
    )
    images, left = locked_images(
        stack(redis="redis:8", again="redis:8", moved="redis:8", own="worker:1", newer="redis:9", extra="x:1"), ran
    )
    assert images == {"redis": f"redis:8@{A}", "again": f"redis:8@{B}", "moved": f"redis:8@{A}"}
    assert left == {
        "own": "its image came from no registry",
        "newer": "it ran redis:8; the files have redis:9",
        "extra": "release r1 has no such service",
    }


def test_a_lock_is_an_overlay_that_says_where_it_is_from(root: Path) -> None:
    path = write_lock(ENVIRONMENT, release(), "multimodal-dev", {"redis": f"redis:8@{A}"})
    assert path == lock_of(ENVIRONMENT) == root / "configs/locks/staging.yml"
    text = path.read_text()
    assert "release r1 of multimodal-dev" in text
    assert yaml.safe_load(text) == {"services": {"redis": {"image": f"redis:8@{A}"}}}
    check_lock(path, stack(redis="redis:8", other="x:1"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"services: {{kibana: {{image: 'kibana:9@{A}'}}}}", "kibana, which is no service of p"),
        ("services: {redis: {image: 'redis:8'}}", "redis: redis:8, which has no digest"),
        (f"services: {{redis: {{image: 'redis:7@{A}'}}}}", "redis: redis:7, where compose/ has redis:8"),
        ("services: [", "no lock: "),
        ("services: {redis: {command: x}}", "no lock: KeyError: 'image'"),
        ("", "no lock: KeyError: 'services'"),
    ],
)
def test_a_lock_that_does_not_fit_is_refused_with_each_place(root: Path, text: str, said: str) -> None:
    path = lock_of(ENVIRONMENT)
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert path.is_relative_to(root)
    with pytest.raises(ConfigError) as caught:
        check_lock(path, stack(redis="redis:8"))
    assert str(caught.value).startswith(f"configs/locks/staging.yml: found {said}")
