"""Write docs/cli.md: what `opskit --help` and each command's help say, and the exit statuses."""

from __future__ import annotations

import runpy
from pathlib import Path

import click

from opskit.cli import runbook

_TRANSCRIPTS = runpy.run_path(str(Path(__file__).with_name("transcripts.py")))

PLACE = Path(__file__).with_suffix(".md")
_HEAD = """# The command line

Written by `python docs/cli.py` from the notebooks' parameter cells; a test holds it to them. Every notebook is
a command. What changes something is a recorded run of its notebook, exactly as papermill and JupyterLab run it; what
only looks (`status`, `logs`, `preflight`, `gpu`, `matrix`, `plan`, `runs`, and `clean` or `secrets` without an action)
prints the notebook's tables, needs no kernel and leaves no record. `opskit run NOTEBOOK` runs any of them recorded.

| Exit status | Means | Of |
|---|---|---|
| 0 | done; every service that was looked at is ready | all |
| 1 | failed; the message names each cause and remedy | all |
| 2 | usage: an unknown word, or a notebook whose cells are not the shipped ones | all |
| 3 | preflight forbids a start; nothing was started | `start`, `first-run`, `preflight`, papermill |
| 4 | a service is not ready | `status` |
| 5 | another launch or stop holds the environment | `start`, `stop`, `restart`, `clean`, papermill |
| 10 | a start would change something | `plan` |
| 130 | interrupted | all |

`papermill notebooks/start.ipynb -p env production` needs no output path: the run's record is the output. It ends with
the same statuses, but for what `status` and `preflight` find (0: every cell ran).

`eval "$(_OPSKIT_COMPLETE=bash_source opskit)"` in `~/.bashrc` completes commands and options
(`zsh_source`, `fish_source`).
"""

_STATES = """## In four states

The exit status of each command as [transcripts.md](transcripts.md) has it, with what each said.

"""


def write() -> str:
    """The page."""
    context = click.Context(runbook, info_name="opskit", terminal_width=100, **runbook.context_settings)
    parts = [_HEAD, _STATES + _TRANSCRIPTS["table"](_TRANSCRIPTS["PLACE"].read_text(encoding="utf-8"))]
    for name in runbook.list_commands(context):
        command = runbook.get_command(context, name)
        if command is not None:
            own = click.Context(command, info_name=name, parent=context, terminal_width=100)
            parts.append(f"## {name}\n\n```\n{command.get_help(own)}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PLACE.write_text(write(), encoding="utf-8")
