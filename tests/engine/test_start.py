"""The whole way on a real Engine: the notebook is run, containers start, a record is left. A rehearsal, in a copy."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from opskit.audit.journal import plain
from opskit.engine.client import read_id
from opskit.engine.events import read_evidence
from opskit.health.causes import find_cause
from opskit.preflight.archive import facts_from_json
from opskit.preflight.report import Report
from opskit.secrets.store import read_secrets
from tests.checkout import SHELL_TOKEN, Checkout

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def first(checkout: Checkout) -> subprocess.CompletedProcess[str]:
    return checkout.start()


def test_a_first_start_comes_to_ready_and_every_address_answers(
    checkout: Checkout, first: subprocess.CompletedProcess[str]
) -> None:
    assert first.returncode == 0, first.stdout + first.stderr
    assert "READY in" in first.stdout
    states = {name: box.attrs["State"]["Health"]["Status"] for name, box in checkout.containers().items()}
    assert states == dict.fromkeys(states, "healthy")
    assert len(states) == 11
    urls = [row["url"] for event in checkout.events() if event["kind"] == "endpoints" for row in event["rows"]]
    http = [url for url in urls if url.startswith("http://")]
    assert len(http) == 10
    for url in http:
        with urllib.request.urlopen(url, timeout=5) as reply:
            assert reply.status == 200


def test_a_rehearsal_says_that_no_container_holds_a_gpu_and_claims_nothing(
    checkout: Checkout, first: subprocess.CompletedProcess[str]
) -> None:
    assert first.returncode == 0
    (findings,) = [event["findings"] for event in checkout.events() if event["kind"] == "gpus"]
    assert findings == checkout.last()[1]["gpus"]
    told = {(f["check"], f["subject"]): (f["verdict"], f["found"]) for f in findings}
    assert told.keys() == {("gpu-device-given", "vllm")}
    verdict, found = told["gpu-device-given", "vllm"]
    assert verdict == "SKIP"
    assert found.startswith("REHEARSAL: no device request")


def test_the_tables_of_init_sql_are_there_for_the_role_of_the_application(
    checkout: Checkout, first: subprocess.CompletedProcess[str]
) -> None:
    assert first.returncode == 0
    query = "select string_agg(tablename, ' ' order by tablename) from pg_tables where schemaname = 'public'"
    password = read_secrets(checkout.env_file())["MULTIMODAL_DB_PASSWORD"].reveal()
    said = checkout.containers()["postgres"].exec_run(
        ["psql", "-h", "127.0.0.1", "-U", "multimodal", "-d", "multimodal", "-tAc", query],
        environment={"PGPASSWORD": password},
    )
    tables = "conversations documents images search_sessions text_chunks video_keyframes videos"
    assert str(said.output, "utf-8").strip() == tables  # type: ignore[arg-type]  # a stream only where one is asked for


def test_init_sql_is_safe_to_read_twice_and_the_monitor_sees_no_data(
    checkout: Checkout, first: subprocess.CompletedProcess[str]
) -> None:
    assert first.returncode == 0
    postgres = checkout.containers()["postgres"]
    again = ["psql", "-v", "ON_ERROR_STOP=1", "-qU", "postgres", "-f", "/docker-entrypoint-initdb.d/init.sql"]
    done = postgres.exec_run(again)
    assert done.exit_code == 0, done.output
    password = read_secrets(checkout.env_file())["MONITOR_DB_PASSWORD"].reveal()
    words = ["psql", "-h", "127.0.0.1", "-U", "monitor", "-d", "multimodal", "-tAc"]

    def ask(query: str) -> tuple[int | None, str]:
        said = postgres.exec_run([*words, query], environment={"PGPASSWORD": password})
        return said.exit_code, str(said.output, "utf-8")  # type: ignore[arg-type]  # a stream only where one is asked for

    assert ask("select count(*) > 0 from pg_stat_activity") == (0, "t\n")
    refused = ask("select * from documents")
    assert refused[0] != 0
    assert "permission denied" in refused[1]


def test_redis_runs_with_the_settings_of_the_files(checkout: Checkout, first: subprocess.CompletedProcess[str]) -> None:
    assert first.returncode == 0
    password = read_secrets(checkout.env_file())["REDIS_PASSWORD"].reveal()
    redis = checkout.containers()["redis"]
    words = ["redis-cli", "config", "get", "maxmemory*"]
    said = str(redis.exec_run(words, environment={"REDISCLI_AUTH": password}).output, "utf-8")  # type: ignore[arg-type]
    settings = dict(zip(said.split()[::2], said.split()[1::2], strict=True))
    assert settings["maxmemory"] == str(256 * 1024**2)
    assert settings["maxmemory-policy"] == "allkeys-lru"
    assert "NOAUTH" in str(redis.exec_run(words).output)


def test_a_question_goes_through_the_gateway_to_the_model_server(
    checkout: Checkout, first: subprocess.CompletedProcess[str]
) -> None:
    assert first.returncode == 0
    key = read_secrets(checkout.env_file())["LITELLM_MASTER_KEY"].reveal()
    request = urllib.request.Request(
        f"http://127.0.0.1:{checkout.environ['NGINX_PORT']}/v1/chat/completions",
        json.dumps({"model": "local-llm", "messages": [{"role": "user", "content": "hello"}]}).encode(),
        {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as reply:
        assert "hello" in json.load(reply)["choices"][0]["message"]["content"]


def test_the_record_says_who_what_and_that_it_was_a_rehearsal(
    checkout: Checkout, first: subprocess.CompletedProcess[str]
) -> None:
    assert first.returncode == 0
    folder, record = checkout.last()
    assert (record["ok"], record["rehearsal"], record["environment"]) == (True, True, "development")
    assert {"who", "host", "when", "parameters", "versions", "findings", "outcome", "seconds"} <= record.keys()
    assert "REHEARSAL" in (folder / "start.ipynb").read_text()


def test_the_facts_in_the_record_give_the_same_findings_again(
    checkout: Checkout, first: subprocess.CompletedProcess[str]
) -> None:
    assert first.returncode == 0
    folder, record = checkout.last()
    facts = facts_from_json((folder / "facts-development.json").read_text())
    assert plain(Report.from_facts(facts).findings) == record["findings"]


def test_no_secret_is_in_anything_a_run_leaves_or_says(
    checkout: Checkout, first: subprocess.CompletedProcess[str]
) -> None:
    secrets = read_secrets(checkout.env_file())
    assert len(secrets) >= 13
    assert secrets["POSTGRES_PASSWORD"].reveal() != "shell", "the shell's value must not become the secret"
    folder, _ = checkout.last()
    said = first.stdout + first.stderr + "".join(path.read_text() for path in folder.iterdir())
    assert [name for name, secret in secrets.items() if secret.reveal() in said] == []
    assert SHELL_TOKEN not in said
    assert checkout.env_file().stat().st_mode & 0o777 == 0o600


def test_a_second_start_changes_nothing(checkout: Checkout, first: subprocess.CompletedProcess[str]) -> None:
    assert first.returncode == 0
    before = {name: box.id for name, box in checkout.containers().items()}
    secrets = checkout.env_file().read_bytes()
    again = checkout.start()
    assert again.returncode == 0, again.stdout + again.stderr
    assert "nothing was recreated" in again.stdout
    assert {name: box.id for name, box in checkout.containers().items()} == before
    assert checkout.env_file().read_bytes() == secrets
    steps = next(event["steps"] for event in checkout.events() if event["kind"] == "plan")
    assert {step["act"] for step in steps} == {"keep"}


def test_the_plan_exits_with_10_where_a_start_would_change_something(
    checkout: Checkout, first: subprocess.CompletedProcess[str]
) -> None:
    assert first.returncode == 0
    words = ("plan", "dev", "-p", "rehearse", "true")
    same = checkout.opskit(*words)
    assert same.returncode == 0, same.stdout + same.stderr
    assert "runs as configured" in same.stdout
    checkout.containers()["n8n"].stop(timeout=1)
    changed = checkout.opskit(*words, "--json")
    assert changed.returncode == 10, changed.stderr
    steps = json.loads(changed.stdout)
    assert [(s["name"], s["act"], s["reason"]) for s in steps if s["act"] != "keep"] == [
        ("n8n", "start", "it is exited")
    ]
    started = checkout.start("-p", "smoke", "no")
    assert started.returncode == 0, started.stdout + started.stderr


def test_status_names_what_was_done_to_a_service_from_outside_and_restart_brings_it_back(
    checkout: Checkout, first: subprocess.CompletedProcess[str], until: Callable[..., None]
) -> None:
    assert first.returncode == 0
    words = ("dev", "-p", "rehearse", "true")
    well = checkout.opskit("status", *words)
    assert well.returncode == 0, well.stdout + well.stderr
    assert "none of them not ready" in well.stdout
    boxes = checkout.containers()
    boxes["n8n"].kill()
    boxes["redis"].pause()
    boxes["minio"].remove(force=True)
    ill = checkout.opskit("status", *words)
    assert ill.returncode == 4, ill.stdout + ill.stderr
    for word in ("killed from outside", "paused", "missing", "3 of them not ready"):
        assert word in " ".join(ill.stdout.split()), ill.stdout
    boxes["redis"].unpause()
    back = checkout.opskit("restart", "dev", "n8n", "-p", "rehearse", "true")
    assert back.returncode == 0, back.stdout + back.stderr
    assert checkout.last()[1]["outcome"]["ok"] is True
    boxes["n8n"].reload()
    assert boxes["n8n"].attrs["State"]["Health"]["Status"] == "healthy"
    unknown = checkout.opskit("restart", "dev", "n9n", "-p", "rehearse", "true")
    assert unknown.returncode == 2
    assert "did you mean" in unknown.stderr.lower()
    until(lambda: checkout.containers()["retrieval-proxy"].attrs["State"]["Health"]["FailingStreak"] >= 5, 60)
    # One probe more without its store, and it is unhealthy while the launch brings the store back.
    whole = checkout.start("-p", "smoke", "no")
    assert whole.returncode == 0, whole.stdout + whole.stderr
    assert checkout.opskit("status", *words).returncode == 0


def test_no_log_of_a_stack_that_is_ready_tells_a_cause(
    checkout: Checkout, first: subprocess.CompletedProcess[str]
) -> None:
    assert first.returncode == 0
    told = {name: find_cause(read_evidence(checkout.engine, box.id).log) for name, box in checkout.containers().items()}
    assert {name: found for name, found in told.items() if found and not found[0].general} == {}


def test_a_second_start_at_once_names_the_one_in_progress(
    checkout: Checkout, first: subprocess.CompletedProcess[str]
) -> None:
    assert first.returncode == 0
    with subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"from opskit.lock import hold_project\nwith hold_project('{checkout.project}', engine='{read_id(checkout.engine)}'):\n print('held', flush=True)\n input()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        holder.stdout.readline()
        refused = checkout.start()
        holder.stdin.write("\n")
    assert refused.returncode == 5
    assert f"pid {holder.pid}" in refused.stderr
    assert "Traceback" not in refused.stderr


@contextlib.contextmanager
def held_port() -> Iterator[int]:
    """A port that this process holds."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


