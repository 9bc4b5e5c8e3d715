"""docs/transcripts.md beside what the commands answer now, in the same four states."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from tests.checkout import Checkout

pytestmark = pytest.mark.engine
DOCS = runpy.run_path(str(Path(__file__).parents[2] / "docs/transcripts.py"))
PLACE = re.compile(r"\S*/\S*")
CHANGING = re.compile(r"\d+(\.\d+)?")
UNASKED = re.compile(r"\d+ SKIP, |, \d+ SKIP")
"""A registry that said nothing in time: on a busy machine one of them, in place of a FAIL."""


def shape(line: str, project: str = "") -> str:
    """A line without what differs between two runs: paths, numbers, the project's own prefix."""
    named = line.replace(project, "multimodal") if project else line
    return CHANGING.sub("0", PLACE.sub("…", UNASKED.sub("", named)))[:100]


def test_each_command_answers_as_its_page_says(checkout: Checkout) -> None:
    def run(line: str) -> tuple[int, str]:
        done = checkout.opskit(*line.replace("FOLDER", str(checkout.root)).split())
        return done.returncode, f"{done.stdout}\n{done.stderr}".strip()

    wanted = DOCS["statuses"](DOCS["PLACE"].read_text(encoding="utf-8"))
    wrong = []
    for one in DOCS["transcribe"](run, lambda service: checkout.containers()[service].kill()):
        status, first = wanted.pop((one.state, one.line))
        said = one.said.split("\n")[0]
        if one.status != status or shape(said, checkout.prefix) != shape(first):
            wrong.append(f"{one.state}: opskit {one.line}: wanted {status} {first!r}; found {one.status} {one.said!r}")
    assert not wanted, "run `python docs/transcripts.py`"
    assert not wrong, "\n".join(wrong)
