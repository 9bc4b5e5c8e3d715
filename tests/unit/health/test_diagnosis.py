"""What keeps a service from being ready, in a sentence."""

from __future__ import annotations

import pytest

from opskit.compose.model import parse_stack
from opskit.engine.model import Evidence
from opskit.health.diagnosis import diagnose, is_refused
from opskit.health.readiness import ServiceWord, Word

UNHEALTHY = ServiceWord("worker", Word.NEVER, "unhealthy", "unhealthy", None, 0, "id")
LATE = ServiceWord("worker", Word.WAITING, "starting", None, None, 0, "id")


@pytest.mark.parametrize("word", [UNHEALTHY, LATE], ids=["unhealthy", "late"])
@pytest.mark.parametrize(
    ("listening", "told"),
    [((9000,), True), ((9000, 8001), False), ((), True), (None, False)],
    ids=["elsewhere", "there-too", "nowhere", "unknown"],
)
def test_a_port_that_nothing_listens_on_is_named_beside_those_that_are(
    word: ServiceWord, listening: tuple[int, ...] | None, *, told: bool
) -> None:
    failure = diagnose(word, Evidence(listening=listening), project="p", waited_s=5, port=8001)
    assert ("the contract wants 8001" in failure.message) is told
    assert ("docs/images.md" in failure.remedy) is told


@pytest.mark.parametrize("deaths", [0, 3])
def test_what_the_log_tells_comes_before_that_nothing_listens_yet(deaths: int) -> None:
    kind = "crash_loop" if deaths else "unhealthy"
    word = ServiceWord("worker", Word.NEVER, kind, kind, 1 if deaths else None, deaths, "id")
    refused = "urllib.error.URLError: <urlopen error [Errno 111] Connection refused>"
    told = "qdrant_client.http.exceptions.UnexpectedResponse: Unexpected Response: 401 (Unauthorized)"
    failure = diagnose(word, Evidence(log=(told,), probe=(refused,), listening=()), project="p", waited_s=5, port=8001)
    assert "Qdrant is asked without its key" in failure.message
    assert "QDRANT_API_KEY" in failure.remedy
    silent = diagnose(word, Evidence(log=("bye",), probe=(refused,), listening=()), project="p", waited_s=5, port=8001)
    assert ("listens on no port" in silent.message) is (deaths == 0), "one that dies has no port for that reason"


def test_a_health_check_that_names_no_port_says_nothing_of_ports() -> None:
    failure = diagnose(UNHEALTHY, Evidence(listening=(9000,)), project="p", waited_s=5)
    assert "9000" not in failure.message


@pytest.mark.parametrize(
    ("line", "refused"),
    [
        ("urllib.error.URLError: <urlopen error [Errno 111] Connection refused>", True),
        ("curl: (7) Failed to connect to 127.0.0.1 port 8000 after 0 ms: Couldn't connect to server", True),
        ("urllib.error.HTTPError: HTTP Error 503: Service Unavailable", False),
    ],
)
def test_a_refused_connection_is_told_from_an_answer(line: str, *, refused: bool) -> None:
    assert is_refused(Evidence(probe=("exit 1", line))) is refused


@pytest.mark.parametrize(
    ("test", "port"),
    [
        (["CMD", "python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8001/health')"], 8001),
        (["CMD-SHELL", "curl -f http://localhost:80/ || exit 1"], 80),
        (["CMD", "pg_isready"], None),
        (["NONE"], None),
    ],
)
def test_the_port_a_health_check_asks_is_read_from_its_address(test: list[str], port: int | None) -> None:
    stack = parse_stack({"name": "p", "services": {"a": {"healthcheck": {"test": test}}}})
    assert stack.service("a").probed_port == port
