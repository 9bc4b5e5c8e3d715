"""The command `opskit`: each notebook of the runbook is a command, with the parameters of its own cell as options."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from opskit.audit.interrupt import let_in
from opskit.audit.journal import read_journal
from opskit.audit.ledger import NAME as LEDGER
from opskit.audit.ledger import older_runs, verify
from opskit.audit.origin import given_folder, open_folder
from opskit.audit.parameters import check_parameters, declared_parameters, describe_parameters
from opskit.audit.runner import read_notebook, read_parameters, run_notebook
from opskit.compose.plan import changes
from opskit.environments import find_environment, read_environments
from opskit.errors import OpskitError, UsageError, did_you_mean
from opskit.options import NotebookCommand, make_options, read_words
from opskit.paths import AUDIT, ENVIRONMENTS, NOTEBOOKS, ROOT, STATE
from opskit.plain import plain_text
from opskit.rehearsal.level import LEVELS
from opskit.show.console import Console
from opskit.show.printing import print_again, print_json, print_tables

CHANGES_PENDING = 10
"""Exit status of `plan` where a start would change something."""
STATUSES = """\b
Exit status: 0 done, 1 failed, 2 usage, 3 preflight forbids a start, 4 a service is not ready,
5 another launch holds the environment, 10 a start would change something, 130 interrupted."""
_PLAN, _START = "plan", "start"
_PLANS = "What a start would do, nothing done. Exit status 10 where it would change something."


def run_command(arguments: list[str] | None = None) -> int:
    """Run the command line. Returns the exit status; docs/cli.md has the table."""
    try:
        status = runbook.main(arguments, prog_name="opskit", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        raise KeyboardInterrupt from None
    except OpskitError as error:
        print(plain_text(str(error)), file=sys.stderr)  # noqa: T201  a command line prints
        return error.exit_status
    return status if isinstance(status, int) else 0


class Runbook(click.Group):
    """The commands written below, and one of every notebook; a notebook is read when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, by name."""
        return sorted({*super().list_commands(ctx), _PLAN, *map(_command_of, _notebooks())})

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command of that name; None where there is none."""
        if written := super().get_command(ctx, name):
            return written
        stem = name.replace("-", "_")
        if name == _PLAN and _START in _notebooks():
            return _make_command(_START, name=_PLAN, act=_plan, help=_PLANS)
        return _make_command(stem) if stem in _notebooks() else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does; a name that is none is told the nearest."""
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            read_environments(ENVIRONMENTS)  # says so where there is no project, whose notebooks are the commands
            known = self.list_commands(ctx)
            raise UsageError(f"opskit {args[0]}: no such command.{did_you_mean(args[0], known)} Wanted one of: "
                             f"{', '.join(known)}.")  # fmt: skip
        return super().resolve_command(ctx, args)


@click.group(
    cls=Runbook,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Launch and operate the environments of the LLM Multimodal Stack. What changes something runs a notebook of "
    f"the runbook and leaves its record under audit/; what only looks leaves nothing.\n\n{STATUSES}",
)
@click.version_option(package_name="opskit")
def runbook() -> None:
    """Hold the commands."""


def _notebooks() -> list[str]:
    return sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))


def _command_of(notebook: str) -> str:
    return notebook.replace("_", "-")


def _make_command(
    notebook: str,
    *,
    name: str = "",
    act: Callable[[str, dict[str, Any]], int] | None = None,
    help: str = "",  # noqa: A002  click's word
) -> click.Command:
    """The command of a notebook: its environment and services by position, the rest by options.

    Args:
        notebook: its name.
        name: of the command; empty: the notebook's.
        act: what the command does with what it was given; None: what the notebook does.
        help: empty: the notebook's title.
    """
    cells = read_notebook(notebook)
    title = "".join(cells["cells"][0]["source"]).splitlines()[0].removeprefix("# ")
    options = make_options(name or notebook, describe_parameters(cells))

    def run_it(**given: Any) -> int:  # noqa: ANN401  as click reads them
        return (act or _act)(notebook, given)

    return NotebookCommand(name or _command_of(notebook), params=options, callback=run_it, help=help or title)


def _act(name: str, given: dict[str, Any]) -> int:
    from opskit.runbook.look import changes_something  # noqa: PLC0415  half a second

    terminal = {word: given.pop(word) for word in ("as_json", "follow", "watch", "quiet") if word in given}
    parameters = read_parameters(name, read_words(given))
    if changes_something(name, parameters):
        return _run(name, parameters)
    _check(name, parameters)
    with let_in():  # there is no record to write an interrupt into
        return _look(name, parameters, **terminal)


def _look(
    name: str,
    parameters: dict[str, Any],
    *,
    as_json: bool,
    follow: bool = False,
    watch: int | None = None,
    quiet: bool = False,
) -> int:
    from opskit.runbook.look import Look  # noqa: PLC0415  half a second

    if follow:
        from opskit.runbook.logs import Logs  # noqa: PLC0415  only here

        Logs(**parameters).follow(click.echo)
        return 0
    while watch:
        print_again(lambda: Look(name, parameters).tables())
        time.sleep(watch)
    look = Look(name, parameters)
    if as_json or quiet:
        tables = [table.plain() for table in look.tables()]
        if not quiet:
            print_json(tables)
    else:
        print_tables(look.tables())
    return look.exit_status


def _check(name: str, parameters: dict[str, Any]) -> None:
    """Refuse what a recorded run's engine would refuse."""
    check_parameters(declared_parameters(read_notebook(name)), parameters, notebook=f"notebooks/{name}.ipynb")


