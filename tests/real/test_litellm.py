"""LiteLLM of the image's version, with the configuration, the command and the environment that Compose resolves."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from opskit.rehearsal.programs import PROGRAMS
from tests.checkout import free_ports
from tests.real.packages import ensure_venv, resolve_stack, version_of
from tests.real.report import Real

REAL = Real(
    "LiteLLM",
    "PyPI litellm[proxy]",
    "configs/litellm*.yaml, environment and command of each environment",
    "validated, started, listed models, completed, refused, counted",
    "1.104.2",
)

GATEWAYS = ("development", "production", "optimized")
"""One environment for each of the three configurations."""
KEYS = {"LITELLM_MASTER_KEY": "sk-master", "LITELLM_SALT_KEY": "sk-salt", "VLLM_API_KEY": "vllm-key"}
WORKERS = {"optimized": "2"}
"""In place of 8, for the machine that tests; more than one is what counts."""


@pytest.fixture(scope="module")
def program() -> Path:
    version = version_of(resolve_stack("development").service("litellm"))
    packages = PROGRAMS["litellm"].python
    assert packages[0] == f"litellm[proxy]=={version}", "the rehearsal's is of the image's version too"
    return ensure_venv(f"litellm-proxy-{version}", *packages) / "litellm"


class ModelServer(BaseHTTPRequestHandler):
    """STAND-IN for vLLM: it answers a question with its own words, and 401 without the key."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["Authorization"] != "Bearer vllm-key":
            self._answer(401, {"error": {"message": "wrong key"}})
            return
        message = {"role": "assistant", "content": f"you said {question['messages'][-1]['content']}"}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        self._answer(200, {"id": "1", "object": "chat.completion", "model": question["model"], "choices": [choice]})

    def _answer(self, status: int, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@dataclass(frozen=True)
class Outside:
    """What a program without the Internet asked of it: a proxy that refuses, and the first line of each request."""

    port: int
    asked: list[str]

    @property
    def environ(self) -> dict[str, str]:
        address = f"http://127.0.0.1:{self.port}"
        return {
            "HTTPS_PROXY": address,
            "HTTP_PROXY": address,
            "https_proxy": address,
            "NO_PROXY": "127.0.0.1,localhost",
        }


@pytest.fixture
def outside() -> Iterator[Outside]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        asked: list[str] = []

        def refuse() -> None:
            while True:
                try:
                    link, _ = server.accept()
                except OSError:  # closed: the test is over
                    return
                with link:
                    asked.append(link.recv(4096).split(b"\r\n")[0].decode())
                    link.sendall(b"HTTP/1.1 503 no way out\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

        thread = threading.Thread(target=refuse)
        thread.start()
        yield Outside(int(server.getsockname()[1]), asked)
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


def environ_of(name: str, home: Path) -> dict[str, str]:
    """What Compose gives the container, without the database, whose engine is a download of its own."""
    given = resolve_stack(name).service("litellm").raw["environment"]
    kept = {key: value for key, value in given.items() if not key.startswith("DATABASE_")}
    return {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", **kept, **KEYS}


def config_of(name: str) -> Path:
    (mount,) = [m for m in resolve_stack(name).service("litellm").mounts if m.target == "/app/config.yaml"]
    return Path(mount.source)


@pytest.mark.parametrize("name", GATEWAYS)
def test_litellm_validates_the_configuration(name: str, program: Path, tmp_path: Path) -> None:
    words = [str(program), "--config", str(config_of(name)), "--validate_config"]
    done = subprocess.run(words, env=environ_of(name, tmp_path), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", GATEWAYS)
def test_litellm_starts_as_compose_says_lists_its_models_passes_a_question_on_and_asks_nothing_of_the_internet(
    *,
    name: str,
    program: Path,
    serve: Callable[..., int],
    outside: Outside,
    until: Callable[..., None],
    tmp_path: Path,
) -> None:
    config = tmp_path / "config.yaml"
    backend = f"http://127.0.0.1:{serve(ModelServer)}"
    config.write_text(config_of(name).read_text().replace("http://vllm:8000", backend))
    (port,) = free_ports(1)
    command = resolve_stack(name, LITELLM_WORKERS=WORKERS.get(name, "1")).service("litellm").raw["command"]
    places = {"/app/config.yaml": str(config), "4000": str(port)}
    words = [str(program), "--host", "127.0.0.1", *(places.get(word, word) for word in command)]
    log = tmp_path / "log"
    environ = {**environ_of(name, tmp_path), **outside.environ}
    with (
        log.open("w") as sink,
        subprocess.Popen(words, env=environ, stdout=sink, stderr=sink, start_new_session=True) as run,
    ):
        try:
            models = ask(run, port, "/v1/models", None, log)
            assert {model["id"] for model in models["data"]} == {"local-llm", "gpt-3.5-turbo"}
            question = {"model": "gpt-3.5-turbo", "messages": [{"role": "user", "content": "hello"}]}
            answer = ask(run, port, "/v1/chat/completions", question, log)
            assert answer["choices"][0]["message"]["content"] == "you said hello"
            with pytest.raises(urllib.error.HTTPError, match="401"):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=30)
            until(lambda: counted(port) >= 1, deadline_s=30)
        finally:
            os.killpg(run.pid, signal.SIGTERM)
    text = log.read_text()
    assert outside.asked == [], text
    assert "ignored" not in text, text  # of --timeout_worker_healthcheck, where its uvicorn did not know it
    assert "died" not in text, text  # uvicorn's word for a worker that did not answer in time


def test_without_those_variables_it_does_ask_the_internet(program: Path, outside: Outside, tmp_path: Path) -> None:
    """The test above can fail: the same program, without what keeps it at home."""
    given = {key: value for key, value in environ_of("development", tmp_path).items() if "_LOCAL_" not in key}
    words = [str(program.with_name("python")), "-c", "import litellm"]
    subprocess.run(words, env={**given, **outside.environ}, check=False, timeout=120)
    assert any("CONNECT" in line for line in outside.asked)


def test_workers_have_the_time_and_the_memory_to_import() -> None:
    # uvicorn ends a worker that does not answer within 5 s; importing takes 7 of CPU time. One idle worker took 387 MB.
    for name in GATEWAYS:
        service = resolve_stack(name).service("litellm")
        workers = int(service.raw["command"][-1])
        limit = int(service.raw["deploy"]["resources"]["limits"]["memory"])
        assert int(service.raw["environment"]["TIMEOUT_WORKER_HEALTHCHECK"]) >= 60, name
        assert limit > 1.5 * (285 + 387 * workers) * 10**6, name


def counted(port: int) -> float:
    """The answered requests in the metrics, which Prometheus fetches without a key; those of all workers."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics/", timeout=30) as reply:
        text = reply.read().decode()
    pattern = r'^litellm_proxy_total_requests_metric_total\{.*status_code="200".*\} (\S+)$'
    return sum(float(value) for value in re.findall(pattern, text, re.MULTILINE))


def ask(run: subprocess.Popen[bytes], port: int, path: str, body: object, log: Path) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        None if body is None else json.dumps(body).encode(),
        {"Authorization": "Bearer sk-master", "Content-Type": "application/json"},
    )
    end = time.monotonic() + 240
    while True:
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as error:
            pytest.fail(f"{error.code}: {error.read().decode()}\n{log.read_text()[-3000:]}")
        except (TimeoutError, OSError):
            assert run.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < end, log.read_text()[-3000:]
            time.sleep(0.5)
