"""A tag that moved: what is locked by digest stays what it was, asked of a real Engine and Compose."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from opskit.compose.model import parse_stack
from opskit.engine.pulls import read_image, read_present
from opskit.launch import launch_project
from opskit.release.digests import locked_images
from opskit.release.release import Image, Release, read_running
from tests.checkout import Checkout, remove_project
from tests.registry_server import Registry

if TYPE_CHECKING:
    from docker import DockerClient

pytestmark = pytest.mark.engine


@pytest.fixture
def launch(engine: DockerClient, engine_host: str, tmp_path: Path) -> Iterator[Callable[[str], Image]]:
    """Launch one service of an image, and say what it runs."""
    name, file = f"opskit-test-{uuid.uuid4().hex[:8]}", tmp_path / "compose.yml"

    def launched(image: str) -> Image:
        file.write_text(f"services:\n  a: {{image: '{image}', stop_grace_period: 0s}}\n")
        assert launch_project(file, name, engine_host=engine_host).failures == ()
        return read_running(engine, name)[0]["a"]

    yield launched
    remove_project(engine, name)
    for one in engine.images.list():
        if any(told.startswith("127.0.0.1:") for told in (*one.tags, *one.attrs["RepoDigests"])):
            engine.images.remove(str(one.id), force=True)


def test_what_is_locked_runs_though_its_tag_has_moved(
    engine: DockerClient, registry: Registry, launch: Callable[[str], Image], program: bytes
) -> None:
    image = registry.serve_program(program)
    first = launch(image)
    told = tuple((read_image(engine, first.id) or {})["RepoDigests"])
    ran = Release(Path("r1"), "run", "", (), {}, {"a": Image(first.name, first.id, told)}, {})
    locked, _ = locked_images(parse_stack({"name": "p", "services": {"a": {"image": image}}}), ran)
    assert read_present(engine, locked.values()) == frozenset(locked.values()), "nothing is to be pulled"

    registry.serve_program(program, padding=100)
    repository, _, tag = image.rpartition(":")
    engine.images.pull(repository, tag)
    assert launch(image).id != first.id, "the tag is another image now"
    assert launch(locked["a"]).id == first.id


def test_a_lock_is_merged_and_one_that_does_not_fit_forbids_a_start(checkout: Checkout) -> None:
    path = checkout.root / "configs/locks/staging.yml"
    path.parent.mkdir()
    digest = f"sha256:{'a' * 64}"
    tag = next(line.split()[1] for line in (checkout.root / "compose/services/datastores.yml").read_text().splitlines()
               if "image: postgres:" in line)  # fmt: skip
    path.write_text(f"services: {{postgres: {{image: '{tag}@{digest}'}}}}\n")
    try:
        shown = checkout.opskit("preflight", "staging", "--json")
        assert f"{tag}@{digest}" in shown.stdout
        path.write_text(f"services: {{postgres: {{image: 'postgres:1@{digest}'}}}}\n")
        said = checkout.opskit("preflight", "staging", "--json").stdout
        assert f"configs/locks/staging.yml: found postgres: postgres:1, where compose/ has {tag}" in said
        assert "`opskit lock staging` writes it again" in said
        none = checkout.opskit("lock", "staging")
        assert none.returncode == 2, none.stderr
        assert "found no release; wanted one, which `opskit start staging` keeps" in none.stderr
    finally:
        path.unlink()
