"""papermill itself, run as an operator runs it: what is refused, what is recorded, what is said."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]


def papermill(*words: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """The papermill command; its record goes to `folder`, and no Engine is in its reach."""
    env = {
        **os.environ,
        "OPSKIT_RUN_FOLDER": str(folder),
        "DOCKER_HOST": f"unix://{folder}/no.sock",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        **variables,
    }
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", *words]
    return subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-p", "evn", "dev"], "unknown parameter 'evn'; did you mean env?"),
        (["-p", "env", "dev", "-p", "strict", "maybe"], "strict: found 'maybe' (str), wanted True or False"),
        (["-p", "env", "dev", "-p", "rehearse", "fully"], "rehearse: found 'fully', wanted no, yes or full"),
        (["-p", "env", "7"], "env: found 7 (int), wanted str"),
    ],
)
def test_a_parameter_that_does_not_fit_is_refused_before_anything_starts(
    tmp_path: Path, words: list[str], said: str
) -> None:
    done = papermill(str(ROOT / "notebooks/start.ipynb"), str(tmp_path / "out.ipynb"), *words, folder=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    record = json.loads((tmp_path / "record.json").read_text())
    assert (record["ok"], record["ended_by"]) == (False, "UsageError")
    assert said in record["failure"]["message"]
    cells = nbformat.read(tmp_path / "start.ipynb", as_version=4)["cells"]  # type: ignore[no-untyped-call]
    assert {cell["metadata"]["papermill"]["status"] for cell in cells} == {"not-run"}


@pytest.mark.parametrize(
    ("words", "said", "status"),
    [
        ([], "No environment was given; wanted one of", 2),
        (["-p", "env", "prodction"], "Did you mean production?", 2),
        (["-p", "env", "dev", "-p", "gpu", "triple"], "gpu: found 'triple'", 2),
        (["-p", "env", "first-run"], "is an operation on development", 2),
        (["-p", "env", "dev", "-p", "accept", "gpu-presnt"], "Did you mean gpu-present?", 2),
        (["-p", "env", "dev"], "[engine-reachable]", 3),
    ],
)
def test_a_failure_is_one_message_an_honest_record_and_no_traceback(
    tmp_path: Path, words: list[str], said: str, status: int
) -> None:
    out = tmp_path / "out.ipynb"
    done = papermill(str(ROOT / "notebooks/start.ipynb"), str(out), *words, folder=tmp_path)
    assert done.returncode == status
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["ok"] is False
    assert said in record["failure"]["message"]
    for path in (out, tmp_path / "start.ipynb"):
        cells = nbformat.read(path, as_version=4)["cells"]  # type: ignore[no-untyped-call]
        states = [cell["metadata"]["papermill"]["status"] for cell in cells if "papermill" in cell["metadata"]]
        assert states.count("failed") == 1
        assert states[-1] == "not-run"
        assert said in json.dumps([c.get("outputs") for c in cells], ensure_ascii=False)


def test_another_notebook_is_left_alone(tmp_path: Path) -> None:
    plain = nbformat.v4.new_notebook(  # type: ignore[no-untyped-call]
        cells=[nbformat.v4.new_code_cell("x = 1\nx")],  # type: ignore[no-untyped-call]
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    source = tmp_path / "in.ipynb"
    nbformat.write(plain, source)  # type: ignore[no-untyped-call]
    done = papermill(str(source), str(tmp_path / "out.ipynb"), "-p", "y", "1", folder=tmp_path / "record")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "record").exists()


@pytest.mark.parametrize(
    ("last", "said", "ended_by"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "DeadKernelError", "DeadKernelError"),
        ("raise KeyboardInterrupt", "interrupted; what was done by then stays done", None),
        ("raise SystemExit(0)", "a cell ended the notebook before its end", None),
    ],
)
def test_a_run_that_ends_early_is_recorded_as_such(
    tmp_path: Path, last: str, said: str, ended_by: str | None
) -> None:
    notebook = nbformat.v4.new_notebook(  # type: ignore[no-untyped-call]
        cells=[nbformat.v4.new_code_cell(source) for source in ("1", last, "2")],  # type: ignore[no-untyped-call]
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "opskit": {"act": "trial"},
        },
    )
    source = tmp_path / "in.ipynb"
    nbformat.write(notebook, source)  # type: ignore[no-untyped-call]
    done = papermill(str(source), str(tmp_path / "out.ipynb"), folder=tmp_path)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    record = json.loads((tmp_path / "record.json").read_text())
    assert (record["ok"], record["ended_by"]) == (False, ended_by)
    cells = nbformat.read(tmp_path / "trial.ipynb", as_version=4)["cells"]  # type: ignore[no-untyped-call]
    states = [cell["metadata"]["papermill"]["status"] for cell in cells if "papermill" in cell["metadata"]]
    assert states == ["completed", "failed", "not-run"]
    assert not (tmp_path / "kernel.log").exists()


def test_what_a_kernel_writes_as_it_ends_is_kept_and_not_shown(tmp_path: Path) -> None:
    last = 'import os; os.write(2, b"Assertion failed\\n")'  # ipykernel takes fd 2 for the cell, but not under pytest
    notebook = nbformat.v4.new_notebook(  # type: ignore[no-untyped-call]
        cells=[nbformat.v4.new_code_cell(last)],  # type: ignore[no-untyped-call]
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "opskit": {"act": "trial"},
        },
    )
    nbformat.write(notebook, tmp_path / "in.ipynb")  # type: ignore[no-untyped-call]
    done = papermill(str(tmp_path / "in.ipynb"), str(tmp_path / "out.ipynb"), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Assertion failed" not in done.stdout + done.stderr
    assert (tmp_path / "kernel.log").read_text() == "Assertion failed\n"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A checkout without an Engine in its reach."""
    for name in ("compose", "configs", "notebooks"):
        (tmp_path / name).symlink_to(ROOT / name)
    env = {**os.environ, "OPSKIT_ROOT": str(tmp_path), "PYTHONPATH": str(ROOT)}
    env.pop("OPSKIT_RUN_FOLDER", None)
    return {**env, "DOCKER_HOST": f"unix://{tmp_path}/no.sock"}


