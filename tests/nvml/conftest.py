"""A stand-in for NVIDIA's library, compiled here and loaded by the real nvidia-ml-py in a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.nvml.library import See, compile_library, read


@pytest.fixture(scope="session")
def library(gcc: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_library(gcc, tmp_path_factory.mktemp("nvml"))


@pytest.fixture(scope="session")
def old_library(gcc: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_library(gcc, tmp_path_factory.mktemp("nvml-old"), "-DOLD")


@pytest.fixture
def see(library: Path) -> See:
    """Read the inventory and place "auto" in a process that loads the stand-in."""
    return lambda timeout_s=20.0, **environ: read(library, timeout_s, **environ)


@pytest.fixture
def see_old(old_library: Path) -> See:
    """The same with the library of an old driver."""
    return lambda **environ: read(old_library, **environ)


@pytest.fixture
def see_without(tmp_path: Path) -> See:
    """The same without any library; `tmp_path` is PATH."""
    return lambda **environ: read(tmp_path, **environ)
