"""A first launch whose image comes slowly, in a real JupyterLab in a real Chromium: the panel shows how far it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.lab import button, choose, open_notebook, picture, serve_lab
from tests.checkout import LABEL, Checkout, remove_project
from tests.registry_server import Registry, build_program, paced

pytestmark = [pytest.mark.engine, pytest.mark.browser]
FAR = re.compile(r"[\d.]+ \w?B of [\d.]+ \w?B")


@pytest.fixture
def image(gcc: str, tmp_path: Path, checkout: Checkout) -> Iterator[str]:
    """The name of an image of 6 MB that comes in 20 pieces over 10 s."""
    registry = Registry()
    name = registry.serve_program(build_program(gcc, tmp_path), padding=6_000_000, pace=paced(20, 0.5))
    yield name
    registry.close()
    remove_project(checkout.engine, f"{checkout.prefix}-development")
    for found in checkout.engine.images.list():
        if name in found.tags:
            checkout.engine.images.remove(str(found.id), force=True)


@pytest.fixture
def page(image: str, checkout: Checkout, tmp_path: Path) -> Iterator[Page]:
    service = f"{{image: '{image}', stop_grace_period: 0s, restart: always}}"
    (checkout.root / "compose/slow.yml").write_text(f"services: {{slow: {service}}}\n")
    (checkout.root / "configs/environments.yaml").write_text(
        f"project_prefix: {checkout.prefix}\n"
        "environments:\n  development: {purpose: try, compose: [slow.yml], memory_gib: 1}\n"
    )
    with (
        serve_lab(checkout.root, checkout.environ, tmp_path / "home") as lab,
        open_notebook(lab, "start.ipynb") as page,
    ):
        yield page


def test_the_panel_tells_how_far_a_slow_pull_is_and_then_that_it_is_ready(page: Page, checkout: Checkout) -> None:
    shown = page.locator(".jp-Cell-outputArea")
    choose(page)
    button(page, "Launch").click()
    running = shown.get_by_text("Running").first
    expect(running).to_be_visible(timeout=60_000)
    told: list[str] = []
    while not shown.get_by_text("✔ READY").count() and len(told) < 400:
        texts = [element.inner_text() for element in shown.all() if "Running" in element.inner_text()]
        told += [hit[0] for text in texts for hit in FAR.finditer(text)]
        if len(set(told)) == 3:
            picture(page, "pulling")
        assert not shown.get_by_text("✘ FAILED").count(), texts
        page.wait_for_timeout(200)
    assert len(set(told)) >= 4, "the bytes that are there, while they come"
    expect(shown.get_by_text("✔ READY")).to_be_visible()
    (box,) = checkout.engine.containers.list(filters={"label": f"{LABEL}={checkout.prefix}-development"})
    assert box.labels["com.docker.compose.service"] == "slow"
