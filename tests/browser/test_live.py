"""The live panel of the GPUs in a real JupyterLab in a real Chromium; a C library stands in for NVIDIA's."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Page, expect

from tests.browser.lab import button, open_notebook, picture, serve_lab
from tests.nvml.library import ROOT, compile_library

pytestmark = pytest.mark.browser

CELL = """
from opskit.gpu.sampler import Sampler
from opskit.show.live import LivePanel

LivePanel(Sampler, interval_s=0.3).widget
"""


@pytest.fixture
def page(gcc: str, tmp_path: Path) -> Iterator[Page]:
    root = tmp_path / "checkout"
    (root / "notebooks").mkdir(parents=True)
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [nbformat.v4.new_code_cell(CELL)]  # type: ignore[no-untyped-call]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})  # type: ignore[no-untyped-call]
    nbformat.write(notebook, root / "notebooks/live.ipynb")  # type: ignore[no-untyped-call]
    (tmp_path / "nvml").mkdir()
    folder = compile_library(gcc, tmp_path / "nvml")
    environ = {**os.environ, "LD_LIBRARY_PATH": str(folder), "PYTHONPATH": str(ROOT), "NVML_TRAFFIC": "900000:120000"}
    with serve_lab(root, environ, tmp_path / "home") as lab, open_notebook(lab, "live.ipynb") as opened:
        yield opened


def test_figures_are_redrawn_until_they_are_paused_and_again_when_they_are_resumed(page: Page) -> None:
    shown = page.locator(".jp-OutputArea")
    expect(shown.get_by_text("NVIDIA GeForce RTX 3090").first).to_be_visible()
    rate = shown.get_by_text(re.compile(r"\d GB/s")).first
    expect(rate).to_be_visible()
    picture(page, "live")
    redrawn = (
        "e => new Promise(done => new MutationObserver(() => done(1)).observe(e, {childList: true, subtree: true}))"
    )
    shown.first.evaluate(redrawn)
    button(page, "Pause").click()
    expect(shown.get_by_text("Paused", exact=True)).to_be_visible()
    before = shown.first.inner_text()
    page.wait_for_timeout(1500)
    assert shown.first.inner_text() == before
    button(page, "Resume").click()
    expect(shown.get_by_text("every 0.3 s", exact=False)).to_be_visible()
    shown.first.evaluate(redrawn)