def test_a_port_held_by_a_process_closes_the_gate_and_names_it(
    checkout: Checkout, first: subprocess.CompletedProcess[str]
) -> None:
    assert first.returncode == 0
    with held_port() as port:
        refused = checkout.start(N8N_PORT=str(port))
    assert refused.returncode == 3
    assert "[port-free] n8n" in refused.stderr
    assert f"pid {os.getpid()}" in refused.stderr
    assert "nothing was started" in refused.stderr


def test_with_ports_auto_a_busy_port_moves_and_every_address_shown_is_the_moved_one(
    checkout: Checkout, first: subprocess.CompletedProcess[str]
) -> None:
    assert first.returncode == 0
    with held_port() as port:
        moved = checkout.start("-p", "ports", "auto", N8N_PORT=str(port))
        assert moved.returncode == 0, moved.stdout + moved.stderr
        assert "moved: N8N_PORT=" in moved.stdout
        rows = [row for event in checkout.events() if event["kind"] == "endpoints" for row in event["rows"]]
        (shown,) = [row for row in rows if row["service"] == "n8n"]
        assert shown["url"] != f"http://127.0.0.1:{port}/"
        assert shown["answer"] == "200 OK"
    remembered = json.loads((checkout.root / f".opskit/{checkout.project}.ports.json").read_text())
    assert shown["url"] == f"http://127.0.0.1:{remembered['N8N_PORT']}/"
    del checkout.environ["N8N_PORT"]
    again = checkout.start()
    assert again.returncode == 0, again.stdout + again.stderr
    assert "nothing was recreated" in again.stdout, "what was moved stays where it is"
    status = checkout.run("status", "-p", "rehearse", "yes")
    assert "1 moved ports" in (checkout.last()[0] / "status.ipynb").read_text(), status.stderr
    back = checkout.start("-p", "ports", "keep", "-p", "smoke", "no")
    assert back.returncode == 0, back.stdout + back.stderr
    assert not (checkout.root / f".opskit/{checkout.project}.ports.json").exists()


