"""The panels of the notebooks: what their buttons start, and where they read it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from opskit.audit.attach import find_running
from opskit.audit.journal import read_journal
from opskit.audit.parameters import describe_parameters
from opskit.audit.runner import read_notebook, start_run
from opskit.engine.waste import MODES
from opskit.environments import Environment
from opskit.gpu.placement import GPU_MODES
from opskit.paths import AUDIT
from opskit.plain import escape
from opskit.preflight.report import Terms
from opskit.rehearsal.level import LEVELS
from opskit.runbook.clean import services_of
from opskit.runbook.parameters import find_stacks
from opskit.show.tables import Table, to_html
from opskit.target.port_overrides import PORTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ipywidgets import VBox

    from opskit.show.panel import Looked, Panel
    from opskit.show.run import Action
    from opskit.show.tables import FindingsTable

_OPTIONS = {"gpu": GPU_MODES, "rehearse": LEVELS, "ports": PORTS, "cleanup": MODES}


def launch_panel(values: Mapping[str, object], look: Callable[[Mapping[str, object]], Looked]) -> Panel:
    """The panel of the start notebook.

    Args:
        values: its parameters, as chosen at first.
        look: see `Panel`.
    """
    from opskit.show.panel import Panel  # noqa: PLC0415  ipywidgets is for JupyterLab alone

    environments = [(e.name, e.purpose) for e in find_stacks("", rehearse=False)]
    parameters = describe_parameters(read_notebook("start"))
    find = partial(find_running, AUDIT)
    watch = {"status": _status, "logs": _logs}
    return Panel(
        environments, parameters, values, _OPTIONS,
        start=start_run, read=_read, look=look, find=find, watch=watch, services=_services,
    )  # fmt: skip


def _services(env: str) -> list[str]:
    """Those that the environment's files name."""
    (environment,) = find_stacks(env, rehearse=False)
    return sorted(services_of(environment) or ())


def _status(env: str, service: str, rehearse: str) -> str:
    from opskit.runbook.status import Status  # noqa: PLC0415  here alone

    return to_html(Status(env=env, rehearse=rehearse).loads(service))


def _logs(env: str, service: str, rehearse: str) -> str:
    from opskit.runbook.logs import Logs  # noqa: PLC0415  here alone
    from opskit.show.watching import draw_lines  # noqa: PLC0415  as above

    table = Logs(env=env, service=service, lines=100 if service else 10, rehearse=rehearse).table()
    return draw_lines(line if service else f"{name:<22} {line}" for name, line in table.rows)


def chosen_table(environment: Environment, given: Mapping[str, object], terms: Terms, *, rehearsal: bool) -> Table:
    """What a run without a person was given, in words."""
    gpu = str(given["gpu"])
    rows = [
        ("environment", environment.name, environment.purpose),
        ("Compose project", environment.project, "its own containers, network and volumes"),
        ("GPU mode", gpu, "decided below" if gpu == "auto" else "as asked for"),
        ("accepted", ", ".join(terms.accept) or "nothing", "check ids whose faults do not stop the start"),
        ("strict", "yes" if terms.strict else "no", "whether a warning stops the start as a fault does"),
        ("deadline", f"{given['deadline_s']:g} s", "a service that is not ready by then is called late"),
    ]
    return Table("Chosen", ("what", "value", "meaning"), rows, rehearsal)


def look_at(findings: FindingsTable, plan: Table | None) -> Looked:
    """What the panel shows of a look: the findings, folded where they block nothing, and the plan."""
    from opskit.show.panel import Looked  # noqa: PLC0415  as above

    if plan is None:
        return Looked(to_html(findings), may_launch=False)
    folded = f"<details><summary>{escape(findings.summary)}</summary>{to_html(findings)}</details>"
    return Looked(folded + to_html(plan), may_launch=True)


def run_panel(action: Action, label: str, choices: Mapping[str, Action]) -> VBox:
    """One button that starts a recorded run, after a question, where a notebook's cell would have acted.

    Args:
        action: the run.
        label: of the button.
        choices: runs to choose from instead, by what is shown of them; there may be none.
    """
    from ipywidgets import VBox  # noqa: PLC0415  as above

    from opskit.show.run_panel import RunPanel  # noqa: PLC0415  as above

    command = f"<code>{escape(action.command)}</code>"
    hint = f"<b>Nothing was changed by this cell.</b> The button starts a recorded run; so does {command}."
    panel = RunPanel(start=start_run, read=_read, hint=hint)
    chosen = panel.add_choice("to", choices) if choices else None
    panel.add_button(
        label, "Starts a recorded run, after a question", lambda: chosen.value if chosen else action, style="warning"
    )
    return VBox([panel.row(), panel.view])


def _read(folder: Path, seen: int) -> Any:  # noqa: ANN401  events
    return read_journal(folder, skip=seen)
