"""What the parameters of several notebooks share: how each is read, and refused before anything is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from opskit.audit.journal import Journal
from opskit.audit.runner import is_interactive
from opskit.environments import Environment, find_environment, read_environments
from opskit.errors import OpskitError, UsageError, did_you_mean
from opskit.health.outcome import LaunchEvent, PullProgress, ServiceChanged
from opskit.paths import COMPOSE, ENVIRONMENTS, login
from opskit.preflight.registry import refuse_unknown
from opskit.preflight.report import Terms
from opskit.rehearsal.level import LEVELS, read_level

if TYPE_CHECKING:
    from ipywidgets import VBox

    from opskit.show.run import Action


class Operation:
    """What every operation has: the level of its rehearsal and the journal of its run.

    Args:
        rehearse: `no`, `yes` or `full`; see the notebooks.

    Attributes:
        exit_status: of the command that only looked: 0, 3 (a start is forbidden) or 4 (a service is not ready).

    Raises:
        UsageError: it is another word.
    """

    exit_status = 0

    def __init__(self, rehearse: str | bool) -> None:
        level = read_level(rehearse)
        if level is None:
            raise UsageError(f"rehearse: found {rehearse!r}; wanted one of {', '.join(LEVELS)}.")
        self.level = level
        self.rehearse = level != "no"
        self.rehearsing = {"rehearse": level} if self.rehearse else {}
        """What a run that goes on with this one needs of its parameters."""
        self.more = f" -p rehearse {level}" if self.rehearse else ""
        """What a command that is printed needs behind its environment."""
        self.journal = Journal.of_this_run()

    def words(self, **given: object) -> dict[str, str]:
        """The parameters of a run that does what this one was asked, as words; what is empty is the notebook's own."""
        told = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in given.items()}
        return {name: word for name, word in told.items() if word} | self.rehearsing

    def refuse_unrecorded(self, action: Action, label: str, choices: Mapping[str, Action] | None = None) -> VBox | None:
        """What changes something is a recorded run: elsewhere it is not done, and what does it is shown.

        Args:
            action: the run that does it.
            label: of the button that starts it.
            choices: runs to choose from instead, by what is shown of them.

        Returns:
            For a person in JupyterLab, a button that starts the run; None in a recorded run, where the cell goes on.

        Raises:
            OpskitError: a program executes the notebook without a record (`jupyter execute`, nbconvert, nbclient).
        """
        if self.journal.folder is not None:
            return None
        if is_interactive():
            from opskit.runbook.control import run_panel  # noqa: PLC0415  ipywidgets is for JupyterLab alone

            return run_panel(action, label, choices or {})
        raise OpskitError(
            "nothing was changed: found a kernel without a record; wanted papermill or opskit. "
            f"Remedy: `{action.command}`."
        )

    def tell_launch(self, event: LaunchEvent) -> None:
        """Tell the journal and the terminal what happens in a launch."""
        if isinstance(event, ServiceChanged):
            self.journal.write("service", **asdict(event))
            print(f"{event.seconds:7.1f} s  {event.word:<7}  {event.service:<20} {event.state}", flush=True)  # noqa: T201
        elif isinstance(event, PullProgress):
            self.journal.write("pull", text=str(event), **asdict(event))
        elif event.kind != "layer":
            self.journal.write("compose", resource=event.kind, name=event.name, verb=event.verb, detail=event.detail)


def find_stack(env: str, overlays: str = "", *, rehearse: bool) -> Environment:
    """The environment of that name or alias, with further files of compose/ merged after its own.

    Raises:
        UsageError: there is none, it has no stack of its own, or there is no such file; the nearest is named.
    """
    environment = find_environment(read_environments(ENVIRONMENTS), env)
    if environment.act_on:
        raise UsageError(f"env: {environment.name} is an operation on {environment.act_on}, not a stack of its own.")
    files = sorted(path.name for path in COMPOSE.glob("*.yml"))
    names = _words(overlays)
    for name in names:
        if name not in files:
            hint = did_you_mean(name, files)
            raise UsageError(f"overlays: found no compose/{name}.{hint} Wanted some of: {', '.join(files)}.")
    more = {"compose": (*environment.compose, *names), "overlays": names}
    return environment.rehearsed(rehearse).model_copy(update=more)


def find_stacks(env: str, *, rehearse: bool) -> list[Environment]:
    """The environment of that name, or the one it works on; every one with a stack of its own where none is named."""
    environments = {name: e.rehearsed(rehearse) for name, e in read_environments(ENVIRONMENTS).items()}
    if not env:
        return [environment for environment in environments.values() if not environment.act_on]
    chosen = find_environment(environments, env)
    return [find_environment(environments, chosen.act_on) if chosen.act_on else chosen]


def one_of(name: str, value: str, wanted: tuple[str, ...]) -> str:
    """The value of a parameter that is one of a few words.

    Raises:
        UsageError: it is none of them.
    """
    if value not in wanted:
        raise UsageError(f"{name}: found {value!r}; wanted one of {', '.join(wanted)}.")
    return value


def read_terms(accept: str, *, strict: bool) -> Terms:
    """How a preflight is judged, in this user's name.

    Raises:
        UsageError: `accept` names no check; the nearest is named.
    """
    accepted = _words(accept)
    refuse_unknown(accepted)
    return Terms(accepted, login(), strict)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())
