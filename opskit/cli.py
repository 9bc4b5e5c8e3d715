# ruff: noqa: T201  a command line prints
"""The command `opskit`: runs a notebook of the runbook, recorded, and tells how it goes."""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from opskit.audit.interrupt import let_in
from opskit.audit.journal import RUN_FOLDER, open_run_folder, read_journal
from opskit.audit.ledger import NAME as LEDGER
from opskit.audit.ledger import older_runs, verify
from opskit.audit.runner import notebook_path, read_parameters, run_notebook
from opskit.compose.plan import changes
from opskit.environments import find_environment, read_environments
from opskit.errors import OpskitError, UsageError
from opskit.paths import AUDIT, ENVIRONMENTS
from opskit.plain import plain_text
from opskit.show.console import Console

UNHEALTHY = 4
"""Exit status of `status` where a service is not ready."""
CHANGES_PENDING = 10
"""Exit status of `plan` where a start would change something."""


def run_command(arguments: list[str] | None = None) -> int:
    """Run the command line. Returns the exit status: 0 done, 1 failed, 2 usage; see the two above."""
    parser = argparse.ArgumentParser(
        prog="opskit",
        description="Launch and operate the environments of the LLM Multimodal Stack. Each command runs a notebook of "
        "the runbook and leaves its record under audit/.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    names = "start, stop, restart, status, preflight, logs, gpu, matrix, clean, first_run"
    run = commands.add_parser("run", help=f"run a notebook: {names}")
    run.add_argument("notebook")
    plan = commands.add_parser(
        "plan", help="what a start would do, nothing done; exit status 10 where it would change something"
    )
    plan.add_argument("env", metavar="ENV")
    plan.add_argument("--json", action="store_true", help="as JSON, container by container")
    status = commands.add_parser("status", help="how every service stands; exit status 4 where one is not ready")
    status.add_argument("env", metavar="ENV", nargs="?", default="")
    restart = commands.add_parser("restart", help="restart services of an environment that is up, and wait for them")
    restart.add_argument("env", metavar="ENV")
    restart.add_argument("services", metavar="SERVICE", nargs="+")
    smoke = commands.add_parser("smoke", help="ask each service of an environment that is up by its own protocol")
    smoke.add_argument("env", metavar="ENV")
    for command in (run, plan, status, restart, smoke):
        command.add_argument("-p", dest="parameters", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"))
    engine = commands.add_parser("engine", help="the rehearsal's own Docker Engine: start or stop it")
    engine.add_argument("act", choices=("start", "stop"))
    audit = commands.add_parser(
        "audit", help="whether the archive is as its ledger says; exit status 1 where it is not"
    )
    audit.add_argument("act", choices=("verify",))
    audit.add_argument("--head", default="", metavar="SHA256", help="the newest hash, as the system's log has it")
    runs = commands.add_parser("runs", help="the runs so far: list, show RUN, diff [OLD] [NEW] (since it last worked)")
    runs.add_argument("act", choices=("list", "show", "diff"), nargs="?", default="list")
    runs.add_argument("runs", metavar="RUN", nargs="*", help="a run's folder, or how its name begins")
    runs.add_argument("--env", default="", help="list: only this environment")
    runs.add_argument("--of", default="", metavar="ACT", help="list: only this act, such as start")
    runs.add_argument("--failed", action="store_true", help="list: only those that did not end well")
    runs.add_argument("--most", type=int, default=20, metavar="N", help="list: so many (20)")
    runs.add_argument("--json", action="store_true", help="list: as JSON")
    said = parser.parse_args(arguments)
    try:
        return _COMMANDS[said.command](said)
    except UsageError as error:
        print(plain_text(str(error)), file=sys.stderr)
        return 2
    except OpskitError as error:
        print(plain_text(str(error)), file=sys.stderr)
        return 1


def _on_environment(said: argparse.Namespace) -> dict[str, str]:
    return {**dict(said.parameters), "env": said.env}


def _run(name: str, words: dict[str, str]) -> int:
    notebook_path(name)
    parameters = read_parameters(name, words)
    environment = str(parameters.get("env", ""))
    if environment or name in {"start", "stop", "restart", "smoke"}:
        environment = find_environment(read_environments(ENVIRONMENTS), environment).name
    given = os.environ.get(RUN_FOLDER)
    folder = Path(given) if given else open_run_folder(AUDIT, environment=environment, act=name)
    console = Console(lambda seen: read_journal(folder, skip=seen))
    ended = threading.Event()
    watcher = threading.Thread(target=console.follow, args=(ended,))
    watcher.start()
    try:
        message = run_notebook(name, parameters, folder)
    finally:
        ended.set()
        watcher.join()
    if message:
        print(f"\nFAILED\n{plain_text(message)}", file=sys.stderr)
        return 1
    print(f"The record is {folder}")
    return 0


def _plan(said: argparse.Namespace) -> int:
    from opskit.runbook.start import Start  # noqa: PLC0415  only here

    words = read_parameters("start", _on_environment(said))
    start = Start(**{name: value for name, value in words.items() if name != "measure"})
    if said.json:
        print(json.dumps([asdict(step) for step in start.steps], indent=1))
    else:
        print(start.plan_table())
    return CHANGES_PENDING if changes(start.steps) else 0


def _status(said: argparse.Namespace) -> int:
    from opskit.runbook.status import Status  # noqa: PLC0415  only here

    status = Status(**read_parameters("status", _on_environment(said)))
    print(status.services())
    return 0 if status.well else UNHEALTHY


def _engine(said: argparse.Namespace) -> int:
    from opskit.paths import STATE  # noqa: PLC0415  only here
    from opskit.rehearsal.engine import ensure_engine, stop_engine  # noqa: PLC0415  only here

    with let_in():
        if said.act == "start":
            print(ensure_engine(STATE, say=print).host)
        else:
            print("stopped" if stop_engine(STATE, grace_s=20.0) else "there was none to stop")
    return 0


def _audit(said: argparse.Namespace) -> int:
    if not (AUDIT / LEDGER).exists():
        raise OpskitError(f"{AUDIT / LEDGER}: there is no ledger; wanted one, which a first run makes")
    faults = tuple(verify(AUDIT, head=said.head))
    older = older_runs(AUDIT)
    told = plain_text("\n".join(faults))
    print(told or f"{AUDIT} is as its ledger says" + (f"; {older} runs are older" if older else ""))
    return 1 if faults else 0


def _runs(said: argparse.Namespace) -> int:
    from opskit.runbook.runs import Runs  # noqa: PLC0415  only here

    runs = Runs(AUDIT)
    wanted = {"list": (0,), "show": (1,), "diff": (0, 1, 2)}[said.act]
    if len(said.runs) not in wanted:
        raise UsageError(f"opskit runs {said.act}: found {len(said.runs)} runs; wanted {' or '.join(map(str, wanted))}")
    if said.act == "list":
        env = find_environment(read_environments(ENVIRONMENTS), said.env).name if said.env else ""
        table, rows = runs.listed(said.most, env=env, act=said.of, failed=said.failed)
        print(json.dumps(rows, indent=1) if said.json else table)
    else:
        print(runs.shown(*said.runs) if said.act == "show" else runs.compared(*reversed(said.runs)))
    return 0


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": lambda said: _run(said.notebook, dict(said.parameters)),
    "plan": _plan,
    "status": _status,
    "restart": lambda said: _run("restart", {**_on_environment(said), "services": " ".join(said.services)}),
    "smoke": lambda said: _run("smoke", _on_environment(said)),
    "engine": _engine,
    "audit": _audit,
    "runs": _runs,
}
