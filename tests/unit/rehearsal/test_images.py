from __future__ import annotations

import threading
import time

import pytest

from opskit.errors import EngineUnavailableError
from opskit.rehearsal.images import Recipe, _make_all, parse_version

# Paragraphs of /var/lib/dpkg/status on Debian 12.
STATUS = """Package: postgresql
Status: install ok installed
Architecture: all
Version: 15+248+deb12u1

Package: postgresql-15
Status: install ok installed
Description: The World's Most Advanced Open Source Relational Database
 PostgreSQL, also known as Postgres.
Version: 15.13-0+deb12u1

Package: redis-server
Version: 5:7.0.15-1~deb12u5

Package: prometheus
Version: 2.42.0+ds-5+b5
"""


@pytest.mark.parametrize(
    ("package", "version"),
    [
        (r"postgresql-\d+", "15.13"),
        ("redis-server", "7.0.15"),
        ("prometheus", "2.42.0"),
        ("nginx-light", "unknown"),
    ],
)
def test_the_upstream_version_is_told_without_epoch_and_revision(package: str, version: str) -> None:
    assert parse_version(STATUS, package) == version


RECIPES = [Recipe(f"service-{n}", None) for n in range(6)]


def test_images_are_made_two_at_once() -> None:
    pair = threading.Barrier(2, timeout=10)

    def make(recipe: Recipe) -> str:
        pair.wait()
        return f"image of {recipe.service}"

    assert _make_all(RECIPES, make) == {recipe.mark: f"image of {recipe.service}" for recipe in RECIPES}


def test_after_a_failure_no_other_image_is_begun() -> None:
    begun: list[str] = []

    def make(recipe: Recipe) -> str:
        begun.append(recipe.service)
        if len(begun) == 2:
            raise EngineUnavailableError("pip failed", "again")
        time.sleep(0.1)
        return ""

    with pytest.raises(EngineUnavailableError, match="pip failed"):
        _make_all(RECIPES, make)
    assert len(begun) == 2


def test_an_interrupt_waits_for_no_other_image() -> None:
    here, ended = threading.get_ident(), threading.Event()

    def make(_: Recipe) -> str:
        if threading.get_ident() == here:
            raise KeyboardInterrupt
        ended.wait(10)
        return ""

    begun = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            _make_all(RECIPES, make)
    finally:
        ended.set()
    assert time.monotonic() - begun < 5
