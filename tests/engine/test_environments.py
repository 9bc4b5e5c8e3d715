"""Every environment comes to ready in rehearsal and goes again; two of them side by side; a load test against one.

development is launched by test_start.py, first-run by test_first_run.py.
"""

from __future__ import annotations

import json
import ssl
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from opskit import process
from opskit.secrets.store import read_secrets
from tests.checkout import Checkout, fresh_ports

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]
REHEARSE = ("-p", "rehearse", "true")


def start(checkout: Checkout, env: str, *words: str, **more: str) -> list[str]:
    """Start an environment by its own notebook; its http addresses."""
    done = checkout.run(f"environments/{env}", *words, *REHEARSE, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    folder, record = checkout.last()
    assert (record["act"], record["environment"], record["effective"]["env"]) == ("start", env, env)
    assert (folder / "start.ipynb").exists()
    rows = [row for event in checkout.events() if event["kind"] == "endpoints" for row in event["rows"]]
    for row in rows:
        assert row["answer"] is None or row["answer"].startswith(("200", "401")), row
    return [row["url"] for row in rows if row["url"].startswith("http://")]


def stop(checkout: Checkout, env: str) -> None:
    done = checkout.run("stop", "-p", "env", env, *REHEARSE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert checkout.containers(env) == {}
    label = {"label": f"com.docker.compose.project={checkout.project_of(env)}"}
    for network in checkout.engine.networks.list(filters=label):  # moby/moby#42119, on a busy machine
        assert f"{network.name}: still there: the Engine counts a container on it that is gone" in done.stdout


def ask_postgres(checkout: Checkout, env: str, query: str) -> str:
    password = read_secrets(checkout.env_file(env))["MULTIMODAL_DB_PASSWORD"].reveal()
    said = checkout.containers(env)["postgres"].exec_run(
        ["psql", "-h", "127.0.0.1", "-U", "multimodal", "-d", "multimodal", "-tAc", query],
        environment={"PGPASSWORD": password},
    )
    assert said.exit_code == 0, said.output
    return str(said.output, "utf-8").strip()  # type: ignore[arg-type]  # a stream only where one is asked for


def test_two_environments_run_side_by_side_and_touch_nothing_of_each_other(checkout: Checkout) -> None:
    start(checkout, "staging", "-p", "gpu", "single")
    start(checkout, "optimized", "-p", "gpu", "cpu", **fresh_ports())
    insert = "insert into search_sessions (query) values ('{}')"
    for env in ("staging", "optimized"):
        ask_postgres(checkout, env, insert.format(env))
    for env in ("staging", "optimized"):
        assert ask_postgres(checkout, env, "select string_agg(query, ' ') from search_sessions") == env
    ours, others = (read_secrets(checkout.env_file(env)) for env in ("staging", "optimized"))
    assert not {s.reveal() for s in ours.values()} & {s.reveal() for s in others.values()}
    running = {name: box.id for name, box in checkout.containers("optimized").items()}
    stop(checkout, "staging")
    assert {name: box.id for name, box in checkout.containers("optimized").items()} == running
    assert ask_postgres(checkout, "optimized", "select query from search_sessions") == "optimized"
    stop(checkout, "optimized")


def test_production_answers_by_https_and_is_watched_by_a_real_prometheus(checkout: Checkout, tmp_path: Path) -> None:
    certificate, key = tmp_path / "server.crt", tmp_path / "server.key"
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1")
    made = process.run(
        ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", *names, "-keyout", str(key), "-out",
         str(certificate)), timeout_s=60,
    )  # fmt: skip
    assert made.rc == 0, made.stderr
    port = fresh_ports()["NGINX_PORT"]
    tls = {"TLS_DIR": str(tmp_path), "NGINX_TLS_PORT": port, "PUBLIC_URL": f"https://127.0.0.1:{port}"}
    urls = start(checkout, "production", "-p", "gpu", "dual", "-p", "overlays", "docker-compose.tls.yml", **tls)
    trusted = ssl.create_default_context(cafile=str(certificate))
    plain = f"http://127.0.0.1:{checkout.environ['NGINX_PORT']}/"
    with urllib.request.urlopen(f"https://127.0.0.1:{port}/", timeout=5, context=trusted) as page:
        assert page.status == 200
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):  # plain HTTP leads there
        urllib.request.urlopen(plain, timeout=5)
    assert len(checkout.containers("production")) == 17, "services; replicas share a name"
    prometheus = f"http://127.0.0.1:{checkout.environ['PROMETHEUS_PORT']}"
    assert f"{prometheus}/-/healthy" in urls
    wanted = set("alertmanager gpu grafana litellm minio n8n nginx postgres prometheus qdrant redis vllm".split())  # noqa: SIM905
    end = time.monotonic() + 60
    up: dict[str, str] = {}
    while time.monotonic() < end and up != dict.fromkeys(wanted, "1"):
        time.sleep(2)
        with urllib.request.urlopen(f"{prometheus}/api/v1/query?query=up", timeout=5) as reply:
            up = {found["metric"]["job"]: found["value"][1] for found in json.load(reply)["data"]["result"]}
    assert up == dict.fromkeys(wanted, "1")
    for metric in ("pg_up", "redis_up"):
        with urllib.request.urlopen(f"{prometheus}/api/v1/query?query={metric}", timeout=5) as reply:
            assert [found["value"][1] for found in json.load(reply)["data"]["result"]] == ["1"], metric
    with urllib.request.urlopen(f"{prometheus}/api/v1/alertmanagers", timeout=5) as reply:
        assert len(json.load(reply)["data"]["activeAlertmanagers"]) == 1
    stop(checkout, "production")


