"""The environments are what the specification's matrix says, cell by cell, as Compose itself resolves their files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from opskit.lint.matrix import tabulate_matrix
from opskit.runbook.matrix import Matrix
from opskit.show.tables import Table

DATA = Path(__file__).parents[1] / "data/matrix/section3.md"
GPU_ENVIRONMENTS = ("Development", "Staging", "Production", "Monitoring", "Optimized")
OTHERS = ("Testing", "Performance")
BOTH = "multimodal-net + stores-net"
CLOSED = "multimodal-net + stores-net (internal)"

DEVIATIONS: dict[tuple[str, str], tuple[str, str]] = {
    **{
        ("vLLM", name): ("Dual GPU", "the files reserve two GPUs by id, whatever model they are")
        for name in GPU_ENVIRONMENTS
    },
    **{
        ("GPU Configuration", name): ("Dual GPU + NVLink", "likewise; NVLink is used where it is found")
        for name in GPU_ENVIRONMENTS
    },
    **{
        ("GPU Fallback", name): ("single-gpu.yml, cpu.yml", "a machine without a GPU gets a working stack too")
        for name in GPU_ENVIRONMENTS
    },
    **{
        ("Secrets Management", name): ("opskit", "the secrets are opskit's own; setup_secrets.py regenerated them")
        for name in (*GPU_ENVIRONMENTS, *OTHERS)
    },
    **{
        ("Multimodal Worker", name): (
            f"{replicas} replicas (on the CPU)",
            "beside vLLM's 0.85 and 0.90 a 24 GB card has no room for them: test_gpu_room.py",
        )
        for name, replicas in {"Staging": 2, "Production": 3, "Optimized": 3}.items()
    },
    **{
        ("Base Compose Files", name): (
            f"{first} + multi-gpu.yml + multi-gpu-worker.yml",
            "the worker's reservation is a file of its own, merged where the worker is on the GPUs",
        )
        for name, first in {
            "Development": "docker-compose.yml + development.override.yml",
            "Monitoring": "docker-compose.yml + elk.yml",
        }.items()
    },
    ("Environment Files", "Testing"): (".env.testing", "discrepancy 1: an env file like the others"),
    ("Environment Files", "Performance"): (".env.performance", "discrepancy 1: an env file like the others"),
    **{
        ("Network Configuration", name): (BOTH, "the stores are on a network that the pages people open are not on")
        for name in ("Development", "Monitoring")
    },
    **{
        ("Network Configuration", name): (CLOSED, "likewise, without a way out, since no store is published there")
        for name in ("Staging", "Production", "Optimized")
    },
    **{
        ("Volume Persistence", name): (f"{count} volumes of its own", "what is true of all of them, counted")
        for name, count in {
            "Development": 8,
            "Staging": 8,
            "Production": 11,  # Alertmanager's too: what was told and what is silenced outlives its container
            "Testing": 1,
            "Performance": 1,
            "Monitoring": 12,
            "Optimized": 6,
        }.items()
    },
}


def section_3() -> dict[tuple[str, str], str]:
    """The specification's cells by (dimension, environment)."""
    lines = [line for line in DATA.read_text().splitlines() if line.startswith("|") and not line.startswith("|--")]
    header, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {(row[0], name): cell for row in rows for name, cell in zip(header[1:], row[1:], strict=True)}


def frame(table: Table) -> pd.DataFrame:
    return pd.DataFrame(list(table.rows), columns=list(table.columns))


@pytest.fixture(scope="module")
def matrix() -> Matrix:
    return Matrix()


def test_the_computed_matrix_equals_the_specification_but_for_what_is_listed(matrix: Matrix) -> None:
    found = tabulate_matrix(matrix.columns)
    cells = {(row, name.title()): found.loc[row, name] for row in found.index for name in found.columns}
    wanted = section_3()
    assert cells.keys() == wanted.keys()
    assert cells == {**wanted, **{cell: value for cell, (value, _) in DEVIATIONS.items()}}


def test_every_listed_deviation_deviates_and_has_its_reason() -> None:
    wanted = section_3()
    for cell, (value, reason) in DEVIATIONS.items():
        assert wanted[cell] != value, cell
        assert len(reason) > 20, cell


def test_the_difference_of_two_environments_is_marked_by_a_sign_and_a_colour(matrix: Matrix) -> None:
    shown = matrix.difference("dev", "staging")._repr_html_()
    found = tabulate_matrix(matrix.columns)
    differing = int((found["development"] != found["staging"]).sum())
    assert differing > 3
    assert shown.count("≠") == differing
    assert "background-color: #ffe9b3" in shown
    details = frame(matrix.details("dev", "staging")).set_index(["service", "property"])
    assert details.loc[("multimodal-worker", "deploy.replicas"), "staging"] == "2"
    assert details.loc[("nginx", "(the service)"), "development"] == "is there"
    assert details.loc[("nginx", "(the service)"), "staging"] == ""


def test_lint_finds_nothing_in_the_repository_that_nobody_explained(matrix: Matrix) -> None:
    shown = frame(matrix.lint())
    assert list(shown[shown["accepted, since"] == ""]["rule"]) == []
    assert set(shown["rule"]) == {"port-open", "host-path-outside"}


def test_nothing_drifts_that_was_not_decided(matrix: Matrix) -> None:
    drift = frame(matrix.drift())
    by_kind = {kind: sorted(rows["what"]) for kind, rows in drift.groupby("kind")}
    published = "litellm minio multimodal-worker nginx postgres qdrant redis retrieval-proxy vllm"
    # What is scaled or on the internal network has no port of the host; nginx is open in production. Nothing else differs.
    assert by_kind == {"published ports": published.split()}
