"""What the tests with real programs share: the program from its package, and a server for it to talk to."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


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
