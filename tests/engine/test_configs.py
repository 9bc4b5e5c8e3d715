"""The real programs read the real configs."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.checkout import ROOT, free_ports

CONFIGS = ROOT / "configs"
LITELLM = "litellm[proxy]==1.106.2"
CACHE = ROOT / ".opskit/cache"


class Backend(http.server.BaseHTTPRequestHandler):
    """Stands in for vLLM: answers 200, and a question with its own words; wants the key it is given."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(200, {"status": "ok"})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["Authorization"] != "Bearer vllm-key":
            self._answer(401, {"error": {"message": "wrong key"}})
            return
        message = {"role": "assistant", "content": f"you said {asked['messages'][-1]['content']}"}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        self._answer(200, {"id": "1", "object": "chat.completion", "model": asked["model"], "choices": [choice]})

    def _answer(self, status: int, body: object) -> None:
        said = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def backend() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def litellm() -> Path:
    """LiteLLM's own program in a venv of its own, made once."""
    venv = CACHE / LITELLM.replace("[proxy]==", "-")
    program = venv / "bin/litellm"
    if not program.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(venv, ignore_errors=True)
        uv = [shutil.which("uv") or "uv"]
        subprocess.run([*uv, "venv", "-q", str(venv)], check=True)
        done = subprocess.run(
            [*uv, "pip", "install", "-q", "-p", str(venv / "bin/python"), LITELLM, "prometheus-client"], check=False
        )
        assert done.returncode == 0, "LiteLLM could not be installed"
    return program


@pytest.mark.parametrize("name", ["litellm_simple", "litellm_config", "litellm_optimized"])
def test_litellm_loads_the_config_lists_its_models_and_passes_a_question_on(
    name: str, litellm: Path, backend: int, tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text((CONFIGS / f"{name}.yaml").read_text().replace("http://vllm:8000", f"http://127.0.0.1:{backend}"))
    (port,) = free_ports(1)
    keys = {"LITELLM_MASTER_KEY": "sk-master", "LITELLM_SALT_KEY": "sk-salt", "VLLM_API_KEY": "vllm-key"}
    more = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "HOME": str(tmp_path)}
    words = [str(litellm), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    log = tmp_path / "log"
    with (
        log.open("w") as sink,
        subprocess.Popen(words, env={**os.environ, **keys, **more}, stdout=sink, stderr=sink) as run,
    ):
        try:
            models = _ask(run, port, "/v1/models", None, log)
            assert {model["id"] for model in models["data"]} == {"local-llm", "gpt-3.5-turbo"}
            question = {"model": "gpt-3.5-turbo", "messages": [{"role": "user", "content": "hello"}]}
            said = _ask(run, port, "/v1/chat/completions", question, log)
            assert said["choices"][0]["message"]["content"] == "you said hello"
        finally:
            run.terminate()


def _ask(run: subprocess.Popen[bytes], port: int, path: str, body: object, log: Path) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        None if body is None else json.dumps(body).encode(),
        {"Authorization": "Bearer sk-master", "Content-Type": "application/json"},
    )
    end = time.monotonic() + 120
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
