"""Runs a notebook with papermill, in this process or in one of its own; parameters are read by their types."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from opskit import process
from opskit.audit.interrupt import held
from opskit.audit.journal import RUN_FOLDER
from opskit.audit.origin import open_folder
from opskit.audit.parameters import declared_parameters, read_word
from opskit.errors import UsageError
from opskit.paths import NOTEBOOKS


def notebook_path(name: str) -> Path:
    """The notebook of that name.

    Raises:
        UsageError: there is none; the message lists those there are.
    """
    path = NOTEBOOKS / f"{name}.ipynb"
    if not path.is_file():
        there = ", ".join(
            sorted(
                found.relative_to(NOTEBOOKS).with_suffix("").as_posix()
                for found in NOTEBOOKS.rglob("*.ipynb")
                if ".ipynb_checkpoints" not in found.parts
            )
        )
        raise UsageError(f"running a notebook: found no notebooks/{name}.ipynb; wanted one of: {there}.")
    return path


def read_notebook(name: str) -> dict[str, Any]:
    """The notebook of that name, as JSON has it.

    Raises:
        UsageError: there is none, or it is no notebook.
    """
    path = notebook_path(name)
    try:
        notebook: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(f"{path}: {error}; wanted a notebook. Remedy: `git checkout {path.name}`") from None
    return notebook


def read_parameters(name: str, words: Mapping[str, str]) -> dict[str, Any]:
    """The parameters of a command line, by the types the notebook declares; what does not fit stays as it is."""
    declared = declared_parameters(read_notebook(name))
    return {key: read_word(word, declared.get(key, "str")) for key, word in words.items()}


def run_notebook(name: str, parameters: Mapping[str, Any], folder: Path) -> tuple[int, str]:
    """Run the notebook to its end, recorded in `folder`. Returns the exit status and the message; 0 and none: well."""
    # jsonschema builds a grammar at import that takes two thirds of papermill's start; without it only the `iri`
    # formats go unchecked (python-jsonschema/jsonschema#1392).
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    from papermill import execute_notebook  # noqa: PLC0415  after the line above

    from opskit.audit.failure import RunFailedError  # noqa: PLC0415  it imports click

    os.environ[RUN_FOLDER] = str(folder)
    try:
        execute_notebook(str(notebook_path(name)), None, dict(parameters), progress_bar=False, cwd=str(NOTEBOOKS))
    except RunFailedError as error:
        return error.exit_code, error.format_message()
    finally:
        del os.environ[RUN_FOLDER]
    return 0, ""


def start_run(name: str, parameters: Mapping[str, str]) -> tuple[Path, process.Detached]:
    """Start a run in a process of its own, as the panel does; its journal in the folder tells how it goes.

    It goes on when JupyterLab's kernel ends: a launch is not given up because a browser was closed. An interrupt waits
    until it can be recorded: the process is born with it held back.
    """
    folder = open_folder(read_notebook(name), parameters, name=name)
    words = tuple(word for key, value in parameters.items() for word in ("-p", key, value))
    command = (sys.executable, "-m", "opskit", "run", name, *words)
    log = folder / "log" if folder.is_dir() else Path(os.devnull)
    with held():
        return folder, process.start_detached(command, log=log, env={RUN_FOLDER: str(folder)})


def is_interactive() -> bool:
    """Whether a person runs the current cell: JupyterLab allows input to its requests, papermill and nbval do not."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    parent = shell.get_parent() if shell is not None and hasattr(shell, "get_parent") else {}
    return bool(parent.get("content", {}).get("allow_stdin"))
