"""docs/develop.md says which files a change touches: in a tree of its own each is made there and nowhere else, and works."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from opskit.paths import ROOT

ENVIRONMENT = """  ninth:
    purpose: A greeter and its store
    compose: [docker-compose.ninth.yml]
    memory_gib: 1
    secrets: true
"""
STACK = """# A greeter and its store.
services:
  redis: {extends: {file: services/datastores.yml, service: redis}}
  greeter: {extends: {file: services/greeter.yml, service: greeter}}
networks:
  multimodal-net: {}
  stores-net: {internal: true}
volumes:
  redis_data: {}
"""
SERVICE = """# It greets who has the key.
services:
  greeter:
    extends: {file: common.yml, service: quick}
    networks: [multimodal-net]
    image: nginx:1.30.4-alpine
    environment:
      KEY: ${GREETER_KEY:?it is generated into the env file}
    ports:
      - {host_ip: "${BIND_ADDRESS:-127.0.0.1}", published: "${GREETER_PORT:-8099}", target: 8099}
    healthcheck:
      test: [CMD, curl, -fsS, -o, /dev/null, "http://127.0.0.1:8099/"]
    labels: {opskit.port.8099: "http / greeter", opskit.key.8099: GREETER_KEY}
    deploy: {resources: {limits: {memory: 256M}}}
"""
OLD_FACT = '''

def check_memory_half(memory: Memory) -> tuple[Finding, ...]:
    """Half of the memory is available."""
    enough = memory.available_bytes * 2 >= memory.total_bytes
    found = f"{gib(memory.available_bytes)} available"
    verdict = Verdict.PASS if enough else Verdict.WARN
    return (Finding("memory-half", verdict, "memory", found, "half of it", "" if enough else "end what holds it"),)
'''
NEW_FACT = '''

def check_host_uptime(uptime_s: float) -> tuple[Finding, ...]:
    """The machine runs for a minute at least."""
    verdict = Verdict.PASS if uptime_s >= 60 else Verdict.WARN
    remedy = "" if uptime_s >= 60 else "wait"
    return (Finding("host-uptime", verdict, "host", f"{uptime_s:.0f} s", "60 s", remedy),)
'''


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's files with every change of the table in them."""
    root = tmp_path_factory.mktemp("newcomer")
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)
    add_environment(root)
    add_secret(root)
    add_checks(root)
    add_parameter(root)
    for words in (("-m", "opskit.audit.shipped"), ("docs/environments.py",), ("docs/cli.py",)):
        run(root, *words)
    return root


def add_environment(root: Path) -> None:
    append(root / "configs/environments.yaml", ENVIRONMENT)
    (root / "compose/docker-compose.ninth.yml").write_text(STACK)
    (root / "compose/services/greeter.yml").write_text(SERVICE)


def add_secret(root: Path) -> None:
    change(
        root / "opskit/secrets/policy.py",
        '    SecretRule("ALLURE_JWT',
        '    SecretRule("GREETER_KEY"),\n    SecretRule("ALLURE_JWT',
    )
    row = "| `GREETER_KEY` | no data | a new one is made | `rotate` | a value without spaces around it |\n"
    change(root / "docs/secrets.md", "| `ALLURE_JWT", f"{row}| `ALLURE_JWT")


def add_checks(root: Path) -> None:
    append(root / "opskit/preflight/checks/host.py", OLD_FACT + NEW_FACT)
    registry = root / "opskit/preflight/registry.py"
    change(
        registry, "    check_memory_swap,\n", "    check_host_uptime,\n    check_memory_half,\n    check_memory_swap,\n"
    )
    lines = (
        "    check_memory_half: lambda f: check_memory_half(_known(_here(f).memory)),\n"
        "    check_host_uptime: lambda f: check_host_uptime(_known(_here(f).uptime_s)),\n"
    )
    change(registry, "    check_disk_free: lambda", f"{lines}    check_disk_free: lambda")
    rows = "| `memory-half` | Half of the memory is available. |\n| `host-uptime` | The machine runs for a minute at least. |\n"
    change(root / "docs/preflight.md", "| `disk-free` | ", f"{rows}| `disk-free` | ")
    model, read = root / "opskit/host/model.py", root / "opskit/host/read.py"
    change(
        model,
        "    programs: Mapping[int, str] = field(default_factory=dict)\n",
        "    programs: Mapping[int, str] = field(default_factory=dict)\n    uptime_s: float | Unknown = UNREAD\n",
    )
    change(
        read,
        "        time_s=time.time(),\n",
        "        time_s=time.time(),\n        uptime_s=time.time() - psutil.boot_time(),\n",
    )
    change(root / "tests/facts.py", "disk_use=DiskUse(())),", "disk_use=DiskUse(()), uptime_s=3600.0),")


def add_parameter(root: Path) -> None:
    notebook = root / "notebooks/start.ipynb"
    content = json.loads(notebook.read_text())
    (cell,) = [c for c in content["cells"] if "parameters" in c["metadata"].get("tags", ())]
    cell["source"][-1] += "\n"
    cell["source"].append('greeting: str = ""  # words that the record begins with')
    notebook.write_text(json.dumps(content, indent=1) + "\n")
    start = root / "opskit/runbook/start.py"
    change(start, "        wait_lock_s: float = 0,\n", '        wait_lock_s: float = 0,\n        greeting: str = "",\n')
    change(
        start,
        '            "wait_lock_s": wait_lock_s,\n',
        '            "wait_lock_s": wait_lock_s, "greeting": greeting,\n',
    )


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, (path.name, old, text.count(old))
    path.write_text(text.replace(old, new))


def run(tree: Path, *words: str) -> str:
    env = {**os.environ, "PYTHONPATH": str(tree), "DOCKER_HOST": f"unix://{tree}/none.sock", "COLUMNS": "200"}
    done = subprocess.run([sys.executable, *words], cwd=tree, env=env, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_a_ninth_environment_stands_in_the_matrix_and_lint_has_nothing_against_it(tree: Path) -> None:
    said = run(tree, "-m", "opskit", "matrix")
    assert "ninth" in said
    assert not [line for line in said.splitlines() if "greeter" in line]


def test_the_secret_is_one_that_a_start_makes_and_the_checks_are_asked(tree: Path) -> None:
    said = run(tree, "-m", "opskit", "preflight", "ninth", "--json")
    tables = json.loads(said[said.index("[") :])
    verdicts = {row["check"]: row["ninth"] for row in tables[0]["rows"]}
    assert verdicts["variable-set"] == "PASS", "no rule would leave GREETER_KEY unset"
    assert verdicts["label-valid"] == "PASS"
    assert verdicts["memory-half"] in {"PASS", "WARN"}
    assert verdicts["host-uptime"] == "PASS"


def test_start_takes_the_parameter_on_the_command_line_and_from_the_notebook(tree: Path) -> None:
    said = run(tree, "-m", "opskit", "start", "--help")
    assert "--greeting STR" in said
    assert "words that the record begins with" in said


def test_no_other_test_wants_what_was_there_before(tree: Path) -> None:
    said = run(
        tree,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/unit",
        "tests/notebooks/test_rules.py",
        "tests/engine/test_stack_files.py",
    )
    assert " passed" in said.splitlines()[-1], said[-6000:]
    assert "failed" not in said.splitlines()[-1], said[-6000:]
