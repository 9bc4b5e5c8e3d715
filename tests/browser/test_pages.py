"""Every notebook in JupyterLab in Chromium, its cells run: wide and narrow, light and dark, as axe-core judges it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from opskit.compose.source import read_service_names
from opskit.paths import COMPOSE, NOTEBOOKS
from tests.browser.lab import TOKEN, open_page, serve_lab, wait_for_notebook
from tests.checkout import Checkout

pytestmark = [pytest.mark.engine, pytest.mark.browser]

PAGES = [path.relative_to(NOTEBOOKS).as_posix() for path in sorted(NOTEBOOKS.rglob("*.ipynb"))]
OURS = [".jp-OutputArea-output", ".jp-MarkdownOutput"]
"""What a notebook of ours shows; the rest of the page is JupyterLab's own."""
CHOSEN = """values => {
  const cells = window.jupyterapp.shell.currentWidget.content.model.cells;
  for (const cell of cells) {
    if (!(cell.getMetadata('tags') || []).includes('parameters')) continue;
    let text = cell.sharedModel.getSource();
    for (const [name, value] of Object.entries(values))
      text = text.replace(new RegExp('^(' + name + ': [^=]*)= "[^"]*"', 'm'), '$1= "' + value + '"');
    cell.sharedModel.setSource(text);
  }
}"""
TOO_WIDE = """() => [...document.querySelectorAll('.jp-OutputArea-output')]
  .filter(one => one.scrollWidth > one.clientWidth + 1)
  .map(one => one.innerText.slice(0, 80))"""


@pytest.fixture(scope="module")
def lab(checkout: Checkout, image_of: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """JupyterLab beside development in rehearsal, which is up."""
    for service in read_service_names([COMPOSE / "docker-compose.yml"]) or ():
        image_of(service)
    started = checkout.start()
    assert started.returncode == 0, started.stdout + started.stderr
    with serve_lab(checkout.root, checkout.environ, tmp_path_factory.mktemp("jupyter") / "home") as base:
        yield base


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with open_page() as opened:
        opened.set_default_timeout(60_000)
        yield opened


@pytest.mark.parametrize("notebook", PAGES)
def test_a_page_reads_at_both_widths_in_both_themes(page: Page, lab: str, notebook: str) -> None:
    page.set_viewport_size({"width": 1400, "height": 3000})
    open_chosen(page, lab, notebook)
    wrong = []
    for theme in ("Light", "Dark"):
        page.evaluate(
            "t => window.jupyterapp.commands.execute('apputils:change-theme', {theme: t})", f"JupyterLab {theme}"
        )
        page.wait_for_function("t => document.body.dataset.jpThemeName === t", arg=f"JupyterLab {theme}")
        for width in (1400, 700):
            page.set_viewport_size({"width": width, "height": 3000})
            page.evaluate("() => { const s = window.jupyterapp.shell; s.collapseLeft(); s.collapseRight(); }")
            page.wait_for_timeout(400)
            keep(page, f"{notebook.replace('/', '-').removesuffix('.ipynb')}-{width}-{theme.lower()}")
            wrong += [f"{theme} {width}: wider than the page: {text!r}" for text in page.evaluate(TOO_WIDE)]
            wrong += [f"{theme} {width}: {fault}" for fault in faults(page)]
    assert page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']").count() == 0
    assert not wrong, "\n".join(wrong)


def open_chosen(page: Page, lab: str, notebook: str) -> None:
    """Open it, choose the rehearsal that is up where it has such parameters, and run every cell."""
    page.goto(f"{lab}/lab/workspaces/auto-p/tree/notebooks/{notebook}?reset&token={TOKEN}")
    wait_for_notebook(page)
    page.evaluate(CHOSEN, {"env": "development", "rehearse": "yes"} if "/" not in notebook else {})
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); return 1 }")
    expect(page.get_by_text("[*]:")).to_have_count(0, timeout=120_000)


def faults(page: Page) -> list[str]:
    """What axe-core calls serious or critical of what is ours."""
    found: dict[str, Any] = Axe().run(page, context={"include": [[place] for place in OURS]}).response
    return [
        f"{one['id']}: {one['help']}: {node['html'][:160]} {node.get('failureSummary', '')[:200]}"
        for one in found["violations"]
        if one["impact"] in {"serious", "critical"}
        for node in one["nodes"][:2]
    ]


def keep(page: Page, name: str) -> None:
    if folder := os.environ.get("OPSKIT_PICTURES"):
        page.screenshot(path=Path(folder) / f"page-{name}.png", full_page=True)
