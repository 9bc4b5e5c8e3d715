"""The operator's part of a preflight test: look, read what is printed, do that very thing, look again."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from docker.errors import NotFound
from docker.models.networks import Network

from opskit.preflight.finding import Finding, Verdict
from tests.checkout import Checkout

if TYPE_CHECKING:
    from docker.models.containers import Container
    from docker.models.volumes import Volume

OVERRIDE = "compose/docker-compose.development.override.yml"
_LOOK = """
import dataclasses, json, os, sys
from opskit.runbook.preflight import Preflight
env, gpu, user, groups = sys.argv[1:]
def look():
    (report,) = Preflight(env=env, gpu=gpu).reports.values()
    return [dataclasses.asdict(finding) for finding in report.findings]
if user:
    look()  # what another user may not read is imported now
    os.setgroups([int(group) for group in groups.split()])
    os.setresgid(int(user), int(user), int(user))
    os.setresuid(int(user), int(user), int(user))
print(json.dumps(look()))
"""


def judge(
    checkout: Checkout,
    env: str = "development",
    *,
    gpu: str = "auto",
    python: str | Path = sys.executable,
    user: int | None = None,
    groups: tuple[int, ...] = (),
    **changed: str,
) -> tuple[Finding, ...]:
    """Every finding of the checkout's preflight, by a Python and a user of its own, with these variables changed."""
    words = [env, gpu, "" if user is None else str(user), " ".join(map(str, groups))]
    done = _run(checkout, [str(python), "-c", _LOOK, *words], changed)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads(done.stdout.splitlines()[-1])
    return tuple(Finding(**{**row, "verdict": Verdict(row["verdict"])}) for row in rows)


def trouble(checkout: Checkout, check: str, env: str = "development", **how: object) -> list[Finding]:
    """What that check says that is not a PASS; `how` is for `judge`."""
    findings = judge(checkout, env, **how)  # type: ignore[arg-type]  # each by its name
    return [finding for finding in findings if finding.check == check and finding.verdict is not Verdict.PASS]


def commands(finding: Finding) -> list[str]:
    """The commands a remedy prints, as they are printed."""
    return re.findall(r"`([^`]+)`", finding.remedy)


def follow(checkout: Checkout, finding: Finding, nth: int = 0, **changed: str) -> str:
    """Run a printed command by a shell where the operator is; only `sudo` is left out, the tests are root's."""
    command = commands(finding)[nth].removeprefix("sudo ")
    done = _run(checkout, ["bash", "-c", command], changed)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return command


def append(path: Path, text: str, undo: ExitStack) -> str:
    """Add to a file until the test ends; returns what it was."""
    before = path.read_text()
    undo.callback(path.write_text, before)
    path.write_text(before + text)
    return before


@contextlib.contextmanager
def gone_at_last(made: Container | Network | Volume) -> Iterator[None]:
    """Remove what a test made, by its id, unless following a remedy has done so."""
    try:
        yield
    finally:
        with contextlib.suppress(NotFound):
            made.remove() if isinstance(made, Network) else made.remove(force=True)


def _run(checkout: Checkout, words: list[str], changed: dict[str, str]) -> subprocess.CompletedProcess[str]:
    environ = {**checkout.environ, **changed}
    return subprocess.run(
        words, env=environ, cwd=checkout.root, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
