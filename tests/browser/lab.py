"""JupyterLab as a server of its own, and a notebook of it in a real Chromium."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

from tests.checkout import free_ports

TOKEN = "for-this-test-only"
PICTURES = os.environ.get("OPSKIT_PICTURES")
CONFIG = f"""
c.ServerApp.ip = "127.0.0.1"
c.ServerApp.port_retries = 0
c.ServerApp.open_browser = False
c.ServerApp.allow_root = True
c.IdentityProvider.token = "{TOKEN}"
c.LabApp.expose_app_in_browser = True
c.KernelManager.transport_encryption = "required"
"""

# The scroll comes some 100 ms after the last cell has ended: a mouse that is down then is let go on something else.
RUN_CELLS = """async () => {
  await window.jupyterapp.commands.execute('notebook:run-all-cells');
  const outer = document.querySelector('.jp-WindowedPanel-outer');
  for (let still = 0, before; still < 10;) {
    await new Promise(done => setTimeout(done, 100));
    const now = outer.scrollTop + '/' + outer.scrollHeight;
    still = now === before ? still + 1 : 0;
    before = now;
  }
}"""

SET_PARAMETERS = """values => {
  const cells = window.jupyterapp.shell.currentWidget.content.model.cells;
  for (const cell of cells) {
    if (!(cell.getMetadata('tags') || []).includes('parameters')) continue;
    let text = cell.sharedModel.getSource();
    for (const [name, value] of Object.entries(values))
      text = text.replace(new RegExp('^(' + name + ': [^=]*)= "[^"]*"', 'm'), '$1= "' + value + '"');
    cell.sharedModel.setSource(text);
  }
}"""


@contextmanager
def serve_lab(root: Path, environ: Mapping[str, str], home: Path) -> Iterator[str]:
    """JupyterLab on a checkout, with settings of its own under `home`; its address."""
    home.mkdir()
    (home / "jupyter_lab_config.py").write_text(CONFIG)  # not by --config: the environment's own is read beside it
    (home / "labconfig").mkdir()
    off = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    (home / "labconfig/page_config.json").write_text(json.dumps(off))
    port = free_ports(1)[0]
    own = {f"JUPYTER_{name}_DIR": str(home / name.lower()) for name in ("DATA", "RUNTIME")}
    own |= {f"JUPYTERLAB_{name}_DIR": str(home / name.lower()) for name in ("SETTINGS", "WORKSPACES")}
    command = [sys.executable, "-m", "jupyter", "lab", f"--ServerApp.port={port}"]
    env = {**environ, **own, "JUPYTER_CONFIG_DIR": str(home)}
    with (
        (home / "log").open("w") as log,
        subprocess.Popen(command, cwd=root, env=env, stdout=log, stderr=log) as server,
    ):
        base = f"http://127.0.0.1:{port}"
        try:
            wait_for(base)
            yield base
        finally:
            server.terminate()


def wait_for(base: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"{base}/api?token={TOKEN}", timeout=2).close()
        except (TimeoutError, urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
        else:
            return
    pytest.fail("JupyterLab did not answer within 60 s")


@contextmanager
def open_page() -> Iterator[Page]:
    """An empty page in Chromium."""
    chromium = shutil.which("chromium")
    if chromium is None:
        if os.environ.get("OPSKIT_REQUIRE_BROWSER"):
            pytest.fail("Chromium is required: apt-get install chromium")
        pytest.skip("no Chromium here: apt-get install chromium")
    flags = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=flags)
        yield browser.new_page(viewport={"width": 1300, "height": 1100})
        browser.close()


@contextmanager
def open_notebook(lab: str, notebook: str) -> Iterator[Page]:
    """A notebook, every cell run to its end."""
    with open_page() as opened:
        run_notebook(opened, lab, notebook)
        yield opened


def run_notebook(opened: Page, lab: str, notebook: str) -> None:
    """Open a notebook in a page, and run every cell to its end."""
    opened.set_default_timeout(60_000)
    opened.goto(f"{lab}/lab/workspaces/t{time.time_ns()}/tree/notebooks/{notebook}?reset&token={TOKEN}")
    wait_for_notebook(opened)
    run_cells(opened)


def open_with(opened: Page, lab: str, notebook: str, values: Mapping[str, str]) -> None:
    """Open a notebook, give its parameters other values where it has them, and run every cell to its end."""
    opened.goto(f"{lab}/lab/workspaces/t{time.time_ns()}/tree/notebooks/{notebook}?reset&token={TOKEN}")
    wait_for_notebook(opened)
    opened.evaluate(SET_PARAMETERS, dict(values))
    run_cells(opened)


def run_cells(opened: Page) -> None:
    """Run every cell of the page's notebook to its end, and until JupyterLab has scrolled to the last of them."""
    opened.evaluate(RUN_CELLS)


def wait_for_notebook(opened: Page) -> None:
    """Until the notebook of the page is there, with its kernel."""
    opened.wait_for_selector("#jupyterlab-splash", state="detached")
    opened.wait_for_selector(".jp-NotebookPanel .jp-Cell")
    opened.evaluate(
        "async () => { const w = window.jupyterapp.shell.currentWidget; await w.context.ready;"
        " await w.sessionContext.ready; await w.sessionContext.session.kernel.info; return 1 }"
    )


def run_cell(page: Page, place: int) -> None:
    """Run one cell again, counted from 0."""
    page.evaluate(
        "async place => { const app = window.jupyterapp; app.shell.currentWidget.content.activeCellIndex = place;"
        " await app.commands.execute('notebook:run-cell') }",
        place,
    )


def button(page: Page, name: str) -> Locator:
    return page.locator(".jp-Cell-outputArea").get_by_role("button", name=name, exact=True)


def choose(page: Page, *, env: str = "", rehearse: str = "") -> None:
    """Choose in the panel, and let it look, so that Launch can be pressed."""
    selects = page.locator(".jp-Cell-outputArea select")
    for number, value in ((0, env), (2, rehearse)):
        if value:
            selects.nth(number).select_option(value)
    button(page, "Preflight and plan").click()
    expect(button(page, "Preflight and plan")).to_be_enabled(timeout=120_000)
    try:
        expect(button(page, "Launch")).to_be_enabled(timeout=120_000)
    except AssertionError as error:
        said = page.locator(".jp-Cell-outputArea").all_inner_texts()
        raise AssertionError(f"{error}\nThe page says: {said}") from None


def open_more(page: Page) -> None:
    """Open the panel's other parameters. What a picture above moves while the mouse is down is no click: again, then."""
    field = page.get_by_role("textbox", name="overlays")
    for _ in range(3):
        page.get_by_text("More parameters").click()
        try:
            expect(field).to_be_visible(timeout=5_000)
        except AssertionError:
            continue
        return
    expect(field).to_be_visible(timeout=1)


def picture(page: Page, name: str) -> None:
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"panel-{name}.png")
