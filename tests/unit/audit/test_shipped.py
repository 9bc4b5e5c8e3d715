"""A notebook that somebody tried out is not what automation runs."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from opskit.audit.shipped import NAME, check_shipped, hash_cells, write_shipped
from opskit.errors import UsageError
from opskit.paths import NOTEBOOKS


@pytest.fixture
def start() -> Any:
    return json.loads((NOTEBOOKS / "start.ipynb").read_text())


def test_the_hashes_are_those_of_the_notebooks(tmp_path: Path) -> None:
    for path in NOTEBOOKS.rglob("*.ipynb"):
        copy = tmp_path / path.relative_to(NOTEBOOKS)
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
    write_shipped(tmp_path)
    assert (tmp_path / NAME).read_text() == (NOTEBOOKS / NAME).read_text(), "run `make notebooks`"


def test_what_was_shipped_passes_with_the_parameters_that_papermill_injects(start: Any) -> None:
    cell = {"cell_type": "code", "metadata": {"tags": ["injected-parameters"]}, "source": 'env = "dev"'}
    start["cells"].insert(2, cell)
    start["cells"][0]["source"] = "words are no code"
    check_shipped(start, "start", NOTEBOOKS)


def test_an_edited_parameter_is_refused_by_its_place(start: Any) -> None:
    (cell,) = (c for c in start["cells"] if "parameters" in c["metadata"].get("tags", []))
    text = "".join(cell["source"])
    cell["source"] = text.replace('rehearse: str = "no"', 'rehearse: str = "yes"')
    assert cell["source"] != text
    with pytest.raises(UsageError, match=r"number 1; 1 is the parameters.*git checkout notebooks/start.ipynb"):
        check_shipped(start, "start", NOTEBOOKS)


def test_a_cell_more_or_less_or_without_its_tag_is_refused(start: Any) -> None:
    more, less, bare = (copy.deepcopy(start) for _ in range(3))
    more["cells"].append({"cell_type": "code", "metadata": {}, "source": "1"})
    less["cells"] = less["cells"][:-1]
    for cell in bare["cells"]:
        cell["metadata"] = {}
    assert hash_cells(bare)[1:] == hash_cells(start)[1:], "the tag is of the first cell alone"
    for notebook in (more, less, bare):
        with pytest.raises(UsageError, match="are not the shipped ones"):
            check_shipped(notebook, "start", NOTEBOOKS)


def test_a_notebook_of_ones_own_is_its_owners(start: Any) -> None:
    check_shipped({"cells": start["cells"][:3]}, "mine", NOTEBOOKS)


@pytest.mark.parametrize("text", [None, "{", "\udcff"])
def test_hashes_that_cannot_be_read_are_named(tmp_path: Path, start: Any, text: str | None) -> None:
    if text is not None:
        (tmp_path / NAME).write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UsageError, match=r"shipped.json cannot be read.*Nothing was started"):
        check_shipped(start, "start", tmp_path)
