"""Which calls of papermill are completed, and that its options are known as papermill has them."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from papermill.cli import papermill

from opskit.audit import literal
from opskit.audit.literal import TO_RECORD, complete, is_papermill


@pytest.fixture
def notebooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "notebooks"


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("notebooks/start.ipynb -p env production", 1),
        ("-p env production notebooks/start.ipynb", 4),
        ("-penv production --kernel=python3 notebooks/start.ipynb", 4),
        ("--log-output -k python3 notebooks/start.ipynb --no-progress-bar", 4),
        ("-r env production -y {} notebooks/environments/dev.ipynb", 6),
        ("-- notebooks/start.ipynb", 2),
    ],
)
def test_a_notebook_of_opskit_without_an_output_gets_one(notebooks: Path, line: str, place: int) -> None:
    words = line.split()
    done = complete(words, notebooks)
    assert done == [*words[:place], TO_RECORD, *words[place:]]


@pytest.mark.parametrize(
    "line",
    [
        "notebooks/start.ipynb out.ipynb -p env production",
        "notebooks/start.ipynb -p env production -",
        "other.ipynb -p env production",
        "notebooks/start.txt",
        "notebooks",
        "--version",
        "-p env production",
        "-p notebooks/start.ipynb x --cwd notebooks/start.ipynb",
        "",
    ],
)
def test_every_other_call_is_left_alone(notebooks: Path, line: str) -> None:
    assert complete(line.split(), notebooks) == line.split()


def test_the_options_are_papermills() -> None:
    options = [option for option in papermill.params if isinstance(option, click.Option)]
    takes = {word: option.nargs for option in options if not option.is_flag for word in option.opts}
    assert takes == literal._TAKES
    flags = [word for option in options if option.is_flag for word in (*option.opts, *option.secondary_opts)]
    assert all(word.startswith("--") for word in flags if word != "-h"), "a short flag may be joined with others"


@pytest.mark.parametrize(
    ("argv", "orig", "answer"),
    [
        (["/venv/bin/papermill", "a.ipynb"], [], True),
        (["/venv/papermill/__main__.py"], [], True),
        (["-m", "a.ipynb"], ["python", "-m", "papermill", "a.ipynb"], True),
        (["-m", "a.ipynb"], ["python", "-m", "opskit", "a.ipynb"], False),
        (["/venv/bin/opskit", "run"], [], False),
        (["ipykernel_launcher.py"], [], False),
        ([], [], False),
    ],
)
def test_only_papermills_own_command_line_is_touched(argv: list[str], orig: list[str], answer: bool) -> None:
    assert is_papermill(argv, orig) is answer