def test_lost_secrets_beside_data_close_the_gate(checkout: Checkout, first: subprocess.CompletedProcess[str]) -> None:
    assert first.returncode == 0
    kept, away = checkout.env_file(), checkout.root / "kept"
    kept.rename(away)
    try:
        refused = checkout.start()
    finally:
        made = kept.exists()
        away.rename(kept)
    assert refused.returncode == 3
    assert "[secret-data]" in refused.stderr
    assert not made, "no secret may be made while data made with the lost ones is there"


def test_a_crash_loop_fails_the_run_with_its_exit_code_and_last_words(
    checkout: Checkout, first: subprocess.CompletedProcess[str]
) -> None:
    assert first.returncode == 0
    override = checkout.root / "compose/docker-compose.development.override.yml"
    text = override.read_text()
    override.write_text(text + '  nginx: {command: [sh, -c, "echo my last words; exit 9"]}\n')
    try:
        failed = checkout.start()
    finally:
        override.write_text(text)
    assert failed.returncode == 1
    for word in ("[crash_loop] nginx", "exit code 9", "my last words", "Remedy:"):
        assert word in failed.stderr
    assert "Traceback" not in failed.stderr
    folder, record = checkout.last()
    assert record["ok"] is False
    assert record["outcome"]["failures"][0]["service"] == "nginx"
    assert "my last words" in (folder / "start.ipynb").read_text()
    fixed = checkout.start()
    assert fixed.returncode == 0, fixed.stdout + fixed.stderr


