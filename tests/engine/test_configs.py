"""The real programs read the real configs."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.checkout import ROOT, free_ports

CONFIGS = ROOT / "configs"


class Backend(http.server.BaseHTTPRequestHandler):
    """Stands in for vLLM and for nginx: answers 200, and a question with its own words; wants the key it is given."""

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


@pytest.mark.engine
@pytest.mark.parametrize("config", ["nginx.conf", "nginx_optimized.conf", "jmeter/results.conf"])
def test_nginx_takes_the_config(config: str, start: Callable[..., object], image_of: Callable[[str], str]) -> None:
    mount = {str(CONFIGS / config): {"bind": "/etc/nginx/nginx.conf", "mode": "ro"}}
    box = start(image_of("nginx"), ["nginx", "-t"], volumes=mount)
    assert box.wait()["StatusCode"] == 0, box.logs()  # type: ignore[attr-defined]
    assert b"warn" not in box.logs()  # type: ignore[attr-defined]


@pytest.mark.engine
@pytest.mark.parametrize(
    "words", [["config", "/etc/prometheus/prometheus.yml"], ["rules", "/etc/prometheus/alerts.yml"]]
)
def test_promtool_takes_config_and_rules(
    words: list[str], start: Callable[..., object], image_of: Callable[[str], str]
) -> None:
    mounts = {
        str(CONFIGS / "prometheus.yml"): {"bind": "/etc/prometheus/prometheus.yml", "mode": "ro"},
        str(CONFIGS / "prometheus_alerts.yml"): {"bind": "/etc/prometheus/alerts.yml", "mode": "ro"},
    }
    box = start(image_of("prometheus"), ["check", *words], entrypoint=["promtool"], volumes=mounts)
    assert box.wait()["StatusCode"] == 0, box.logs()  # type: ignore[attr-defined]
    assert b"SUCCESS" in box.logs()  # type: ignore[attr-defined]


def test_dashboards_ask_for_what_is_scraped() -> None:
    prefixes = ("vllm:", "pg_", "redis_", "DCGM_FI_DEV_", "up")
    for name, panels in (("stack", 7), ("gpu", 6)):
        dashboard = json.loads((CONFIGS / f"grafana/dashboards/{name}.json").read_text())
        assert dashboard["uid"] == name
        assert len(dashboard["panels"]) == panels
        for panel in dashboard["panels"]:
            assert panel["datasource"]["uid"] == "prometheus"
            for target in panel["targets"]:
                assert any(prefix in target["expr"] for prefix in prefixes), target


@pytest.fixture(scope="module")
def jmeter(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Debian's JMeter 2.13 on PATH. The XStream beside it knows no class of JMeter's: a permission is put before it."""
    needed = ("/usr/bin/jmeter", "/usr/bin/java", "/usr/bin/ecj", "/usr/share/jmeter/lib/ext/ApacheJMeter_http.jar")
    missing = [path for path in needed if not Path(path).exists()]
    if missing and os.environ.get("OPSKIT_REQUIRE_ENGINE"):
        pytest.fail(f"no {', '.join(missing)}; .ci/run installs jmeter, jmeter-http, ecj and default-jre-headless")
    if missing:
        pytest.skip(f"no {', '.join(missing)}; apt-get install jmeter jmeter-http ecj default-jre-headless")
    folder = tmp_path_factory.mktemp("jmeter")
    source = folder / "com/thoughtworks/xstream/security/NoTypePermission.java"
    source.parent.mkdir(parents=True)
    source.write_text(
        "package com.thoughtworks.xstream.security;\n"
        "public class NoTypePermission implements TypePermission {\n"
        "  public static final TypePermission NONE = new NoTypePermission();\n"
        "  public boolean allows(Class type) { return true; }\n"
        "}\n"
    )
    xstream = "/usr/share/java/xstream.jar"
    words = ["ecj", "-proc:none", "-nowarn", "-source", "1.8", "-target", "1.8", "-cp", xstream]
    subprocess.run([*words, "-d", str(folder / "classes"), str(source)], check=True)
    script = folder / "jmeter"
    path = f"{folder / 'classes'}:{xstream}:/usr/share/jmeter/bin/ApacheJMeter.jar"
    script.write_text(
        f'#!/bin/sh\nexec java -Djmeter.home=/usr/share/jmeter -cp {path} org.apache.jmeter.NewDriver "$@"\n'
    )
    script.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "PLANS": str(CONFIGS / "jmeter")}


def load(environ: dict[str, str], results: Path, **more: str) -> subprocess.CompletedProcess[str]:
    own = {"TARGET_HOST": "127.0.0.1", "THREADS": "2", "DURATION_S": "3", "MAX_ERROR_PERCENT": "1"}
    return subprocess.run(
        ["sh", str(CONFIGS / "jmeter/run.sh")],
        env={**environ, **own, "RESULTS": str(results), **more},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("plan", ["api_load_test", "stress_test", "spike_test"])
def test_jmeter_runs_the_plan(plan: str, jmeter: dict[str, str], backend: int, tmp_path: Path) -> None:
    done = load(jmeter, tmp_path, PLAN=plan, TARGET_PORT=str(backend), TARGET_API_KEY="vllm-key")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 failed" in done.stdout
    samples = next(tmp_path.glob("*/samples.csv")).read_text()
    for label in ("nginx answers", "the chat page", "ask the model"):
        assert label in samples
    assert "vllm-key" not in done.stdout + next(tmp_path.glob("*/jmeter.log")).read_text()


def test_a_load_test_in_which_samples_fail_fails(jmeter: dict[str, str], tmp_path: Path) -> None:
    (port,) = free_ports(1)
    done = load(jmeter, tmp_path, PLAN="api_load_test", TARGET_PORT=str(port), TARGET_API_KEY="")
    assert done.returncode == 1
    assert "100.00 %" in done.stdout
    assert "ask the model" not in next(tmp_path.glob("*/samples.csv")).read_text(), "no question without a key"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"PLAN": "sprike"}, "wanted one of: api_load_test spike_test stress_test"),
        ({"TARGET_HOST": "10.1.2.3"}, "not this machine"),
    ],
)
def test_an_unknown_plan_and_a_target_elsewhere_are_refused(more: dict[str, str], said: str, tmp_path: Path) -> None:
    done = load(
        dict(os.environ, PLANS=str(CONFIGS / "jmeter")),
        tmp_path,
        **{"PLAN": "api_load_test", "TARGET_PORT": "1", "TARGET_API_KEY": "", **more},
    )
    assert done.returncode == 2
    assert said in done.stderr
