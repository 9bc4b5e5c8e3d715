"""The notebooks read as procedures: thin cells, prose before each, nothing left of a run."""

from __future__ import annotations

import ast
import runpy
from pathlib import Path
from typing import Any

import nbformat
import pytest

from opskit.audit.parameters import declared_parameters

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted(path for path in (ROOT / "notebooks").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
FORBIDDEN = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Try, ast.While, ast.For)
NO_CALLS = {"sleep", "system", "Popen", "input"}


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.relative_to(ROOT / "notebooks").as_posix())
def notebook(request: pytest.FixtureRequest) -> Any:
    return nbformat.read(request.param, as_version=4)  # type: ignore[no-untyped-call]


def code(notebook: Any) -> list[str]:
    return [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_there_are_notebooks() -> None:
    assert {path.stem for path in NOTEBOOKS} >= {"start", "stop", "status"}


def test_it_opens_with_purpose_changes_and_time(notebook: Any) -> None:
    first = notebook["cells"][0]
    assert first["cell_type"] == "markdown"
    assert first["source"].startswith("# ")
    for word in ("**Purpose.**", "**Changes.**", "**Takes.**"):
        assert word in first["source"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.relative_to(ROOT / "notebooks").as_posix())
def test_it_says_which_act_it_is(path: Path) -> None:
    own = nbformat.read(path, as_version=4)["metadata"]["opskit"]  # type: ignore[no-untyped-call]
    if path.parent.name == "environments":
        assert own == {"act": "start", "env": path.stem, "name": f"environments/{path.stem}"}
    else:
        assert own == {"act": path.stem}


def test_every_environment_has_its_notebook_as_its_script_writes_it() -> None:
    wrote = runpy.run_path(str(ROOT / "docs/environments.py"))["write"]()
    folder = ROOT / "notebooks/environments"
    assert {path.stem: path.read_text() for path in folder.glob("*.ipynb")} == wrote, "run docs/environments.py"
    assert wrote.keys() >= {"development", "staging", "production", "testing", "performance", "monitoring", "optimized"}


def test_its_parameters_are_typed_and_explained(notebook: Any) -> None:
    cells = [cell for cell in notebook["cells"] if "parameters" in cell["metadata"].get("tags", [])]
    assert len(cells) == 1
    lines = cells[0]["source"].splitlines()
    assert len(declared_parameters(notebook)) == len(lines)
    for line in lines:
        assert line.count("=") == 1, "papermill's inspector misses a line with two"
        assert "|" not in line.split("#")[0], "papermill's inspector misses `X | None`"
        assert "  # " in line


def test_cells_are_few_short_and_plain(notebook: Any) -> None:
    cells = code(notebook)
    assert len(cells) <= 12
    for source in cells:
        parameters = source.startswith(("env: str", "gpu: str"))
        assert len(source.splitlines()) <= (16 if parameters else 10), "parameters have a line each"
        assert not source.lstrip().startswith(("!", "%"))
        for node in ast.walk(ast.parse(source)):
            assert not isinstance(node, FORBIDDEN), ast.dump(node)
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                assert name not in NO_CALLS
            if isinstance(node, ast.Import | ast.ImportFrom):
                assert "subprocess" not in ast.unparse(node)


def test_nothing_of_a_run_is_left(notebook: Any) -> None:
    for cell in notebook["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
        assert "papermill" not in cell["metadata"]
    assert "papermill" not in notebook["metadata"]
    assert "widgets" not in notebook["metadata"]