def test_the_logs_are_shown_without_a_secret(checkout: Checkout, first: subprocess.CompletedProcess[str]) -> None:
    assert first.returncode == 0
    done = checkout.run("logs", "-p", "env", "dev", "-p", "service", "postgres", "-p", "rehearse", "true")
    assert done.returncode == 0, done.stderr
    assert "ready to accept connections" in (checkout.last()[0] / "logs.ipynb").read_text()
    found = checkout.opskit(
        "logs", "dev", "postgres", "--rehearse", "--since", "1h", "--grep", "ready to accept", "--json"
    )
    (table,) = json.loads(found.stdout)
    assert table["rows"]
    assert all("ready to accept" in row["line"] for row in table["rows"])
    none = checkout.opskit("logs", "dev", "postgres", "--rehearse", "--since", "2999-01-01", "--json")
    assert json.loads(none.stdout)[0]["rows"] == []
    unknown = checkout.run("logs", "-p", "env", "dev", "-p", "service", "postgrse", "-p", "rehearse", "true")
    assert unknown.returncode != 0
    assert "there are litellm, minio" in unknown.stderr


def test_logs_are_followed_until_it_is_interrupted(checkout: Checkout, first: subprocess.CompletedProcess[str]) -> None:
    assert first.returncode == 0
    words = ["logs", "dev", "nginx", "-f", "--lines", "0", "--grep", "/followed", "--rehearse"]
    command = [sys.executable, "-m", "opskit", *words]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job is born ignoring it
    with subprocess.Popen(command, env=checkout.environ, cwd=checkout.root, stdout=subprocess.PIPE, text=True) as told:
        late = threading.Timer(60, told.kill)
        late.start()
        assert told.stdout is not None
        time.sleep(3)  # until it follows; nothing says so
        with contextlib.suppress(urllib.error.HTTPError):
            urllib.request.urlopen(f"http://127.0.0.1:{checkout.environ['NGINX_PORT']}/followed", timeout=10).close()
        assert re.search(r"nginx-1 .*GET /followed", told.stdout.readline())
        told.send_signal(signal.SIGINT)
        assert told.wait(10) == 130
        late.cancel()


def test_a_bundle_has_what_explains_a_trouble_and_no_secret(
    checkout: Checkout, first: subprocess.CompletedProcess[str], tmp_path: Path
) -> None:
    assert first.returncode == 0
    done = checkout.opskit("bundle", "dev", "--rehearse", "--folder", str(tmp_path))
    assert done.returncode == 0, done.stderr
    (place,) = tmp_path.glob("opskit-development-*.tar.gz")
    assert place.stat().st_mode & 0o777 == 0o600
    with tarfile.open(place) as archive:
        texts = {m.name.partition("/")[2]: archive.extractfile(m).read().decode() for m in archive.getmembers()}  # type: ignore[union-attr]
    expected = (
        "versions.json facts.json preflight.txt plan.txt status.txt logs.txt last-run/record.json last-run/events.jsonl"
    )
    assert set(texts) == set(expected.split())
    assert "nothing changes" in texts["plan.txt"]
    assert "ready to accept connections" in texts["logs.txt"]
    assert not [name for name, text in texts.items() if text.startswith("not read")]
    secrets = read_secrets(checkout.env_file())
    assert len(secrets) > 10
    for name, secret in secrets.items():
        assert secret.reveal() not in "".join(texts.values()), name
    unwritable = checkout.opskit("bundle", "dev", "--rehearse", "--folder", str(tmp_path / "none"))
    assert (unwritable.returncode, "No such file" in unwritable.stderr) == (1, True)