def test_a_load_test_runs_against_a_stack_that_is_up_and_fails_against_one_that_is_not(checkout: Checkout) -> None:
    start(checkout, "monitoring", "-p", "gpu", "dual")
    assert checkout.containers("monitoring")["elk-setup"].attrs["State"]["ExitCode"] == 0
    key = read_secrets(checkout.env_file("monitoring"))["LITELLM_MASTER_KEY"].reveal()
    short = {"JMETER_DURATION_S": "3", "TARGET_API_KEY": key}
    start(checkout, "performance", **short)
    said = checkout.containers("performance")["jmeter"].logs().decode()
    assert "0 failed" in said
    assert key not in said
    stop(checkout, "monitoring")
    failed = checkout.run("start", "-p", "env", "performance", *REHEARSE, **short)
    assert failed.returncode == 1
    assert "[oneshot_failed] jmeter" in failed.stderr
    assert "found no nginx and no LiteLLM" in failed.stderr
    stop(checkout, "performance")


def test_all_environments_are_judged_in_one_look_and_nothing_is_started(checkout: Checkout) -> None:
    before = {box.id for box in checkout.engine.containers.list(all=True)}
    done = checkout.run("preflight", *REHEARSE)
    assert done.returncode == 0, done.stdout + done.stderr
    (event,) = [event for event in checkout.events() if event["kind"] == "preflight"]
    assert len(event["environments"]) == 7
    assert not [f for found in event["environments"].values() for f in found if f["check"] == "check-crashed"]
    assert "can start" in (checkout.last()[0] / "preflight.ipynb").read_text()
    assert {box.id for box in checkout.engine.containers.list(all=True)} == before


def test_the_gpu_notebook_draws_graph_and_budget(checkout: Checkout) -> None:
    done = checkout.run("gpu", *REHEARSE)
    assert done.returncode == 0, done.stdout + done.stderr
    cells = json.loads((checkout.last()[0] / "gpu.ipynb").read_text())["cells"]
    shown = ["".join(out.get("data", {}).get("text/html", ())) for cell in cells for out in cell.get("outputs", ())]
    pictures = [html for html in shown if html.startswith('<img alt="')]
    assert len(pictures) == 2
    assert all("GPU 0" in html for html in pictures), "its words, for those who do not see it"


def test_testing_is_up_in_seconds_on_its_own_network(checkout: Checkout) -> None:
    start(checkout, "testing")
    label = {"label": f"com.docker.compose.project={checkout.project_of('testing')}"}
    names = [str(network.name).split("_")[-1] for network in checkout.engine.networks.list(filters=label)]
    assert names == ["test-network"]
    secrets = read_secrets(checkout.env_file("testing"))
    assert list(secrets) == ["ALLURE_PASSWORD", "ALLURE_JWT_SECRET_KEY"]
    stop(checkout, "testing")
