"""`papermill notebooks/start.ipynb -p env production`, without an output path: the run's record is the output.

papermill 2.7 loads its engines, and this module with them, before it looks at its arguments and standard streams
(papermill/cli.py: `INPUT_PIPED`, `OUTPUT_PIPED`). Without an output path a terminal is told that one is missing, a pipe
is read as a notebook, and a closed standard input ends in a traceback. For opskit's own notebooks alone the arguments
are completed here; every other call of papermill is left as it is.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

TO_RECORD = os.devnull
"""The output path of a run whose record is all that is wanted."""

_TAKES: dict[str, int] = {
    **dict.fromkeys(("-p", "--parameters", "-r", "--parameters_raw"), 2),
    **dict.fromkeys(
        (
            "-f", "--parameters_file", "-y", "--parameters_yaml", "-b", "--parameters_base64", "--engine", "-k",
            "--kernel", "-l", "--language", "--cwd", "--autosave-cell-every", "--stdout-file", "--stderr-file",
            "--log-level", "--start-timeout", "--start_timeout", "--execution-timeout",
        ),
        1,
    ),
}  # fmt: skip
"""How many words each option of papermill 2.7 takes; one that is not here takes none. A test asks papermill."""


def is_papermill(argv: Sequence[str], orig_argv: Sequence[str]) -> bool:
    """Whether this process is papermill's command line: its script, or `python -m papermill`.

    Args:
        argv: `sys.argv`; its first word is `-m` while a module's package is imported.
        orig_argv: `sys.orig_argv`.
    """
    if not argv:
        return False
    if argv[0] == "-m":
        return ("-m", "papermill") in pairwise(orig_argv)
    program = Path(argv[0])
    return program.stem == "papermill" or (program.name == "__main__.py" and program.parent.name == "papermill")


def complete(words: Sequence[str], notebooks: Path) -> list[str]:
    """The arguments of papermill, with an output path where one of opskit's notebooks is alone without one.

    Args:
        words: what follows `papermill`.
        notebooks: the folder of opskit's notebooks.
    """
    places = _positions(words)
    if len(places) != 1:
        return list(words)
    place = places[0]
    path = Path(words[place]).resolve()
    if path.suffix != ".ipynb" or not path.is_relative_to(notebooks.resolve()):
        return list(words)
    return [*words[: place + 1], TO_RECORD, *words[place + 1 :]]


def _positions(words: Sequence[str]) -> list[int]:
    """Where the words are that belong to no option."""
    found: list[int] = []
    skip = 0
    for place, word in enumerate(words):
        if skip:
            skip -= 1
        elif word == "--":
            return [*found, *range(place + 1, len(words))]
        elif word.startswith("-") and word != "-":
            joined = "=" in word or (not word.startswith("--") and len(word) > len("-p"))
            skip = max(0, _TAKES.get(word[:2] if not word.startswith("--") else word.split("=")[0], 0) - joined)
        else:
            found.append(place)
    return found


def open_standard_streams() -> None:
    """Give the process a standard input and outputs where it was started with closed ones."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest free number; the kernel needs it too
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115  as long as the process
