from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from opskit.gpu.model import Gpu, Inventory, NvLink, Pair
from opskit.host import nvml
from opskit.unknown import Unknown

_GIB = 1024**3
_BUS = ("00000000:21:00.0", "00000000:4A:00.0", "00000000:81:00.0", "00000000:C1:00.0")


@dataclass
class Nvml:
    """Answers like pynvml on a machine with RTX 3090s, and raises pynvml's own errors.

    `links` is by GPU: the number of the GPU at the other end, "switch", or None for a link without a peer.
    `faults` is by function, or by (function, GPU): the code NVML returns.
    """

    links: Iterable[tuple[int | str | None, ...]] = ((1, 1, 1, 1), (0, 0, 0, 0))
    faults: Mapping[str | tuple[str, int], int] = field(default_factory=dict)
    answers: Mapping[str, Any] = field(default_factory=dict)
    speed_mb_s: int = 14062
    switch_links: int | None = None
    calls: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.links = tuple(self.links)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("nvml") or name == "nvmlMemory_v2":
            return getattr(pynvml, name)
        getattr(pynvml, name)  # the real module has a function of that name
        return lambda *arguments: self._answer(name, arguments)

    def _answer(self, name: str, arguments: tuple[Any, ...]) -> Any:
        self.calls.append(name)
        for key in (name, (name, arguments[0]) if arguments else name):
            if key in self.faults:
                raise pynvml.NVMLError(self.faults[key])
        if name in self.answers:
            return self.answers[name]
        return getattr(self, f"_{name}")(*arguments)

    def _nvmlInit(self) -> None: ...  # noqa: N802
    def _nvmlShutdown(self) -> None: ...  # noqa: N802

    def _nvmlSystemGetDriverVersion(self) -> str:  # noqa: N802
        return "580.95.05"

    def _nvmlSystemGetNVMLVersion(self) -> str:  # noqa: N802
        return "13.580.95.05"

    def _nvmlSystemGetCudaDriverVersion(self) -> int:  # noqa: N802
        return 12090

    def _nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(tuple(self.links))

    def _nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def _nvmlDeviceGetUUID(self, gpu: int) -> str:  # noqa: N802
        return f"GPU-0000000{gpu}"

    def _nvmlDeviceGetName(self, _gpu: int) -> str:  # noqa: N802
        return "NVIDIA GeForce RTX 3090"

    def _nvmlDeviceGetPciInfo(self, gpu: int) -> SimpleNamespace:  # noqa: N802
        return SimpleNamespace(busId=_BUS[gpu])

    def _nvmlDeviceGetMemoryInfo(self, _gpu: int, version: int | None = None) -> SimpleNamespace:  # noqa: N802
        if version is None:
            return SimpleNamespace(total=24 * _GIB, used=_GIB, free=23 * _GIB)
        if "v2 missing" in self.answers:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)
        return SimpleNamespace(total=24 * _GIB, reserved=_GIB // 2, used=_GIB // 2, free=23 * _GIB)

    def _nvmlDeviceGetUtilizationRates(self, _gpu: int) -> SimpleNamespace:  # noqa: N802
        return SimpleNamespace(gpu=7, memory=3)

    def _nvmlDeviceGetMigMode(self, _gpu: int) -> None:  # noqa: N802
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)

    def _nvmlDeviceGetCpuAffinity(self, gpu: int, words: int) -> list[int]:  # noqa: N802
        assert words == 2
        return [0xFF, 0x3] if gpu == 0 else [0xFF00, 0]

    def _nvmlDeviceGetComputeRunningProcesses_v3(self, gpu: int) -> list[SimpleNamespace]:  # noqa: N802
        known = [SimpleNamespace(pid=100, usedGpuMemory=5 * _GIB), SimpleNamespace(pid=101, usedGpuMemory=None)]
        return known if gpu == 1 else []

    def _nvmlDeviceGetPowerUsage(self, _gpu: int) -> int:  # noqa: N802
        return 31_250

    def _nvmlDeviceGetEnforcedPowerLimit(self, _gpu: int) -> int:  # noqa: N802
        return 350_000

    def _nvmlDeviceGetTemperature(self, _gpu: int, sensor: int) -> int:  # noqa: N802
        assert sensor == 0
        return 41

    def _nvmlDeviceGetCurrPcieLinkGeneration(self, _gpu: int) -> int:  # noqa: N802
        return 1

    def _nvmlDeviceGetMaxPcieLinkGeneration(self, _gpu: int) -> int:  # noqa: N802
        return 4

    def _nvmlDeviceGetCurrPcieLinkWidth(self, _gpu: int) -> int:  # noqa: N802
        return 8

    def _nvmlDeviceGetMaxPcieLinkWidth(self, _gpu: int) -> int:  # noqa: N802
        return 16

    def _peer(self, gpu: int, link: int) -> int | str | None:
        ends = tuple(self.links)[gpu]
        if link >= len(ends):
            raise pynvml.NVMLError(pynvml.NVML_ERROR_INVALID_ARGUMENT if ends else pynvml.NVML_ERROR_NOT_SUPPORTED)
        return ends[link]

    def _nvmlDeviceGetNvLinkState(self, gpu: int, link: int) -> int:  # noqa: N802
        return int(self._peer(gpu, link) is not None)

    def _nvmlDeviceGetNvLinkRemotePciInfo(self, gpu: int, link: int) -> SimpleNamespace:  # noqa: N802
        peer = self._peer(gpu, link)
        return SimpleNamespace(busId=_BUS[peer] if isinstance(peer, int) else f"00000000:E{link}:00.0")

    def _nvmlDeviceGetNvLinkRemoteDeviceType(self, gpu: int, link: int) -> int:  # noqa: N802
        return 2 if self._peer(gpu, link) == "switch" else 0

    def _nvmlDeviceGetFieldValues(self, _gpu: int, fields: list[Any]) -> Any:  # noqa: N802
        values = (pynvml.c_nvmlFieldValue_t * len(fields))()
        known = {pynvml.NVML_FI_DEV_NVLINK_SPEED_MBPS_COMMON: self.speed_mb_s, 147: self.switch_links}
        for value, wanted in zip(values, fields, strict=True):
            found = None if isinstance(wanted, tuple) else known.get(wanted)
            value.nvmlReturn = pynvml.NVML_ERROR_NOT_SUPPORTED if found is None else pynvml.NVML_SUCCESS
            value.valueType = pynvml.NVML_VALUE_TYPE_UNSIGNED_INT
            value.value.uiVal = found or 0
        return values

    def _nvmlDeviceGetTopologyCommonAncestor(self, _a: int, _b: int) -> int:  # noqa: N802
        return 30

    def _nvmlDeviceGetP2PStatus(self, _a: int, _b: int, capability: int) -> int:  # noqa: N802
        assert isinstance(capability, int)  # pynvml's constant for reading is a tuple, which ctypes refuses
        return 0