def _run(name: str, parameters: dict[str, Any]) -> int:
    folder = given_folder() or open_folder(read_notebook(name), parameters, name=name)
    console = Console(lambda seen: read_journal(folder, skip=seen))
    ended = threading.Event()
    watcher = threading.Thread(target=console.follow, args=(ended,))
    watcher.start()
    try:
        status, message = run_notebook(name, parameters, folder)
    finally:
        ended.set()
        watcher.join()
    if message:
        click.echo(f"\nFAILED\n{plain_text(message)}", err=True)
        return status
    click.echo(f"The record is {folder}")
    verdicts = [event["exit_status"] for event in read_journal(folder) if event["kind"] == "verdict"]
    return int(verdicts[-1]) if verdicts else 0


@runbook.command(help="Run a notebook by its name, recorded, also one that only looks.")
@click.argument("notebook")
@click.option("-p", "parameters", nargs=2, multiple=True, metavar="NAME VALUE", help="One of its parameters.")
def run(notebook: str, parameters: tuple[tuple[str, str], ...]) -> int:
    """Run a notebook."""
    return _run(notebook, read_parameters(notebook, dict(parameters)))


def _plan(notebook: str, given: dict[str, Any]) -> int:
    """Show what a start would do."""
    from opskit.runbook.start import Start  # noqa: PLC0415  only here

    as_json = given.pop("as_json")
    words = read_parameters(notebook, read_words(given))
    _check(notebook, words)
    start = Start(**{"env": "", **{name: value for name, value in words.items() if name != "measure"}})
    with let_in():
        if as_json:
            print_json([asdict(step) for step in start.steps])
        else:
            print_tables([start.plan_table()])
        return CHANGES_PENDING if changes(start.steps) else 0


@runbook.command(help="Put the project's files into a folder. They are compose/, configs/, sql/ and notebooks/.")
@click.argument("folder", type=click.Path(path_type=Path))
def init(folder: Path) -> int:
    """Make a project."""
    from opskit.init import init_project  # noqa: PLC0415  only here

    place = init_project(folder)
    click.echo(f"The project is in {place}. Next: `cd {place} && opskit start development --rehearse`")
    return 0


@runbook.command(cls=NotebookCommand,
                 help='Print one secret. As in "$(opskit secret dev STACK_API_KEY)"; nothing records it.')  # fmt: skip
@click.argument("env")
@click.argument("name")
@click.option("--rehearse", type=click.Choice(LEVELS), is_flag=False, flag_value="yes", default="no",
              help="yes or full: of its rehearsal.")  # fmt: skip
def secret(env: str, name: str, rehearse: str) -> int:
    """Print one secret."""
    from opskit.secrets.store import read_one  # noqa: PLC0415  only here

    environment = find_environment(read_environments(ENVIRONMENTS), env).rehearsed(rehearse != "no")
    click.echo(read_one(name, ROOT / environment.env_file))
    return 0


@runbook.command(help="The rehearsal's own Docker Engine: start or stop it.")
@click.argument("act", type=click.Choice(["start", "stop"]))
def engine(act: str) -> int:
    """Start or stop the private Engine."""
    from opskit.rehearsal.engine import ensure_engine, stop_engine  # noqa: PLC0415  only here

    with let_in():
        if act == "start":
            click.echo(ensure_engine(STATE, say=click.echo).host)
        else:
            click.echo("stopped" if stop_engine(STATE, grace_s=20.0) else "there was none to stop")
    return 0


@runbook.command(help="Whether the archive is as its ledger says. Exit status 1 where it is not.")
@click.argument("act", type=click.Choice(["verify"]))
@click.option("--head", default="", metavar="SHA256", help="The newest hash, as the system's log has it.")
def audit(act: str, head: str) -> int:  # noqa: ARG001  there is one
    """Verify the archive."""
    if not (AUDIT / LEDGER).exists():
        raise OpskitError(f"{AUDIT / LEDGER}: there is no ledger; wanted one, which a first run makes")
    faults = tuple(verify(AUDIT, head=head))
    older = older_runs(AUDIT)
    told = plain_text("\n".join(faults))
    click.echo(told or f"{AUDIT} is as its ledger says" + (f"; {older} runs are older" if older else ""))
    return 1 if faults else 0


@runbook.command(
    help="List, show and compare runs. The act is list, show RUN, or diff [OLD] [NEW], since it last worked."
)
@click.argument("act", type=click.Choice(["list", "show", "diff"]), default="list")
@click.argument("names", nargs=-1, metavar="RUN...")
@click.option("--env", default="", help="list: only this environment.")
@click.option("--of", default="", metavar="ACT", help="list: only this act, such as start.")
@click.option("--failed", is_flag=True, help="list: only those that did not end well.")
@click.option("--most", type=click.IntRange(1), default=20, show_default=True, help="list: so many.")
@click.option("--json", "as_json", is_flag=True, help="list: as JSON.")
def runs(  # noqa: PLR0917  click names them
    act: str, names: tuple[str, ...], env: str, of: str, failed: bool, most: int, as_json: bool
) -> int:
    """List, show or compare runs."""
    from opskit.runbook.runs import Runs  # noqa: PLC0415  only here

    found = Runs(AUDIT)
    wanted = {"list": (0,), "show": (1,), "diff": (0, 1, 2)}[act]
    if len(names) not in wanted:
        raise UsageError(f"opskit runs {act}: found {len(names)} runs; wanted {' or '.join(map(str, wanted))}")
    if act == "list":
        table, rows = found.listed(most, env=env, act=of, failed=failed)
        if as_json:
            print_json(rows)
        else:
            click.echo(str(table))
    else:
        click.echo(str(found.shown(*names) if act == "show" else found.compared(*reversed(names))))
    return 0
