"""The panel under an impatient hand, in a real JupyterLab in a real Chromium; no Docker Engine is in its reach."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.lab import button, choose, open_more, open_notebook, picture, serve_lab

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
PANEL = """
import sys
from pathlib import Path

from opskit.audit.journal import open_run_folder, read_journal
from opskit.audit.parameters import describe_parameters
from opskit.audit.runner import read_notebook
from opskit.process import start_detached
from opskit.show.panel import Looked, Panel


def start(notebook, parameters):
    folder = open_run_folder(Path("runs"), environment=parameters["env"], act=notebook)
    return folder, start_detached((sys.executable, "act.py", str(folder)), log=folder / "log")


Panel(
    [("development", "for work"), ("production", "for all")],
    describe_parameters(read_notebook("start")),
    {"env": "development"},
    {"gpu": ("auto", "dual", "single", "cpu"), "rehearse": ("no", "yes", "full")},
    start=start,
    read=lambda folder, seen: read_journal(folder, skip=seen),
    look=lambda parameters: Looked("nothing blocks it", may_launch=True),
).widget
"""
ACT = """
import signal, sys, time
from pathlib import Path

from opskit.audit.journal import Journal

folder = Path(sys.argv[1])
journal = Journal(folder)
interrupts = 0


def on_interrupt(*_):
    global interrupts
    interrupts += 1
    (folder / "interrupts").write_text(str(interrupts))


signal.signal(signal.SIGINT, on_interrupt)
journal.write("phase_started", phase="preflight")
while folder.exists() and not (folder / "end").exists() and interrupts < (2 if Path("stubborn").exists() else 1):
    time.sleep(0.05)
time.sleep(1)
journal.write("ended", ok=not interrupts)
if interrupts:
    journal.write("failure", message="cancelled: what was started is still there")