def check_nothing_was_begun(folder: Path) -> None:
    record = json.loads((folder / "record.json").read_text())
    assert (record["act"], record["environment"]) == ("start", "development")
    assert record["who"]
    assert (record["ok"], record["ended_by"]) == (False, "KeyboardInterrupt")
    assert record["outcome"]["failures"][0]["kind"] == "cancelled"
    assert record["failure"]["message"] == "interrupted before the notebook began; nothing was changed"


def is_held(run: subprocess.Popen[str], _: Path) -> bool:
    """Python is up and opskit's first lines have run; next to nothing is loaded."""
    (mask,) = [line for line in Path(f"/proc/{run.pid}/status").read_text().splitlines() if line.startswith("SigBlk")]
    return bool(int(mask.split()[1], 16) & 1 << (signal.SIGINT - 1))


def is_recording(_: subprocess.Popen[str], root: Path) -> bool:
    """papermill and opskit's engine are up."""
    return bool(list(root.glob("audit/*/*/*/record.json")))


def has_kernel(run: subprocess.Popen[str], _: Path) -> bool:
    """The kernel's process is there, and is still coming up."""
    with contextlib.suppress(FileNotFoundError):  # another child has ended meanwhile
        return any(b"ipykernel" in (child / "cmdline").read_bytes() for child in children(run.pid))
    return False