LOOKING = "index runs bundle status logs preflight gpu matrix secrets clean first_run smoke restart start environments/development"


def test_every_notebook_passes_nbval_beside_a_running_environment(
    checkout: Checkout, first: subprocess.CompletedProcess[str], tmp_path: Path
) -> None:
    assert first.returncode == 0
    there = {name: box.id for name, box in checkout.containers().items()}
    given = {"env": "dev", "service": "redis", "services": "redis", "rehearse": "yes"}
    paths = []
    for name in LOOKING.split():
        notebook = json.loads((checkout.root / f"notebooks/{name}.ipynb").read_text())
        (cell,) = (c for c in notebook["cells"] if "parameters" in c["metadata"].get("tags", ()))
        names = [line.partition(":")[0] for line in cell["source"]]
        lines = zip(names, cell["source"], strict=True)
        cell["source"] = [f'{word} = "{given[word]}"\n' if word in given else line for word, line in lines]
        paths.append(tmp_path / f"{name.replace('/', '-')}.ipynb")
        paths[-1].write_text(json.dumps(notebook))
    words = ["-q", "-p", "no:cacheprovider", "--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout", "120"]
    command = [sys.executable, "-m", "pytest", *words, *map(str, paths)]
    recorded = {**checkout.environ, "OPSKIT_RUN_FOLDER": str(tmp_path)}  # what acts does so in a recorded run alone
    done = subprocess.run(command, env=recorded, cwd=checkout.root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert {name: box.id for name, box in checkout.containers().items()} == there


def test_a_program_that_keeps_no_record_takes_nothing_down(
    checkout: Checkout, first: subprocess.CompletedProcess[str], tmp_path: Path
) -> None:
    assert first.returncode == 0
    there = checkout.containers().keys()
    cells = (checkout.root / "notebooks/stop.ipynb").read_text()
    given = cells.replace('env: str = \\"\\"', 'env: str = \\"dev\\"').replace(
        'rehearse: str = \\"no\\"', 'rehearse: str = \\"yes\\"'
    )
    assert given != cells, "an operator's edited parameters, as autosave leaves them"
    (tmp_path / "stop.ipynb").write_text(given)
    command = [sys.executable, "-m", "jupyter", "execute", str(tmp_path / "stop.ipynb")]
    done = subprocess.run(command, env=checkout.environ, cwd=checkout.root, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "a kernel without a record" in done.stderr
    assert "opskit stop development -p rehearse yes" in done.stderr
    assert checkout.containers().keys() == there


def test_stop_takes_it_down_and_keeps_the_data(checkout: Checkout, first: subprocess.CompletedProcess[str]) -> None:
    assert first.returncode == 0
    done = checkout.run("stop", "-p", "env", "dev", "-p", "rehearse", "true")
    assert done.returncode == 0, done.stdout + done.stderr
    assert checkout.containers() == {}
    label = {"label": f"com.docker.compose.project={checkout.project}"}
    assert len(checkout.engine.volumes.list(filters=label)) == 8
    assert checkout.last()[1]["ok"] is True


def test_ctrl_c_ends_compose_is_told_and_recorded(checkout: Checkout, first: subprocess.CompletedProcess[str]) -> None:
    assert first.returncode == 0
    words = [sys.executable, "-m", "opskit", "run", "start", "-p", "env", "dev", "-p", "rehearse", "true"]
    with subprocess.Popen(
        words, env=checkout.environ, cwd=checkout.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        assert any("starting" in line for line in run.stdout)
        run.send_signal(signal.SIGINT)
        said = run.stderr.read()
    assert run.returncode == 1
    assert "[cancelled]" in said
    assert "Traceback" not in said
    record = checkout.last()[1]
    assert record["outcome"]["failures"][0]["kind"] == "cancelled"
    assert len(checkout.containers()) == 11, "what was started is still there"
