"""The start notebook in a real JupyterLab in a real Chromium: the panel launches, watches and stops. A rehearsal."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from opskit.compose.source import read_service_names
from opskit.paths import COMPOSE
from tests.browser.lab import (
    button,
    choose,
    open_more,
    open_notebook,
    picture,
    run_cell,
    run_notebook,
    serve_lab,
    wait_for_notebook,
)
from tests.checkout import Checkout

pytestmark = [pytest.mark.engine, pytest.mark.browser]


@pytest.fixture(scope="module")
def lab(checkout: Checkout, image_of: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    for service in read_service_names([COMPOSE / "docker-compose.yml"]) or ():
        image_of(service)  # made before anything is waited for: a first time takes minutes
    with serve_lab(checkout.root, checkout.environ, tmp_path_factory.mktemp("jupyter") / "home") as base:
        yield base


@pytest.fixture
def page(lab: str) -> Iterator[Page]:
    with open_notebook(lab, "start.ipynb") as opened:
        yield opened


def test_the_panel_launches_watches_and_stops(page: Page, checkout: Checkout) -> None:
    shown = page.locator(".jp-Cell-outputArea")
    expect(button(page, "Launch")).to_be_visible()
    expect(button(page, "Launch")).to_be_disabled()
    picture(page, "idle")
    choose(page, rehearse="yes")
    expect(shown.get_by_text(f"Plan for {checkout.project}").first).to_be_visible()
    picture(page, "looked")
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
    button(page, "Take down").click()
    page.wait_for_timeout(700)
    button(page, "Take development down?").click()
    expect(shown.get_by_text("✔ STOPPED")).to_be_visible(timeout=120_000)
    picture(page, "stopped")
    assert checkout.containers() == {}
    assert checkout.last()[1]["act"] == "stop"


def test_a_second_tab_shows_a_launch_in_progress_and_ends_it(page: Page, lab: str, checkout: Checkout) -> None:
    shown = page.locator(".jp-Cell-outputArea")
    assert page.context.browser is not None
    second = page.context.browser.new_page()
    run_notebook(second, lab, "start.ipynb")
    there = second.locator(".jp-Cell-outputArea")
    choose(page, rehearse="yes")
    button(page, "Launch").click()
    expect(shown.get_by_text("0 of 11 services ready")).to_be_visible(timeout=120_000)
    run_cell(second, 3)  # the panel's, as after a page was loaded again
    expect(there.get_by_text("services ready")).to_be_visible(timeout=60_000)
    expect(button(second, "Launch")).to_be_disabled()
    picture(second, "second-tab")
    button(second, "End launch").click()
    expect(there.get_by_text("■ STOPPED BY YOU")).to_be_visible(timeout=60_000)
    expect(button(page, "Launch")).to_be_enabled(timeout=60_000)
    expect(shown.get_by_text("■ STOPPED")).to_be_visible()
    assert "interrupted" in json.dumps(checkout.last()[1]["outcome"])


def halt(checkout: Checkout, env: str, service: str) -> None:
    """Halt a service's processes as soon as they are there: the launch waits for it until it is ended."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        box = checkout.containers(env).get(service)
        if box is not None and box.status == "running":
            for row in box.top(ps_args="-o pid")["Processes"]:
                os.kill(int(row[0]), signal.SIGSTOP)
            return
        time.sleep(0.05)
    pytest.fail(f"{service} was not started")


def test_production_is_chosen_confirmed_launched_reloaded_and_ended_from_a_second_tab(
    page: Page, lab: str, checkout: Checkout
) -> None:
    down = checkout.run("stop", "-p", "env", "dev", "-p", "rehearse", "yes")  # a launch that was ended holds the ports
    assert down.returncode == 0, down.stderr
    assert page.context.browser is not None
    second = page.context.browser.new_page()
    run_notebook(second, lab, "start.ipynb")
    choose(page, env="production", rehearse="yes")
    picture(page, "production-looked")
    button(page, "Launch").click()
    page.wait_for_timeout(700)
    picture(page, "production-question")
    button(page, "Launch production?").click()
    running = page.locator(".jp-Cell-outputArea").get_by_text("services ready")
    expect(running).to_be_visible(timeout=120_000)
    halt(checkout, "production", "vllm")
    for tab in (page, second):
        if tab is page:
            page.reload()
            wait_for_notebook(page)
            run_cell(page, 3)
            expect(button(page, "Preflight and plan")).to_be_visible()
        tab.locator(".jp-Cell-outputArea select").nth(0).select_option("production")
        expect(tab.locator(".jp-Cell-outputArea").get_by_text("services ready")).to_be_visible(timeout=60_000)
        expect(button(tab, "Launch")).to_be_disabled()
    picture(page, "production-reloaded")
    button(second, "End launch").click()
    expect(second.locator(".jp-Cell-outputArea").get_by_text("■ STOPPED BY YOU")).to_be_visible(timeout=60_000)
    for tab in (second, page):
        expect(button(tab, "Take down")).to_be_enabled(timeout=60_000)
    picture(second, "production-ended")
    record = checkout.last()[1]
    assert (record["environment"], record["ended_by"], record["rehearsal"]) == ("production", "KeyboardInterrupt", True)
    assert checkout.run("stop", "-p", "env", "production", "-p", "rehearse", "yes").returncode == 0