def _collect(stand_in: Nvml, sysfs: Path = Path("/nowhere")) -> Inventory:
    inventory = nvml.collect_inventory(stand_in, cpus=72, sysfs=sysfs)
    assert isinstance(inventory, Inventory)
    return inventory


def _node(sysfs: Path, bus_id: str, text: str) -> None:
    device = sysfs / "bus/pci/devices" / bus_id
    device.mkdir(parents=True)
    (device / "numa_node").write_text(text, encoding="ascii")


def test_a_bridged_pair_is_read(tmp_path: Path) -> None:
    _node(tmp_path, "0000:21:00.0", "1\n")
    _node(tmp_path, "0000:4a:00.0", "-1\n")
    inventory = _collect(Nvml(), tmp_path)
    first = Gpu(
        index=0,
        uuid="GPU-00000000",
        name="NVIDIA GeForce RTX 3090",
        pci_bus_id="0000:21:00.0",
        memory_total_bytes=24 * _GIB,
        memory_reserved_bytes=_GIB // 2,
        memory_used_bytes=_GIB // 2,
        memory_free_bytes=23 * _GIB,
        utilization_percent=7,
        power_mw=31_250,
        power_limit_mw=350_000,
        temperature_c=41,
        pcie_generation=1,
        pcie_generation_max=4,
        pcie_width=8,
        pcie_width_max=16,
        numa_node=1,
        cpu_affinity="0-7,64-65",
        mig=None,
        processes=(),
    )
    assert inventory.gpus[0] == first
    second = inventory.gpus[1]
    assert (second.pci_bus_id, second.numa_node, second.cpu_affinity) == ("0000:4a:00.0", None, "8-15")
    assert second.processes == ((100, 5 * _GIB), (101, None))
    assert len(inventory.links) == 8
    assert inventory.links[0] == NvLink(0, 0, "active", 14062, "0000:4a:00.0", "gpu")
    assert inventory.pairs == (Pair(0, 1, "PHB", 4, 56.248, "nvml", "OK", "OK"),)
    assert (inventory.driver, inventory.nvml, inventory.cuda) == ("580.95.05", "13.580.95.05", (12, 9))
    assert inventory.source == "nvml"
    assert inventory.notes == ()


