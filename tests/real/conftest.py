"""What the tests with real programs share: the program from its package, and a server for it to talk to."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.real.findings import FINDINGS
from tests.real.report import Real, Results


@pytest.fixture(scope="session")
def program() -> Callable[[str, str], str]:
    """The path of a program, given its name and the Debian package that CI installs; without it a test is no success."""

    def find(name: str, package: str) -> str:
        path = shutil.which(name)
        if path is None:
            (pytest.fail if os.environ.get("OPSKIT_REQUIRE_ENGINE") else pytest.skip)(
                f"{name} is not on PATH; apt-get install {package}"
            )
        return path

    return find


@pytest.fixture
def serve() -> Iterator[Callable[[type[BaseHTTPRequestHandler]], int]]:
    """Answer HTTP by a handler on a free port of 127.0.0.1 until the test ends; returns the port."""
    with ExitStack() as stack:

        def start(handler: type[BaseHTTPRequestHandler]) -> int:
            server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
            thread = threading.Thread(target=server.serve_forever)
            stack.callback(server.server_close)
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            thread.start()
            return int(server.server_address[1])

        yield start


RESULTS = pytest.StashKey[Results]()
REPORT = "OPSKIT_REAL_REPORT"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Count each test for the program that its module runs."""
    report = yield
    real = getattr(getattr(item, "module", None), "REAL", ())
    if reals := (real,) if isinstance(real, Real) else real:
        word = report.outcome if report.when == "call" or report.outcome != "passed" else ""
        results = item.config.stash.setdefault(RESULTS, Results())
        results.add(item.module.__name__, reals, word, report.duration)  # type: ignore[attr-defined]
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write docs/real.md where it was asked for."""
    path, results = os.environ.get(REPORT), session.config.stash.get(RESULTS, None)
    if path and results:
        Path(path).write_text(results.text(FINDINGS, "make real"), encoding="utf-8")


@pytest.fixture(scope="session")
def section(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Put a section into docs/real.md: its title and its text."""
    results = request.config.stash.setdefault(RESULTS, Results())
    return lambda title, text: results.sections.update({title: text})