def test_run_all_of_the_stop_notebook_takes_nothing_down_and_its_button_does_in_a_recorded_run(
    lab: str, checkout: Checkout
) -> None:
    done = checkout.start()
    assert done.returncode == 0, done.stderr
    notebook = checkout.root / "notebooks/stop.ipynb"
    shipped = notebook.read_text()
    edited = shipped.replace('env: str = \\"\\"', 'env: str = \\"dev\\"')
    notebook.write_text(edited.replace('rehearse: str = \\"no\\"', 'rehearse: str = \\"yes\\"'))
    try:
        with open_notebook(lab, "stop.ipynb") as page:
            expect(page.get_by_text("Nothing was changed by this cell")).to_be_visible(timeout=60_000)
            expect(page.get_by_text("opskit stop development -p rehearse yes")).to_be_visible()
            assert len(checkout.containers()) == 11
            picture(page, "stop-notebook")
            notebook.write_text(shipped)  # the run is of the notebook as it is shipped
            button(page, "Take down").click()
            page.wait_for_timeout(700)
            button(page, "Take development down?").click()
            expect(page.get_by_text("✔ STOPPED")).to_be_visible(timeout=120_000)
            picture(page, "stop-notebook-done")
    finally:
        notebook.write_text(shipped)
    assert checkout.containers() == {}
    record = checkout.last()[1]
    assert (record["act"], record["ok"], record["parameters"]["env"]) == ("stop", True, "development")


def test_stop_pressed_right_after_launch_is_recorded(page: Page, checkout: Checkout) -> None:
    choose(page, rehearse="yes")
    button(page, "Launch").click()
    button(page, "End launch").click()
    shown = page.locator(".jp-Cell-outputArea")
    expect(shown.get_by_text("■ STOPPED BY YOU")).to_be_visible(timeout=30_000)
    expect(shown.get_by_text("nothing was changed")).to_be_visible()
    picture(page, "stopped-early")
    assert checkout.last()[1]["ended_by"] == "KeyboardInterrupt"


def test_stop_ends_a_launch_in_progress_and_it_is_recorded(page: Page, checkout: Checkout) -> None:
    shown = page.locator(".jp-Cell-outputArea")
    choose(page, rehearse="yes")
    button(page, "Launch").click()
    expect(shown.get_by_text("services ready")).to_be_visible(timeout=120_000)
    button(page, "End launch").click()
    expect(shown.get_by_text("■ STOPPED BY YOU")).to_be_visible(timeout=60_000)
    picture(page, "interrupted")
    assert "interrupted" in json.dumps(checkout.last()[1]["outcome"])


def test_a_crash_loop_is_shown_with_its_cause_before_what_waits_for_it(page: Page, checkout: Checkout) -> None:
    """PostgreSQL dies at once; LiteLLM and n8n wait for it."""
    overlay = checkout.root / "compose/docker-compose.dies.yml"
    overlay.write_text(
        "services:\n  postgres:\n    entrypoint: [sh, -c]\n"
        "    command: [\"echo 'FATAL: the data directory is gone' >&2; sleep 1; exit 3\"]\n"
    )
    shown = page.locator(".jp-Cell-outputArea")
    open_more(page)
    page.get_by_label("overlays").fill("docker-compose.dies.yml")
    page.get_by_label("overlays").press("Tab")
    choose(page, rehearse="yes")
    button(page, "Launch").click()
    expect(shown.get_by_text("✘ FAILED")).to_be_visible(timeout=180_000)
    told = shown.locator("pre").first
    expect(told).to_contain_text("[crash_loop] postgres")
    expect(told).to_contain_text("FATAL: the data directory is gone")
    first, *others = [line for line in told.inner_text().splitlines() if line.startswith("[")]
    assert "postgres" in first, others
    expect(shown.locator("table tr td").first).to_have_text("postgres")
    picture(page, "crash-loop")
    down = checkout.run("stop", "-p", "env", "dev", "-p", "rehearse", "yes")
    assert down.returncode == 0, down.stderr


def test_status_logs_and_restart_stand_beside_a_run(page: Page, checkout: Checkout) -> None:
    shown = page.locator(".jp-Cell-outputArea")
    choose(page, rehearse="yes")
    button(page, "Launch").click()
    expect(shown.get_by_text("✔ READY")).to_be_visible(timeout=180_000)
    button(page, "status").click()
    row = shown.locator("tr", has_text="postgres").filter(has_text="%")
    expect(row).to_contain_text(re.compile(r"healthy\s*[\d.]+%\s*[\d.]+ MB"), timeout=30_000)
    picture(page, "status")
    page.get_by_label("Service").select_option("redis")
    button(page, "logs").click()
    expect(shown.get_by_text("Ready to accept connections").last).to_be_visible(timeout=30_000)
    button(page, "Restart service").click()
    page.wait_for_timeout(700)
    button(page, "Restart redis?").click()
    expect(shown.get_by_text("✔ DONE")).to_be_visible(timeout=60_000)
    picture(page, "restarted")
    assert checkout.last()[1]["act"] == "restart"
    button(page, "off").click()
