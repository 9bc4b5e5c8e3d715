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
from tests.browser.lab import button, open_page, open_with, serve_lab
from tests.checkout import Checkout

pytestmark = [pytest.mark.engine, pytest.mark.browser]

ALIKE = {"development", "staging", "testing", "performance", "monitoring", "optimized"}
"""Environments whose notebook docs/environments.py writes as it writes production's: they are not opened here."""
PAGES = [
    path.relative_to(NOTEBOOKS).as_posix() for path in sorted(NOTEBOOKS.rglob("*.ipynb")) if path.stem not in ALIKE
]
OURS = [".jp-OutputArea-output", ".jp-MarkdownOutput"]
"""What a notebook of ours shows; the rest of the page is JupyterLab's own."""
RED = ".jp-OutputArea-output:is([data-mime-type$='jupyter.error'], [data-mime-type$='jupyter.stderr'])"
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
    open_with(page, lab, notebook, {} if "/" in notebook else {"env": "development", "rehearse": "yes"})
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
    assert page.locator(RED).all_inner_texts() == []
    assert not wrong, "\n".join(wrong)


ACTS = [
    ("restart", {"services": "redis"}, "Restart", "Restart them?", "", "✔ DONE"),
    ("gpu", {"confirm": "development:auto"}, "Write", "Write it?", "", "✔ DONE"),
    ("clean", {"mode": "auto"}, "Clean", "Remove it?", "", "✔ DONE"),
    ("secrets", {"action": "recover"}, "Recover", "Recover?", "the project", "✔ DONE"),
    ("snapshot", {}, "Snapshot", "Snapshot?", "", "✔ DONE"),
    ("drill", {}, "Drill", "Drill?", "", "✔ DONE"),
    ("first_run", {"confirm": "the project"}, "Wipe", "Wipe it?", "the project", "✔ DONE"),
]
"""Notebook, its parameters, the button, its question, what is typed, and the word at its end."""


@pytest.mark.parametrize(("act", "given", "label", "question", "typed", "word"), ACTS, ids=lambda value: str(value)[:9])
def test_each_act_is_a_recorded_run_behind_a_button_that_asks(  # noqa: PLR0917  as the table has them
    page: Page,
    lab: str,
    checkout: Checkout,
    act: str,
    given: dict[str, str],
    label: str,
    question: str,
    typed: str,
    word: str,
) -> None:
    page.set_viewport_size({"width": 1400, "height": 1500})
    names = {"the project": checkout.project}
    values = {name: names.get(value, value) for name, value in given.items()}
    before = checkout.last()[0]
    open_with(page, lab, f"{act}.ipynb", {"env": "development", "rehearse": "yes", **values})
    assert checkout.last()[0] == before, "Run All does nothing"
    button(page, label).click()
    page.wait_for_timeout(700)
    if typed:
        page.locator(".jp-Cell-outputArea input[type=text]:visible").fill(names[typed])
        page.wait_for_timeout(300)
    button(page, question).click()
    expect(page.locator(".jp-Cell-outputArea").get_by_text(word)).to_be_visible(timeout=180_000)
    keep(page, f"act-{act}")
    folder, record = checkout.last()
    assert (record["act"], record["ok"], record["rehearsal"]) == (act, True, True), folder


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
