"""The looking cells of a notebook in this process, for a terminal: the same tables, no kernel and no record."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from opskit.audit.runner import read_notebook
from opskit.audit.shipped import check_shipped
from opskit.paths import NOTEBOOKS
from opskit.runbook.parameters import Operation
from opskit.show.tables import FindingsTable, Table

_ACTS = frozenset({"start", "stop", "restart", "smoke", "first_run", "snapshot", "drill", "lock"})
"""Notebooks that are a recorded run whatever they are given."""
_CONFIRMS = {"confirm": "", "action": "", "mode": "ask"}
"""Parameters by which the others act, and what each says where they only look."""


def changes_something(name: str, parameters: Mapping[str, Any]) -> bool:
    """Whether a notebook with these parameters does more than look; that is always a recorded run."""
    return name in _ACTS or any(parameters.get(key, quiet) != quiet for key, quiet in _CONFIRMS.items())


class Look:
    """A notebook's tables, cell by cell, and what the exit status of its command is.

    Args:
        name: of the notebook.
        parameters: beside those its own cell gives.

    Raises:
        UsageError: its cells are not the shipped ones.
    """

    def __init__(self, name: str, parameters: Mapping[str, Any]) -> None:
        notebook = read_notebook(name)
        check_shipped(notebook, name, NOTEBOOKS)
        self._cells = notebook["cells"]
        self._parameters = parameters
        self._names: dict[str, Any] = {}

    def tables(self) -> Iterator[Table | FindingsTable]:
        """The table of each cell, as it is read; a picture is for the notebook.

        Raises:
            OpskitError: a cell could not do its work.
        """
        last_shown: Table | FindingsTable | None = None
        for cell in self._cells:
            if cell["cell_type"] != "code":
                continue
            body = ast.parse("".join(cell["source"])).body
            last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
            exec(compile(ast.Module(body, []), "notebook", "exec", dont_inherit=True), self._names)  # noqa: S102  our own cells
            if "parameters" in cell["metadata"].get("tags", ()):
                self._names.update(self._parameters)
            if isinstance(last, ast.Expr):
                shown = eval(compile(ast.Expression(last.value), "notebook", "eval", dont_inherit=True), self._names)  # noqa: S307  as above
                if isinstance(shown, Table | FindingsTable) and shown != last_shown:  # "No GPU" for picture and table
                    yield shown
                    last_shown = shown

    @property
    def exit_status(self) -> int:
        """What the operation answers once its tables were read: 0, 3 or 4."""
        found = (value.exit_status for value in self._names.values() if isinstance(value, Operation))
        return max(found, default=0)
