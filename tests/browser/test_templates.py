"""What an operator tries out in JupyterLab never becomes what automation runs. In a real Chromium."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.lab import open_notebook, picture, serve_lab
from tests.checkout import Checkout

pytestmark = [pytest.mark.engine, pytest.mark.browser]


@pytest.fixture(scope="module")
def lab(checkout: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve_lab(checkout.root, checkout.environ, tmp_path_factory.mktemp("jupyter") / "home") as base:
        yield base


def test_an_edited_parameter_is_not_saved_by_hand_or_by_closing(lab: str, checkout: Checkout) -> None:
    notebook = checkout.root / "notebooks/status.ipynb"
    shipped = notebook.read_bytes()
    with open_notebook(lab, "status.ipynb") as page:
        line = page.locator(".cm-line", has_text="yes or full: look at").first
        line.click()
        page.keyboard.press("End")
        page.keyboard.type("  # tried out")
        expect(page.get_by_text("# tried out")).to_be_visible()
        page.keyboard.press("Control+s")
        expect(page.get_by_text("is read-only. Use").first).to_be_visible()
        picture(page, "not-written")
        assert notebook.read_bytes() == shipped
        status = page.evaluate(
            """async path => {
                const token = new URL(location.href).searchParams.get("token") || "for-this-test-only";
                const head = {"Authorization": "token " + token, "Content-Type": "application/json"};
                const model = await (await fetch("/api/contents/" + path + "?content=1", {headers: head})).json();
                model.content.cells[1].source += "\\n# by the API";
                const done = await fetch("/api/contents/" + path, {method: "PUT", headers: head,
                                          body: JSON.stringify(model)});
                return [model.writable, done.status, (await done.json()).message];
            }""",
            "notebooks/status.ipynb",
        )
    assert status[:2] == [False, 403]
    assert "is what automation runs" in status[2]
    assert notebook.read_bytes() == shipped


def test_a_notebook_that_was_edited_all_the_same_is_refused_and_recorded(checkout: Checkout) -> None:
    notebook = checkout.root / "notebooks/start.ipynb"
    shipped = notebook.read_text()
    notebook.write_text(shipped.replace('rehearse: str = \\"no\\"', 'rehearse: str = \\"yes\\"'))
    assert notebook.read_text() != shipped
    try:
        command = ["papermill", "notebooks/start.ipynb", "-p", "env", "development"]
        done = subprocess.run(
            command, cwd=checkout.root, env=checkout.environ, capture_output=True, text=True, check=False
        )
    finally:
        notebook.write_text(shipped)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "found code cells that are not the shipped ones (number 1;" in done.stderr
    assert checkout.last()[1]["ended_by"] == "UsageError"
    assert checkout.containers() == {}
