"""No form of any secret in any byte that launches, failures and interrupts write, print or pass as arguments."""

from __future__ import annotations

import gzip
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from opskit.secrets.store import read_secrets
from tests.checkout import SHELL_TOKEN, Checkout
from tests.written import find_values

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]
AWKWARD = r"""pä55 "w\rd"&<b>/%:@+,;~$x €"""
"""A value that URLs, JSON, HTML, a shell and Base64 each write in another way."""
TELLS = r"""
  nginx:
    environment: {TOLD: "${WEBUI_ADMIN_PASSWORD} ${N8N_OWNER_PASSWORD} ${POSTGRES_PASSWORD}"}
    command:
      - sh
      - -c
      - |
        printf 'password: %s\n' "$$TOLD" >&2; printf %s "$$TOLD" | base64 -w0; echo
        printf 'postgresql://postgres:%s@postgres/multimodal\n' "$${TOLD##* }"; exit 9
"""


class Arguments(threading.Thread):
    """Every command line of the machine, containers' included, while it watches."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seen: set[bytes] = set()
        self.ended = threading.Event()

    def run(self) -> None:
        """Look until it is ended."""
        while not self.ended.wait(0.02):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.seen.add(path.read_bytes().replace(b"\0", b" "))
                except OSError:
                    continue  # it has ended


@pytest.fixture(scope="module")
def said(checkout: Checkout) -> Iterator[list[tuple[str, bytes]]]:
    """What a launch, a second one, a failed one and an interrupted one printed, and all arguments meanwhile."""
    file = checkout.env_file()
    file.write_text(f"WEBUI_ADMIN_PASSWORD='{AWKWARD}'\n", encoding="utf-8")
    file.chmod(0o600)
    override = checkout.root / "compose/docker-compose.development.override.yml"
    text = override.read_text()
    arguments = Arguments()
    arguments.start()
    told = []

    def keep(name: str, done: subprocess.CompletedProcess[str], status: int) -> None:
        assert done.returncode == status, done.stdout + done.stderr
        told.append((name, (done.stdout + done.stderr).encode()))

    keep("the first", checkout.start(), 0)
    keep("the second", checkout.start(), 0)
    override.write_text(text + TELLS)
    keep("one that fails", checkout.start(), 1)
    for words in (
        ("status",),
        ("logs",),
        ("plan",),
        ("preflight",),
        ("secrets",),
        ("bundle", "--folder", str(checkout.root)),
    ):
        done = checkout.opskit(words[0], "dev", "--rehearse", *words[1:])
        told.append((words[0], (done.stdout + done.stderr).encode()))
    command = [sys.executable, "-m", "opskit", "start", "dev", "--rehearse"]
    with subprocess.Popen(
        command, env=checkout.environ, cwd=checkout.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as run:
        assert run.stdout is not None
        lines = []
        for line in run.stdout:
            lines.append(line)
            if b"starting" in line:
                run.send_signal(signal.SIGINT)
    told.append(("one that is interrupted", b"".join(lines)))
    assert run.returncode != 0
    arguments.ended.set()
    arguments.join()
    assert len(arguments.seen) > 50
    yield [*told, *((f"arguments {words[:60]!r}", words) for words in arguments.seen)]
    override.write_text(text)


def read(path: Path) -> bytes:
    """What a file says; a bundle unpacked."""
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def test_no_form_of_a_secret_is_written_printed_or_passed(checkout: Checkout, said: list[tuple[str, bytes]]) -> None:
    file = checkout.env_file()
    values = {name: secret.reveal() for name, secret in read_secrets(file).items()}
    assert values["WEBUI_ADMIN_PASSWORD"] == AWKWARD
    values["HF_TOKEN"] = SHELL_TOKEN
    kept = [path for path in checkout.root.rglob("*") if path.is_file() and not path.name.startswith(file.name)]
    assert len(kept) > 80
    written = [(str(path.relative_to(checkout.root)), read(path)) for path in kept]
    assert find_values([*written, *said], values) == []


def test_a_planted_value_is_found(checkout: Checkout, said: list[tuple[str, bytes]]) -> None:
    values = {name: secret.reveal() for name, secret in read_secrets(checkout.env_file()).items()}
    logs = checkout.containers()["nginx"].logs()
    ways = {(name, way) for _, name, way in find_values([("nginx", logs)], values)}
    told = {name for name, way in ways if way == "plain"}
    assert told >= {"WEBUI_ADMIN_PASSWORD", "N8N_OWNER_PASSWORD", "POSTGRES_PASSWORD"}
    assert [name for name, data in said if name == "one that fails" and b"[POSTGRES_PASSWORD]" in data]
    notebook = max(checkout.root.glob("audit/*/*/*/start.ipynb"), key=lambda path: path.stat().st_mtime_ns)
    before = notebook.read_bytes()
    for name, value in values.items():
        planted = before + value.encode()
        assert (str(notebook), name, "plain") in find_values([(str(notebook), planted)], {name: value})
