from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
from matplotlib.patches import FancyBboxPatch

from opskit.gpu.model import Gpu, Inventory, Pair, inventory_from_json
from opskit.show.topology import draw_topology, tabulate_topology
from tests.pictures import assert_legible, texts_of

_DATA = Path(__file__).parents[2] / "data" / "inventory"
_GIB = 1024**3


def _recorded(file: str) -> Inventory:
    return inventory_from_json((_DATA / f"{file}.json").read_text(encoding="utf-8"))


def _sixteen(nvlinks: int) -> Inventory:
    gpus = tuple(
        Gpu(at, name="NVIDIA RTX PRO 6000 Blackwell Server Edition", memory_total_bytes=96 * _GIB, numa_node=at // 8)
        for at in range(16)
    )
    pairs = tuple(Pair(a, b, pcie="SYS", nvlinks=nvlinks) for a, b in combinations(range(16), 2))
    return Inventory("580.95.05", None, None, gpus, (), pairs, "nvml")


def _hybrid_cube() -> Inventory:
    rig = _recorded("8gpu-node-phb-sys")
    gpus = tuple(
        replace(g, pcie_generation=1, pcie_generation_max=3, pcie_width=8, pcie_width_max=16) for g in rig.gpus
    )
    twice, once = {(0, 3), (0, 4), (1, 2), (1, 5), (2, 3), (4, 7), (5, 6), (6, 7)}, {(0, 1), (2, 6), (3, 7), (4, 5)}
    pairs = tuple(
        replace(p, nvlinks=n, bandwidth_gb_s=25.0 * n or None, bandwidth_source="nvml" if n else None)
        for p in rig.pairs
        for n in [2 * ((p.a, p.b) in twice) + ((p.a, p.b) in once)]
    )
    return replace(rig, gpus=gpus, pairs=pairs, source="nvml", driver="470.256.02")


_DUAL = _recorded("2x3090-nv4")
_UNLINKED = _recorded("2x3090-phb-patched-p2p")
_PAIR_OF_THREE = _recorded("3xa6000-nv4-pair-plus-node")
_SWITCHED = _recorded("8xa100-nv12-nvswitch")
_PICTURES = {
    "none": Inventory("580.95.05", None, None, (), (), (), "nvml"),
    "one": _recorded("1xp4-numa-na"),
    "two with NVLink": _DUAL,
    "two without NVLink": _UNLINKED,
    "two on two nodes": _recorded("2x3090-sys-numa-na"),
    "three with one pair": _PAIR_OF_THREE,
    "four mixed": _recorded("4xv100-nv1-nv2"),
    "four on four nodes": _recorded("4xa100-nv4-numa-range"),
    "four without NVLink": _recorded("4xpix-phb"),
    "five": _recorded("5gpu-4090rig-sys-phb-node"),
    "six": _recorded("6gpu-pix-node-sys"),
    "eight": _recorded("8gpu-node-phb-sys"),
    "eight with NVSwitch": _SWITCHED,
    "eight in a hybrid cube": _hybrid_cube(),
    "sixteen with NVSwitch": _sixteen(18),
    "sixteen without NVLink": _sixteen(0),
}


def _words(inventory: Inventory, *, rehearsal: bool = False) -> list[str]:
    return [text.get_text() for text in texts_of(draw_topology(inventory, rehearsal=rehearsal))]


@pytest.mark.parametrize("inventory", _PICTURES.values(), ids=_PICTURES)
def test_no_label_is_cut_or_covers_another(inventory: Inventory) -> None:
    assert_legible(draw_topology(inventory, rehearsal=True))


@pytest.mark.parametrize("inventory", _PICTURES.values(), ids=_PICTURES)
def test_a_text_in_a_box_stays_in_it(inventory: Inventory) -> None:
    picture = draw_topology(inventory, rehearsal=False)
    boxes = [patch.get_window_extent() for patch in picture.axes[0].patches if isinstance(patch, FancyBboxPatch)]
    for text in texts_of(picture):
        extent = text.get_window_extent()
        middle = (extent.x0 + extent.x1) / 2, (extent.y0 + extent.y1) / 2
        for box in boxes:
            if box.contains(*middle):
                assert box.x0 <= extent.x0, text
                assert extent.x1 <= box.x1, text
                assert box.y0 <= extent.y0, text
                assert extent.y1 <= box.y1, text


@pytest.mark.parametrize("inventory", _PICTURES.values(), ids=_PICTURES)
def test_a_picture_fits_a_notebook(inventory: Inventory) -> None:
    picture = draw_topology(inventory, rehearsal=False)
    assert picture.bbox.width == 800
    assert picture.bbox.height <= 600


def test_an_arc_names_its_links_and_bandwidth() -> None:
    words = _words(_DUAL)
    assert "NV4  56.25 GB/s per direction" in words
    assert "GB/s of one direction, nominal for this GPU, not measured." in words


def test_a_measured_bandwidth_is_rounded_and_not_called_nominal() -> None:
    pair = replace(_DUAL.pairs[0], bandwidth_gb_s=56.248, bandwidth_source="nvml")
    words = _words(replace(_DUAL, pairs=(pair,)))
    assert "NV4  56.25 GB/s per direction" in words
    assert "GB/s of one direction." in words


def test_a_missing_link_is_said_with_the_way_there_is() -> None:
    assert "no NVLink: PHB" in _words(_UNLINKED)
    assert _words(_PAIR_OF_THREE).count("no NVLink: NODE") == 2


def test_an_unknown_link_is_not_called_absent() -> None:
    assert "NVLink unknown: PCIe unknown" in _words(replace(_DUAL, pairs=(Pair(0, 1),)))


def test_missing_links_of_many_gpus_are_counted() -> None:
    assert "no NVLink: NODE (4 pairs), PHB (2 pairs), SYS (4 pairs)" in _words(_PICTURES["five"])


def test_a_box_has_name_and_memory() -> None:
    assert "GPU 1\nGeForce RTX 3090\n24 GiB" in _words(_DUAL)


def test_a_numa_box_has_its_cpus() -> None:
    words = _words(_PICTURES["two on two nodes"])
    assert "NUMA unknown\nCPU 0-7, 16-23" in words
    assert "NUMA 1\nCPU 8-15, 24-31" in words
    assert "NUMA 0-3\nCPU 0, 64" in _words(_PICTURES["four on four nodes"])
    assert tabulate_topology(_PICTURES["four on four nodes"]).loc["GPU0", "numa_node"] == "0-3"


@pytest.mark.parametrize(
    ("now", "at_most", "label"),
    [
        ((1, 16), (4, 16), "Gen4 x16 (now Gen1)"),
        ((4, 8), (4, 16), "Gen4 x16 (now x8)"),
        ((1, 4), (4, 16), "Gen4 x16 (now Gen1 x4)"),
        ((4, 16), (4, 16), "Gen4 x16"),
        ((3, 16), (None, None), "Gen3 x16"),
        ((None, None), (4, 16), "Gen4 x16"),
        ((None, None), (None, None), "PCIe"),
    ],
)
def test_a_stub_says_what_the_slot_does(
    now: tuple[int | None, int | None], at_most: tuple[int | None, int | None], label: str
) -> None:
    first = replace(
        _DUAL.gpus[0],
        pcie_generation=now[0],
        pcie_width=now[1],
        pcie_generation_max=at_most[0],
        pcie_width_max=at_most[1],
    )
    assert label in _words(replace(_DUAL, gpus=(first, _DUAL.gpus[1])))


def test_an_nvswitch_is_one_bar() -> None:
    picture = draw_topology(_SWITCHED, rehearsal=False)
    assert "NVSwitch, each to each: NV12  300 GB/s per direction" in [t.get_text() for t in texts_of(picture)]
    assert len(picture.axes[0].patches) == 8 + 2 + 1


def test_four_gpus_all_linked_alike_are_drawn_with_arcs() -> None:
    words = _words(_recorded("4xa100-nv4-pxb-nic"))
    assert words.count("NV4  100 GB/s") == 6


def test_only_a_rehearsal_is_stamped() -> None:
    assert "REHEARSAL" in _words(_DUAL, rehearsal=True)
    assert "REHEARSAL" not in _words(_DUAL)


def test_a_notebook_shows_the_figure_with_its_words_for_those_who_do_not_see_it() -> None:
    shown = draw_topology(_DUAL, rehearsal=False)._repr_html_()
    assert re.fullmatch(
        r'<img alt="[^"]*GPU 0[^"]*" style="max-width:100%" src="data:image/png;base64,iVBOR[^"]*">', shown
    )


def test_the_table_says_what_the_picture_says() -> None:
    table = tabulate_topology(_PAIR_OF_THREE)
    assert list(table.index) == ["GPU0", "GPU1", "GPU2"]
    assert list(table.columns) == ["name", "memory_gib", "numa_node", "cpus", "pcie", "GPU0", "GPU1", "GPU2"]
    assert list(table.loc["GPU1"]) == [
        "NVIDIA RTX A6000", 48.0, 0, "0-31,64-95", None, "NV4  56.25 GB/s", "X", "NODE",
    ]  # fmt: skip


def test_the_table_of_no_gpu_is_empty() -> None:
    assert tabulate_topology(_PICTURES["none"]).empty
