"""Whether a notebook's code cells are the shipped ones: what automation runs is never an experiment."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from opskit.errors import UsageError

NAME = "shipped.json"
"""Beside the notebooks: the hashes of each one's code cells, in order; `make notebooks` writes it."""
_INJECTED = "injected-parameters"
_LETTERS = 16


def hash_cells(notebook: Mapping[str, Any]) -> list[str]:
    """A SHA-256 (the first 16 letters) of each code cell's tags and text; not of the one that papermill injects."""
    hashes = []
    for cell in notebook["cells"]:
        tags = sorted(cell["metadata"].get("tags", []))
        if cell["cell_type"] == "code" and _INJECTED not in tags:
            text = json.dumps([tags, "".join(cell["source"])])
            hashes.append(hashlib.sha256(text.encode()).hexdigest()[:_LETTERS])
    return hashes


def check_shipped(notebook: Mapping[str, Any], name: str, folder: Path) -> None:
    """Refuse a notebook of a shipped one's name whose code cells differ from it.

    Args:
        notebook: as it is to be run.
        name: of the notebook, without its ending; one that was never shipped is its owner's, and is not judged.
        folder: where the notebooks and their hashes lie.

    Raises:
        UsageError: they differ; the message counts the cells that do, from 1, the parameters first.
    """
    try:
        shipped = json.loads((folder / NAME).read_text(encoding="utf-8")).get(name)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"notebooks/{name}.ipynb: {folder / NAME} cannot be read: {error}; wanted the hashes of the shipped "
            f"notebooks. Remedy: `git checkout notebooks/{NAME}`. Nothing was started."
        ) from None
    found = hash_cells(notebook)
    if shipped is None or found == shipped:
        return
    pairs = zip(found, shipped, strict=False)
    other = [str(place) for place, (one, two) in enumerate(pairs, 1) if one != two] or [str(len(shipped) + 1)]
    raise UsageError(
        f"notebooks/{name}.ipynb: found code cells that are not the shipped ones (number {', '.join(other)}; 1 is the "
        "parameters), as an edit in JupyterLab leaves them; wanted what was reviewed. Remedy: "
        f"`git checkout notebooks/{name}.ipynb`, and pass parameters with -p; `make notebooks` keeps an edit that is "
        "meant. Nothing was started."
    )


def write_shipped(folder: Path) -> None:
    """Write the hashes of the notebooks as they are."""
    paths = sorted(path for path in folder.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
    read = {p.relative_to(folder).with_suffix("").as_posix(): json.loads(p.read_text(encoding="utf-8")) for p in paths}
    hashes = {name: hash_cells(notebook) for name, notebook in read.items()}
    (folder / NAME).write_text(json.dumps(hashes, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    from opskit.paths import NOTEBOOKS

    write_shipped(NOTEBOOKS)