def test_nvml_is_shut_down_after_reading_and_after_a_fault() -> None:
    good, bad = Nvml(), Nvml(faults={"nvmlDeviceGetCount": 999})
    nvml.collect_inventory(good, cpus=72, sysfs=Path("/nowhere"))
    nvml.collect_inventory(bad, cpus=72, sysfs=Path("/nowhere"))
    assert (good.calls[-1], bad.calls[-1]) == ("nvmlShutdown", "nvmlShutdown")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, "NVML library not found"),
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, "NVIDIA driver not loaded"),
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, "of different versions"),
        (pynvml.NVML_ERROR_GPU_IS_LOST, "GPU is lost"),
        (pynvml.NVML_ERROR_NO_PERMISSION, "no permission"),
        (pynvml.NVML_ERROR_UNKNOWN, "NVML failed: Unknown Error"),
    ],
)
@pytest.mark.parametrize("function", ["nvmlInit", "nvmlDeviceGetCount"])
def test_no_nvml_is_an_answer_with_a_remedy(function: str, code: int, reason: str) -> None:
    answer = nvml.collect_inventory(Nvml(faults={function: code}), cpus=72, sysfs=Path("/nowhere"))
    assert isinstance(answer, Unknown)
    assert reason in answer.reason
    assert answer.remedy


@pytest.mark.parametrize("function", ["nvmlDeviceGetHandleByIndex", "nvmlDeviceGetName"])
def test_a_lost_gpu_is_left_out_and_said(function: str) -> None:
    inventory = _collect(Nvml(faults={(function, 1): pynvml.NVML_ERROR_GPU_IS_LOST}))
    assert [gpu.index for gpu in inventory.gpus] == [0]
    assert any(note.startswith("GPU 1 is left out: ") and "lost" in note for note in inventory.notes)
    assert inventory.pairs == ()


@pytest.mark.parametrize("function", ["nvmlDeviceGetHandleByIndex", "nvmlDeviceGetName"])
def test_when_every_gpu_is_lost_nothing_is_available(function: str) -> None:
    stand_in = Nvml(faults={function: pynvml.NVML_ERROR_GPU_IS_LOST})
    answer = nvml.collect_inventory(stand_in, cpus=72, sysfs=Path("/nowhere"))
    assert isinstance(answer, Unknown)
    assert "GPU is lost" in answer.reason


def test_a_driver_without_gpus_is_an_empty_inventory() -> None:
    assert _collect(Nvml(links=())).gpus == ()


def test_what_a_gpu_does_not_have_is_unknown_without_a_note() -> None:
    inventory = _collect(Nvml(faults={"nvmlDeviceGetPowerUsage": pynvml.NVML_ERROR_NOT_SUPPORTED}))
    assert inventory.gpus[0].power_mw is None
    assert inventory.notes == ()


def test_what_fails_is_unknown_with_a_note() -> None:
    inventory = _collect(Nvml(faults={("nvmlDeviceGetPowerUsage", 1): pynvml.NVML_ERROR_UNKNOWN}))
    assert [gpu.power_mw for gpu in inventory.gpus] == [31_250, None]
    assert inventory.notes == ("GPU 1: nvmlDeviceGetPowerUsage: Unknown Error",)


def test_an_old_driver_lacks_fields_and_keeps_the_rest() -> None:
    missing = pynvml.NVML_ERROR_FUNCTION_NOT_FOUND
    functions = ("nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetP2PStatus", "nvmlDeviceGetFieldValues")
    inventory = _collect(Nvml(faults=dict.fromkeys(functions, missing), answers={"v2 missing": True}))
    gpu, pair = inventory.gpus[0], inventory.pairs[0]
    assert (gpu.memory_used_bytes, gpu.memory_reserved_bytes) == (_GIB, None)
    assert gpu.processes is None
    assert pair == Pair(0, 1, "PHB", 4, 56.25, "nominal", None, None)
    assert "GPU 0: nvmlDeviceGetMemoryInfo: Function Not Found" in inventory.notes


def test_a_library_mismatch_in_one_call_is_a_note() -> None:
    class Old(Nvml):
        def _nvmlDeviceGetComputeRunningProcesses_v3(self, gpu: int) -> list[SimpleNamespace]:  # noqa: N802
            raise pynvml.NVMLLibraryMismatchError(f"too old for GPU {gpu}")

    inventory = _collect(Old())
    assert inventory.gpus[0].processes is None
    assert inventory.notes[0] == "GPU 0: nvmlDeviceGetComputeRunningProcesses_v3: too old for GPU 0"


