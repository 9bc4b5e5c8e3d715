"""Where Python cannot load NVML, nvidia-smi is asked: a script on PATH prints recorded outputs."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from opskit.gpu.model import Gpu, NvLink, Pair
from opskit.gpu.query import FIELDS
from tests.nvml.library import ROOT, See, Seen

DATA = ROOT / "tests/data"
_MIB = 1024**2
_NO_LIBRARY = "NVML library not found: libnvidia-ml.so.1 is not on this machine"
_WHY = f"read by nvidia-smi, since Python cannot read NVML: {_NO_LIBRARY}"
_NO_DRIVER = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. "
    "Make sure that the latest NVIDIA driver is installed and running."
)


@pytest.fixture
def see_by_command(see_without: See, tmp_path: Path) -> Callable[..., Seen]:
    shutil.copy(DATA / "nvml/nvidia-smi", tmp_path)
    return lambda **more: see_without(SMI_DATA=str(DATA / "topology"), **more)


def test_nvidia_smi_tells_gpus_links_and_topology(see_by_command: See) -> None:
    seen = see_by_command()
    assert (seen.inventory.source, seen.inventory.driver, seen.inventory.notes) == ("smi", "550.90.07", (_WHY,))
    assert seen.inventory.gpus[1] == Gpu(
        index=1,
        uuid="GPU-39fc2446-cb50-2067-2867-d95efd470a2c",
        name="NVIDIA RTX A6000",
        pci_bus_id="0000:4b:00.0",
        memory_total_bytes=49140 * _MIB,
        memory_used_bytes=1024 * _MIB,
        memory_free_bytes=47657 * _MIB,
        numa_node=0,
        cpu_affinity="0-31,64-95",
    )
    assert len(seen.inventory.links) == 8
    assert seen.inventory.links[7] == NvLink(1, 3, "active", 14062)
    assert seen.inventory.pairs == (
        Pair(0, 1, None, 4, 56.248, "smi"),
        Pair(0, 2, "NODE", 0),
        Pair(1, 2, "NODE", 0),
    )
    assert seen.placement["device_ids"] == [gpu.uuid for gpu in seen.inventory.gpus[:2]]
    assert seen.placement["environ"]["NCCL_P2P_LEVEL"] == "NVL"


def test_nvidia_smi_is_asked_where_nvidia_ml_py_is_missing_too(see_by_command: See, tmp_path: Path) -> None:
    (tmp_path / "pynvml.py").write_text("raise ImportError", encoding="utf-8")
    seen = see_by_command(PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert len(seen.inventory.gpus) == 3
    assert seen.inventory.notes == ("read by nvidia-smi, since Python cannot read NVML: nvidia-ml-py is not installed",)


@pytest.mark.parametrize(("question", "what"), [("topo", "topo -m"), ("nvlink", "nvlink -s")])
def test_a_question_that_fails_is_a_note_and_the_rest_is_kept(see_by_command: See, question: str, what: str) -> None:
    seen = see_by_command(SMI_FAULT=question)
    assert seen.inventory.notes == (_WHY, f"nvidia-smi {what}: exit status 9: {_NO_DRIVER}")
    assert len(seen.inventory.gpus) == 3
    pair = seen.inventory.pair(0, 1)
    assert (pair.nvlinks, pair.bandwidth_source) == ((None, None) if question == "topo" else (4, "nominal"))


def test_nvidia_smi_without_a_driver_leaves_the_gpus_unavailable(see_by_command: See) -> None:
    seen = see_by_command(SMI_FAULT=f"--query-gpu={','.join(FIELDS)}")
    assert seen.reason == f"{_NO_LIBRARY}; nvidia-smi --query-gpu: exit status 9: {_NO_DRIVER}"
    assert seen.placement["mode"] == "cpu"


def test_a_question_that_hangs_is_given_up(see_by_command: See) -> None:
    seen = see_by_command(timeout_s=1.5, SMI_HANG="topo")
    assert seen.taken_s < 6
    assert seen.inventory.notes[1].startswith("nvidia-smi topo -m: exit status 124: nvidia-smi: ended after 1.")


def test_a_library_whose_driver_is_not_loaded_is_not_asked_a_second_time(see: See, tmp_path: Path) -> None:
    shutil.copy(DATA / "nvml/nvidia-smi", tmp_path)
    seen = see(PATH=str(tmp_path), SMI_DATA=str(DATA / "topology"), NVML_INIT="9")
    assert seen.reason == "NVIDIA driver not loaded"