"""


class Runs:
    """What the panel of the page has started."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __call__(self) -> list[Path]:
        return sorted(self.root.glob("runs/*/*/*"))

    @property
    def only(self) -> Path:
        (folder,) = self()
        return folder

    def interrupts(self) -> int:
        told = self.only / "interrupts"
        return int(told.read_text()) if told.exists() else 0


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("checkout")
    for name in ("compose", "configs", "notebooks"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    cells = [nbformat.v4.new_code_cell(PANEL)]  # type: ignore[no-untyped-call]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})  # type: ignore[no-untyped-call]
    nbformat.write(notebook, root / "notebooks/clicks.ipynb")  # type: ignore[no-untyped-call]
    (root / "notebooks/act.py").write_text(ACT)
    return root


@pytest.fixture(scope="module")
def lab(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    environ = {**os.environ, "OPSKIT_ROOT": str(root), "DOCKER_HOST": f"unix://{root}/no.sock", "PYTHONPATH": str(ROOT)}
    environ.pop("OPSKIT_RUN_FOLDER", None)
    with serve_lab(root, environ, tmp_path_factory.mktemp("jupyter") / "home") as base:
        yield base


@pytest.fixture
def page(lab: str, root: Path) -> Iterator[Page]:
    (root / "notebooks/stubborn").unlink(missing_ok=True)
    shutil.rmtree(root / "notebooks/runs", ignore_errors=True)
    with open_notebook(lab, "clicks.ipynb") as opened:
        choose(opened)
        yield opened
    for folder in root.glob("notebooks/runs/*/*/*"):
        (folder / "end").touch()


@pytest.fixture
def runs(root: Path) -> Runs:
    return Runs(root / "notebooks")


def keep_kernel_busy(page: Page, seconds: float) -> None:
    page.evaluate(
        "code => { window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute({code});"
        " return 1 }",
        f"import time; time.sleep({seconds})",
    )


def view(page: Page, text: str) -> Locator:
    return page.locator(".jp-Cell-outputArea .widget-html").filter(has_text=text)


def test_clicks_of_launch_that_a_busy_kernel_queued_start_one_run_and_lock_the_choice(page: Page, runs: Runs) -> None:
    selects = page.locator(".jp-Cell-outputArea select")
    keep_kernel_busy(page, 2)
    for _ in range(3):
        button(page, "Launch").dispatch_event("click")
    expect(view(page, "Running")).to_be_visible()
    expect(button(page, "Launch")).to_be_disabled()
    expect(selects.nth(0)).to_be_disabled()
    expect(selects.nth(1)).to_be_disabled()
    for box in page.locator(".jp-Cell-outputArea input[type=checkbox]").all():
        expect(box).to_be_disabled()
    picture(page, "locked")
    (runs.only / "end").touch()
    expect(view(page, "✔ READY")).to_be_visible()
    expect(button(page, "Launch")).to_be_enabled()
    expect(selects.nth(0)).to_be_enabled()
    assert len(runs()) == 1


def test_a_double_click_does_not_launch_production_and_a_later_click_does(page: Page, runs: Runs) -> None:
    choose(page, env="production")
    expect(view(page, "for all")).to_be_visible()
    keep_kernel_busy(page, 2)
    button(page, "Launch").dblclick()
    expect(view(page, "Click again within 10 s")).to_be_visible()
    picture(page, "question")
    assert runs() == []
    page.wait_for_timeout(700)
    button(page, "Launch production?").click()
    expect(view(page, "Running")).to_be_visible()
    assert "production" in runs.only.name


def test_a_double_click_of_stop_interrupts_a_launch_once_and_it_is_not_called_failed(page: Page, runs: Runs) -> None:
    button(page, "Launch").click()
    expect(view(page, "preflight")).to_be_visible()
    button(page, "End launch").dblclick()
    expect(button(page, "Ending")).to_be_disabled()
    expect(view(page, "STOPPED BY YOU")).to_be_visible()
    expect(view(page, "what was started is still there")).to_be_visible()
    picture(page, "stopped-by-you")
    expect(button(page, "End launch")).to_be_disabled()
    assert runs.interrupts() == 1


def test_a_double_click_takes_nothing_down_and_a_later_click_does(page: Page, runs: Runs) -> None:
    keep_kernel_busy(page, 2)
    button(page, "Take down").dblclick()
    expect(view(page, "to take development down; its data is kept")).to_be_visible()
    assert runs() == []
    picture(page, "down-question")
    page.wait_for_timeout(700)
    button(page, "Take development down?").click()
    expect(view(page, "Running")).to_be_visible()
    expect(button(page, "End launch")).to_be_disabled()
    (runs.only / "end").touch()
    expect(view(page, "✔ STOPPED")).to_be_visible()
    assert runs.only.name.endswith("-stop")
    assert runs.interrupts() == 0


def test_production_is_taken_down_only_by_its_name(page: Page, runs: Runs) -> None:
    page.locator(".jp-Cell-outputArea select").nth(0).select_option("production")
    button(page, "Take down").click()
    expect(view(page, "Type production beside the button")).to_be_visible()
    page.wait_for_timeout(700)
    button(page, "Take production down?").click()
    page.wait_for_timeout(500)
    assert runs() == []
    page.get_by_placeholder("type production").fill("production")
    picture(page, "down-production")
    button(page, "Take production down?").click()
    expect(view(page, "Running")).to_be_visible()
    assert "production-stop" in runs.only.name


def test_a_launch_that_ignores_an_interrupt_can_be_stopped_at_once(page: Page, runs: Runs, root: Path) -> None:
    (root / "notebooks/stubborn").touch()
    button(page, "Launch").click()
    expect(view(page, "preflight")).to_be_visible()
    button(page, "End launch").click()
    began = time.monotonic()
    expect(button(page, "End at once")).to_be_enabled(timeout=30_000)
    assert time.monotonic() - began > 19
    button(page, "End at once").click()
    expect(view(page, "STOPPED BY YOU")).to_be_visible()
    assert runs.interrupts() == 2


def test_a_start_that_is_refused_is_told_and_launch_works_once_it_is_mended(page: Page, runs: Runs, root: Path) -> None:
    (root / "notebooks/runs").write_text("a file where a folder is wanted")
    button(page, "Launch").click()
    expect(view(page, "Not started: making a run's folder in runs: Not a directory")).to_be_visible()
    expect(button(page, "Launch")).to_be_enabled()
    picture(page, "refused")
    (root / "notebooks/runs").unlink()
    button(page, "Launch").click()
    expect(view(page, "Running")).to_be_visible()
    assert len(runs()) == 1


def test_a_torn_line_is_told_and_the_run_is_followed_to_its_end(page: Page, runs: Runs) -> None:
    button(page, "Launch").click()
    expect(view(page, "preflight")).to_be_visible()
    with (runs.only / "events.jsonl").open("a") as journal:
        journal.write('{"at": 1, "kind": "serv\n')
    expect(view(page, "1 line(s) of its journal cannot be read")).to_be_visible()
    (runs.only / "end").touch()
    expect(view(page, "✔ READY")).to_be_visible()
    expect(button(page, "Launch")).to_be_enabled()


@pytest.fixture
def start_page(lab: str) -> Iterator[Page]:
    with open_notebook(lab, "start.ipynb") as opened:
        expect(button(opened, "Launch")).to_be_visible()
        yield opened


def test_what_preflight_refuses_is_told_with_its_remedy_and_cannot_be_launched(start_page: Page, root: Path) -> None:
    button(start_page, "Preflight and plan").click()
    expect(view(start_page, "Preflight:")).to_contain_text("engine-reachable", timeout=60_000)
    expect(button(start_page, "Preflight and plan")).to_be_enabled()
    expect(button(start_page, "Launch")).to_be_disabled()
    picture(start_page, "failed")
    assert not list(root.glob("audit/*/*/*"))


def test_a_wrong_parameter_is_told_in_the_panel_and_no_cell_is_red(start_page: Page) -> None:
    expect(start_page.locator(".jp-OutputArea-output[data-mime-type*=stderr]")).to_have_count(0)
    expect(start_page.locator(".jp-RenderedText[data-mime-type*=error]")).to_have_count(0)
    open_more(start_page)
    field = start_page.get_by_role("textbox", name="overlays")
    field.fill("docker-compose.prometeus-grafana.yml")
    field.press("Enter")
    button(start_page, "Preflight and plan").click()
    expect(view(start_page, "Not possible")).to_contain_text("Did you mean docker-compose.prometheus-grafana.yml")
    picture(start_page, "parameters")