def test_mig_is_what_is_on_now_not_what_is_pending() -> None:
    assert _collect(Nvml(answers={"nvmlDeviceGetMigMode": [1, 0]})).gpus[0].mig is True
    assert _collect(Nvml(answers={"nvmlDeviceGetMigMode": [0, 1]})).gpus[0].mig is False


def test_links_without_a_bridge_are_inactive() -> None:
    inventory = _collect(Nvml(links=[(None,) * 4] * 2))
    assert [link.state for link in inventory.links] == ["inactive"] * 8
    assert (inventory.pairs[0].nvlinks, inventory.pairs[0].bandwidth_gb_s) == (0, None)


def test_two_of_four_links_are_counted_and_measured() -> None:
    pair = _collect(Nvml(links=[(1, 1, None, None), (0, 0, None, None)])).pairs[0]
    assert (pair.nvlinks, pair.bandwidth_gb_s) == (2, 28.124)


def test_sleeping_links_are_there() -> None:
    inventory = _collect(Nvml(answers={"nvmlDeviceGetNvLinkState": 2}, links=[(1,) * 36, (0,) * 36]))
    assert {link.state for link in inventory.links} == {"sleep"}
    assert inventory.pairs[0].nvlinks == 36


def test_links_that_only_one_side_sees_do_not_count_and_are_said() -> None:
    inventory = _collect(Nvml(links=[(1, 1, 1, 1), (None,) * 4]))
    assert inventory.pairs[0].nvlinks == 0
    assert inventory.notes == ("GPU 0 sees 4 NVLinks to GPU 1, which sees 0 back; the fewer count",)


def test_a_gpu_without_nvlink_has_no_links_and_knows_it() -> None:
    inventory = _collect(Nvml(links=[(), ()]))
    assert inventory.links == ()
    assert inventory.pairs[0].nvlinks == 0


def test_links_that_cannot_be_read_are_unknown_not_absent() -> None:
    inventory = _collect(Nvml(faults={("nvmlDeviceGetNvLinkState", 0): pynvml.NVML_ERROR_UNKNOWN}))
    assert inventory.pairs[0].nvlinks is None
    assert "GPU 0: NVLink 0: Unknown Error" in inventory.notes


def test_gpus_on_a_switch_are_linked_each_to_each() -> None:
    inventory = _collect(Nvml(links=[("switch",) * 12] * 4, speed_mb_s=25_000))
    assert [pair.nvlinks for pair in inventory.pairs] == [12] * 6
    assert inventory.pairs[0].bandwidth_gb_s == 300.0
    assert inventory.links[0].remote_kind == "switch"


def test_a_switch_without_nvlink_peers_links_nobody() -> None:
    stand_in = Nvml(links=[("switch",) * 12] * 2, answers={"nvmlDeviceGetP2PStatus": 3})
    pair = _collect(stand_in).pairs[0]
    assert (pair.nvlinks, pair.p2p_read) == (0, "TNS")


_NAMELESS: Mapping[str | tuple[str, int], int] = {
    "nvmlDeviceGetNvLinkRemotePciInfo": pynvml.NVML_ERROR_NOT_SUPPORTED,
    "nvmlDeviceGetNvLinkRemoteDeviceType": pynvml.NVML_ERROR_NOT_SUPPORTED,
}


@pytest.mark.parametrize(
    ("switch_links", "p2p", "nvlinks"),
    [
        (18, 0, 18),
        (17, 0, None),  # one of them goes elsewhere, and nobody can say which
        (None, 0, None),
        (18, 3, 0),
        (None, 3, 0),
    ],
)
def test_links_without_a_named_end_are_a_switch_s_only_where_it_has_as_many(
    switch_links: int | None, p2p: int, nvlinks: int | None
) -> None:
    ends = [("switch",) * 18] * 2
    stand_in = Nvml(links=ends, faults=_NAMELESS, answers={"nvmlDeviceGetP2PStatus": p2p}, switch_links=switch_links)
    inventory = _collect(stand_in)
    assert inventory.pairs[0].nvlinks == nvlinks
    assert (inventory.links[0].remote_kind == "switch") is (switch_links == 18)


def test_a_switch_is_not_asked_for_where_each_link_has_a_named_end() -> None:
    links = _collect(Nvml(switch_links=4)).links
    assert {link.remote_kind for link in links} == {"gpu"}


def test_a_pair_is_matched_by_bus_not_by_count() -> None:
    pairs = _collect(Nvml(links=[(1, 1), (0, 0), (3, 3), (2, 2)])).pairs
    assert [(p.a, p.b) for p in pairs if p.nvlinks] == [(0, 1), (2, 3)]
