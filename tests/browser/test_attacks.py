"""What others wrote is shown in a page, and runs nothing there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from opskit.preflight.finding import Finding, Verdict
from opskit.preflight.report import Report
from opskit.show.run import RunState, draw_run, reduce_run
from opskit.show.tables import FindingsTable, Table
from tests.attacks import ALL, HIT
from tests.browser.lab import open_page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with open_page() as opened:
        yield opened


def shown(text: str) -> str:
    """Every view that holds texts of others, each holding this one in each place."""
    finding = Finding("check", Verdict.FAIL, text, text, text, text, evidence=(text,))
    event = {"at": 1.0, "kind": "service", "service": text, "state": text, "word": "never", "seconds": 1.0}
    rows = [{"title": text, "url": text, "answer": text}]
    state = RunState(note=text, failure=text, endpoints=rows, record=text, output=(text,))
    views = [draw_run(reduce_run(state, event))]
    views += [draw_run(reduce_run(RunState(ended=True, failure=text, endpoints=rows, ok=False), event))]
    views += [
        view._repr_html_() for view in (Table(text, (text,), [(text,)]), FindingsTable(Report((finding,)), title=text))
    ]
    return "".join(views)


def test_no_text_runs_in_chromium_and_each_is_read_there(page: Page) -> None:
    page.set_content(f"<p><script>{HIT}</script>")
    assert page.evaluate("window.hit") == 1, "the page would run it: the test can fail"
    page.goto("about:blank")
    for text in ALL:
        page.set_content(shown(text), wait_until="load")
        for element in page.query_selector_all("summary"):
            element.click()
        for link in page.query_selector_all("a"):
            assert (link.get_attribute("href") or "").startswith("http://x/")
            link.dispatch_event("mouseover")
        page.wait_for_timeout(30)
        assert page.evaluate("window.hit") is None, text
        assert page.query_selector("script, iframe, svg, img, video, input, math") is None, text
