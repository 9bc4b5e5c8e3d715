"""The GPU notebook keeps an operator's choice, and gpu=auto takes it until it is taken out again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.checkout import Checkout

pytestmark = pytest.mark.engine


def look(checkout: Checkout, *words: str) -> tuple[str, str]:
    """Run the notebook; returns the title of its placement, and the text of its last table or its failure."""
    done = checkout.run("gpu", "-p", "env", "staging", "-p", "rehearse", "true", *words)
    folder, _ = checkout.last()
    cells: list[dict[str, Any]] = json.loads((folder / "gpu.ipynb").read_text())["cells"]
    shown = ["".join(out.get("data", {}).get("text/plain", [])) for cell in cells for out in cell.get("outputs", [])]
    placement = next(text for text in shown if text.startswith("REHEARSAL  staging: GPU mode"))
    return placement.splitlines()[0], done.stderr if done.returncode else shown[-1]


def test_a_choice_is_written_on_confirmation_taken_by_auto_and_taken_out_again(checkout: Checkout) -> None:
    env_file = checkout.env_file("staging")
    env_file.write_text("MINE=1\n")

    title, said = look(checkout, "-p", "gpu", "single")
    assert title.endswith("GPU mode single")
    assert "staging:single" in said
    assert env_file.read_text() == "MINE=1\n"

    _, refused = look(checkout, "-p", "gpu", "single", "-p", "confirm", "staging:dual")
    assert "found 'staging:dual'; wanted staging:single or staging:auto; nothing was written" in refused
    assert env_file.read_text() == "MINE=1\n"

    look(checkout, "-p", "gpu", "single", "-p", "confirm", "staging:single")
    assert env_file.read_text() == "MINE=1\nOPSKIT_GPU=single\n"

    title, _ = look(checkout, "-p", "confirm", "staging:auto")
    assert title.endswith("GPU mode single")  # it was taken by this very run, which then took it out
    assert env_file.read_text() == "MINE=1\n"
    assert look(checkout)[0].endswith("GPU mode dual")
