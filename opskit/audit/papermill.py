"""The papermill engine that records opskit's own notebooks, however they are run, and leaves all others alone.

papermill loads it by the entry point `papermill.engine`; it becomes the default engine and acts only on a notebook
whose metadata says `opskit`. papermill's own account is not a verdict: it calls cells `completed` that never ran when
a kernel dies or a run is interrupted (papermill 2.7), so the statuses are put right here.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_core.utils import ensure_event_loop
from papermill.engines import NBClientEngine, NotebookExecutionManager, papermill_engines
from papermill.exceptions import PapermillExecutionError

from opskit.audit.failure import RunFailedError
from opskit.audit.interrupt import ENDING, let_in
from opskit.audit.journal import RUN_FOLDER, Journal
from opskit.audit.kernel import kernel_options
from opskit.audit.literal import TO_RECORD, complete, is_papermill, open_standard_streams
from opskit.audit.origin import begin_record, given_folder, open_folder
from opskit.audit.parameters import check_parameters, declared_parameters, in_effect
from opskit.audit.shipped import check_shipped
from opskit.audit.store import STILL_RUNNING, close_dead, seal, tell_interrupt, write_record
from opskit.errors import OpskitError, UsageError
from opskit.paths import AUDIT, NOTEBOOKS


class RecordingManager(NotebookExecutionManager):  # type: ignore[misc]  # papermill has no types
    """Writes the executed notebook into the run's folder too, atomically, and tells the truth about cells."""

    NOT_RUN = "not-run"

    def __init__(self, nb: Any, *, archive: Path, journal: Journal, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(nb, **kwargs)
        self.archive = archive
        self.journal = journal
        self.begun = self.unsaved = False
        self.interrupted = self.over = False
        self.ended_by: str | None = None
        self._began = self._last = time.monotonic()
        self._outer = sys.exc_info()[1]  # what a caller may be handling is not this run's

    def cell_start(self, cell: Any, cell_index: int | None = None, **kwargs: Any) -> None:  # noqa: ANN401
        """Stop here if an interrupt came between two cells; note how long the kernel took to be there."""
        self.stop_if_interrupted()
        if not self.begun:
            self.begun = True
            self.journal.write("phase", phase="kernel", seconds=round(time.monotonic() - self._began, 3))
        self.unsaved = cell.cell_type != "code"
        super().cell_start(cell, cell_index, **kwargs)

    def stop_if_interrupted(self) -> None:
        """End the run where an interrupt came that no cell has seen."""
        if self.interrupted:
            raise KeyboardInterrupt

    def cell_complete(self, cell: Any, cell_index: int | None = None, **kwargs: Any) -> None:  # noqa: ANN401
        """Call a cell that an exception ends failed; note when the last one ended: the kernel's own end comes after."""
        if sys.exc_info()[1] is not self._outer:
            cell.metadata.papermill["status"] = self.FAILED
        self.unsaved = True
        super().cell_complete(cell, cell_index, **kwargs)
        self.unsaved = False
        self._last = time.monotonic()

    def note_kernel_end(self) -> None:
        """Tell the journal how long the kernel took to end."""
        self.journal.write("phase", phase="kernel", seconds=round(time.monotonic() - self._last, 3))

    def notebook_complete(self, **kwargs: Any) -> None:  # noqa: ANN401
        """Mark what never ran as such before papermill would call it completed."""
        for cell in self.nb.cells:
            if cell.metadata.papermill["status"] == self.PENDING:
                cell.metadata.papermill["status"] = self.NOT_RUN
        if self.ended_by:
            self.nb.metadata.papermill["exception"] = True
        super().notebook_complete(**kwargs)

    def save(self, **kwargs: Any) -> None:  # noqa: ANN401
        """Save where papermill was told to, and in the run's folder, as a cell of code begins and at the end.

        papermill would write the notebook twice a cell, of text too: a third of a second of a start.
        """
        if self.unsaved:
            return
        try:
            super().save(**kwargs)
        except OSError as error:
            print(f"WARNING: {self.output_path}: {error.strerror or error}. The run goes on.", file=sys.stderr)  # noqa: T201
        _write_notebook(self.archive, self.nb)


class RecordingEngine(NBClientEngine):  # type: ignore[misc]  # papermill has no types
    """Runs a notebook as papermill does; one of opskit's own is checked first and recorded throughout."""

    @classmethod
    def execute_notebook(cls, nb: Any, kernel_name: str, output_path: str | None = None, **kwargs: Any) -> Any:  # noqa: ANN401
        """Run it; for opskit's own notebooks a failure is a RunFailedError, whose message is the answer."""
        act = nb.metadata.get("opskit", {}).get("act")
        if act is None:
            return super().execute_notebook(nb, kernel_name, output_path=output_path, **kwargs)
        parameters = dict(nb.metadata.papermill.get("parameters") or {})
        folder = given_folder() or open_folder(nb, parameters)
        if output_path == TO_RECORD:
            output_path = nb.metadata.papermill["output_path"] = str(folder / f"{act}.ipynb")
        return cls._record(nb, kernel_name, output_path, folder, act, parameters, kwargs)

    @classmethod
    def _record(  # noqa: PLR0917
        cls,
        nb: Any,  # noqa: ANN401
        kernel_name: str,
        output_path: str | None,
        folder: Path,
        act: str,
        parameters: dict[str, Any],
        kwargs: dict[str, Any],
    ) -> Any:  # noqa: ANN401
        own = ("progress_bar", "log_output", "autosave_cell_every")
        manager = RecordingManager(
            nb,
            archive=folder / f"{act}.ipynb",
            journal=Journal(folder),
            output_path=output_path,
            **{key: kwargs[key] for key in own if key in kwargs},
        )
        close_dead(AUDIT)
        start = begin_record(act, parameters, in_effect(nb, parameters), notebook=_name(nb))
        write_record(folder, start, ended_by=STILL_RUNNING)
        seal(folder, "begin")
        error: BaseException | None = None
        manager.notebook_start()
        with _variable(RUN_FOLDER, str(folder)), _interrupts(manager):
            try:
                manager.stop_if_interrupted()
                _refuse(nb, kernel_name, _name(nb), parameters)
                rest = {key: value for key, value in kwargs.items() if key not in own or key == "log_output"}
                with kernel_options(manager.journal) as options:
                    cls.execute_managed_notebook(manager, kernel_name, **options | rest)
                manager.note_kernel_end()
            except BaseException as caught:  # noqa: BLE001  recorded below, and raised again
                error = caught
            manager.over = True
            if error is not None:
                manager.ended_by = type(error).__name__
            if error is not None and manager.interrupted:
                ensure_event_loop().set_exception_handler(lambda *_: None)  # of a cell whose end nobody waits for
                if not manager.begun:
                    tell_interrupt(manager.journal)
            manager.cleanup_pbar()
            manager.notebook_complete()
            message = _mark_errors(manager, output_path, timeout_s=kwargs.get("execution_timeout"))
            name = _error_name(nb)
            if isinstance(error, OpskitError):
                message, name = str(error), type(error).__name__
            if message:
                manager.journal.write("failure", message=message)
                if manager.interrupted:
                    manager.ended_by = KeyboardInterrupt.__name__
            ok = error is None and message is None
            manager.journal.write("ended", ok=ok, act=act, seconds=round(time.time() - start["started"], 3))
            write_record(folder, start, ended_by=manager.ended_by)
            seal(folder, "end")
        if error is not None and not message:
            said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            raise RunFailedError(f"the run was ended by {said}. The record is {folder}.") from None
        if message:
            raise RunFailedError(f"{message}\nThe record is {folder}.", name) from None
        return manager.nb


def _name(nb: Any) -> str:  # noqa: ANN401
    """Where the notebook lies below notebooks/, without its ending."""
    return str(nb.metadata.opskit.get("name", nb.metadata.opskit["act"]))


def _refuse(nb: Any, kernel_name: str, name: str, parameters: dict[str, Any]) -> None:  # noqa: ANN401
    """Refuse what cannot be meant before a kernel is there."""
    check_parameters(declared_parameters(nb), parameters, notebook=f"notebooks/{name}.ipynb")
    check_shipped(nb, name, NOTEBOOKS)
    kernels = sorted(KernelSpecManager().find_kernel_specs())
    if kernel_name not in kernels:
        there = ", ".join(kernels) or "none"
        raise UsageError(
            f"notebooks/{name}.ipynb: found no kernel {kernel_name!r}; wanted one of: {there}. Leave `-k` out for "
            "the notebook's own. Nothing was started."
        )


def _write_notebook(path: Path, notebook: Any) -> None:  # noqa: ANN401
    Journal(path.parent).keep(path.name, nbformat.writes(notebook))  # type: ignore[no-untyped-call]


def _mark_errors(manager: RecordingManager, output_path: str | None, *, timeout_s: float | None) -> str | None:
    """Let papermill mark the failed cell in both notebooks; the failure's own message, None where there is none."""
    from papermill.execute import raise_for_execution_errors  # noqa: PLC0415  it imports papermill.engines in turn

    try:
        raise_for_execution_errors(manager.nb, output_path)
    except PapermillExecutionError as error:
        _write_notebook(manager.archive, manager.nb)
        if error.ename == "KeyboardInterrupt" and timeout_s and not manager.interrupted:
            return f"ended by papermill's --execution-timeout, {timeout_s:g} s a cell; what was done by then stays done"
        if error.ename == "KeyboardInterrupt":
            return "interrupted; what was done by then stays done"
        return str(error.evalue) if error.ename.endswith("Error") and error.evalue else str(error)
    if manager.ended_by is None and any(
        cell.metadata.papermill["status"] == manager.FAILED for cell in manager.nb.cells
    ):
        return "a cell ended the notebook before its end (SystemExit)"
    return None


def _error_name(nb: Any) -> str:  # noqa: ANN401
    """The exception that ended a cell; empty where none did."""
    outputs = (output for cell in nb.cells for output in cell.get("outputs", ()))
    return next((str(output.ename) for output in outputs if output.output_type == "error"), "")


@contextlib.contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


@contextlib.contextmanager
def _interrupts(manager: RecordingManager) -> Iterator[None]:
    """Hand a first SIGINT, SIGTERM or SIGHUP to the kernel, so that the act itself ends, tells and records.

    A second one ends the run at once, and what comes while the end is recorded is too late. papermill alone would kill
    the kernel and leave what it started behind. A kernel that is still coming up would die of it with a traceback:
    there the run ends before its first cell instead.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def on_signal(number: int, _: object) -> None:
        if manager.over:
            return
        if manager.interrupted:
            raise KeyboardInterrupt(signal.Signals(number).name)
        manager.interrupted = True
        for child in _kernels() if manager.begun else ():
            child.send_signal(signal.SIGINT)

    before = {number: signal.signal(number, on_signal) for number in ENDING}
    try:
        with let_in():
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _kernels() -> list[Any]:
    import psutil  # noqa: PLC0415  only an interrupt needs it

    children = psutil.Process().children()
    return [child for child in children if any("ipykernel" in word for word in child.cmdline())]


papermill_engines.register(None, RecordingEngine)

if is_papermill(sys.argv, sys.orig_argv):
    open_standard_streams()
    sys.argv[1:] = complete(sys.argv[1:], NOTEBOOKS)