def children(pid: int) -> list[Path]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [Path("/proc") / child for task in tasks for child in task.read_text().split()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=str)
@pytest.mark.parametrize("moment", [is_held, is_recording, has_kernel])
def test_an_interrupt_before_the_first_cell_is_recorded(
    tmp_path: Path, environ: dict[str, str], number: signal.Signals, moment: Callable[..., bool]
) -> None:
    words = [sys.executable, "-m", "opskit", "run", "start", "-p", "env", "dev"]
    with subprocess.Popen(words, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        while run.poll() is None and not moment(run, tmp_path):
            time.sleep(0.005)
        run.send_signal(number)
        said, _ = run.communicate(timeout=120)
    assert run.returncode == 1
    assert "Traceback" not in said
    (record,) = tmp_path.glob("audit/*/*/*/record.json")
    check_nothing_was_begun(record.parent)


START = """
from opskit.audit.runner import start_run

folder, run = start_run("start", {"env": "dev"})
run.interrupt()
while run.poll() is None:
    pass
print(folder)
"""


def test_a_run_of_the_panel_is_interrupted_before_python_is_up_and_recorded(environ: dict[str, str]) -> None:
    done = subprocess.run([sys.executable, "-c", START], env=environ, capture_output=True, text=True, check=True)
    folder = Path(done.stdout.strip())
    check_nothing_was_begun(folder)
    assert "Traceback" not in (folder / "log").read_text()


@pytest.mark.parametrize("more_s", [0, 5])
def test_two_interrupts_end_a_cell_at_once_and_only_the_run_says_so(
    tmp_path: Path, environ: dict[str, str], more_s: int
) -> None:
    notebook = nbformat.v4.new_notebook(  # type: ignore[no-untyped-call]
        cells=[nbformat.v4.new_code_cell(DEAF.format(more_s=more_s))],  # type: ignore[no-untyped-call]
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "opskit": {"act": "trial"},
        },
    )
    nbformat.write(notebook, tmp_path / "in.ipynb")  # type: ignore[no-untyped-call]
    words = [sys.executable, "-m", "papermill", "--no-progress-bar", "in.ipynb", "out.ipynb"]
    env = {**environ, "OPSKIT_RUN_FOLDER": str(tmp_path)}
    with subprocess.Popen(words, env=env, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as run:
        for sign in ("begun", "interrupted"):
            while run.poll() is None and not (tmp_path / sign).exists():
                time.sleep(0.01)
            run.send_signal(signal.SIGINT)
        _, said = run.communicate(timeout=120)
    assert run.returncode == 1
    assert "interrupted" in said or "ended by KeyboardInterrupt" in said
    assert "IPKernelApp" not in said
    assert "Traceback" not in said
    assert "never retrieved" not in said
    record = json.loads((tmp_path / "record.json").read_text())
    assert (record["ok"], record["ended_by"]) == (False, "KeyboardInterrupt")


DEAF = """
import time
from pathlib import Path

Path("begun").touch()
try:
    time.sleep(60)
except KeyboardInterrupt:
    Path("interrupted").touch()
    time.sleep({more_s})
    raise
"""


@pytest.mark.parametrize(
    ("words", "rc", "said"),
    [
        (["-k", "nosuch"], 2, "found no kernel 'nosuch'; wanted one of: python3"),
        (["--execution-timeout", "1"], 1, "ended by papermill's --execution-timeout, 1 s a cell"),
    ],
)
def test_how_a_run_ended_is_told_in_a_sentence(
    tmp_path: Path, environ: dict[str, str], words: list[str], rc: int, said: str
) -> None:
    notebook = nbformat.v4.new_notebook(  # type: ignore[no-untyped-call]
        cells=[nbformat.v4.new_code_cell("import time; time.sleep(30)")],  # type: ignore[no-untyped-call]
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "opskit": {"act": "trial"},
        },
    )
    nbformat.write(notebook, tmp_path / "in.ipynb")  # type: ignore[no-untyped-call]
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", "in.ipynb", "out.ipynb", *words]
    done = subprocess.run(
        command,
        env={**environ, "OPSKIT_RUN_FOLDER": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == rc, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
