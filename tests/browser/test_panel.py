"""The start notebook in a real JupyterLab in a real Chromium: the panel launches, watches and stops. A rehearsal."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

from tests.checkout import Checkout, free_ports

pytestmark = [pytest.mark.engine, pytest.mark.browser]

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


@pytest.fixture(scope="module")
def lab(checkout: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """JupyterLab on the checkout, with settings of its own; its address."""
    home = tmp_path_factory.mktemp("jupyter")
    (home / "config.py").write_text(CONFIG)
    (home / "labconfig").mkdir()
    off = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    (home / "labconfig/page_config.json").write_text(json.dumps(off))
    port = free_ports(1)[0]
    own = {f"JUPYTER_{name}_DIR": str(home / name.lower()) for name in ("DATA", "RUNTIME")}
    own |= {f"JUPYTERLAB_{name}_DIR": str(home / name.lower()) for name in ("SETTINGS", "WORKSPACES")}
    command = [sys.executable, "-m", "jupyter", "lab", f"--config={home}/config.py", f"--ServerApp.port={port}"]
    env = {**checkout.environ, **own, "JUPYTER_CONFIG_DIR": str(home)}
    with (
        (home / "log").open("w") as log,
        subprocess.Popen(command, cwd=checkout.root, env=env, stdout=log, stderr=log) as server,
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


@pytest.fixture
def page(lab: str) -> Iterator[Page]:
    """The start notebook, every cell run."""
    chromium = shutil.which("chromium")
    if chromium is None:
        if os.environ.get("OPSKIT_REQUIRE_BROWSER"):
            pytest.fail("Chromium is required: apt-get install chromium")
        pytest.skip("no Chromium here: apt-get install chromium")
    flags = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=flags)
        opened = browser.new_page(viewport={"width": 1300, "height": 1100})
        opened.set_default_timeout(60_000)
        opened.goto(f"{lab}/lab/workspaces/t{time.time_ns()}/tree/notebooks/start.ipynb?reset&token={TOKEN}")
        opened.wait_for_selector("#jupyterlab-splash", state="detached")
        opened.wait_for_selector(".jp-NotebookPanel .jp-Cell")
        opened.evaluate(
            "async () => { const w = window.jupyterapp.shell.currentWidget; await w.context.ready;"
            " await w.sessionContext.ready; await w.sessionContext.session.kernel.info; return 1 }"
        )
        opened.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); return 1 }")
        yield opened
        browser.close()


def button(page: Page, name: str) -> Locator:
    return page.locator(".jp-Cell-outputArea").get_by_role("button", name=name, exact=True)


def picture(page: Page, name: str) -> None:
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"panel-{name}.png")


def test_the_panel_launches_watches_and_stops(page: Page, checkout: Checkout) -> None:
    shown = page.locator(".jp-Cell-outputArea")
    expect(button(page, "Launch")).to_be_visible()
    picture(page, "idle")
    shown.get_by_role("checkbox").first.check()
    button(page, "Launch").click()
    expect(shown.get_by_text("Running").first).to_be_visible()
    expect(button(page, "Launch")).to_be_disabled()
    expect(shown.get_by_text("services ready")).to_be_visible(timeout=120_000)
    picture(page, "running")
    expect(shown.get_by_text("✔ READY")).to_be_visible(timeout=180_000)
    expect(shown.get_by_text("REHEARSAL").first).to_be_visible()
    picture(page, "ready")
    folder, record = checkout.last()
    assert (record["act"], record["ok"], record["parameters"]["env"]) == ("start", True, "development")
    assert (folder / "start.ipynb").exists()
    assert len(checkout.containers()) == 11

    expect(button(page, "Launch")).to_be_enabled()
    button(page, "Stop").click()
    expect(shown.get_by_text("✔ STOPPED")).to_be_visible(timeout=120_000)
    picture(page, "stopped")
    assert checkout.containers() == {}
    assert checkout.last()[1]["act"] == "stop"


def test_stop_ends_a_launch_in_progress_and_it_is_recorded(page: Page, checkout: Checkout) -> None:
    shown = page.locator(".jp-Cell-outputArea")
    shown.get_by_role("checkbox").first.check()
    button(page, "Launch").click()
    expect(shown.get_by_text("services ready")).to_be_visible(timeout=120_000)
    button(page, "Stop").click()
    expect(shown.get_by_text("■ STOPPED BY YOU")).to_be_visible(timeout=60_000)
    picture(page, "interrupted")
    assert "interrupted" in json.dumps(checkout.last()[1]["outcome"])
