from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
from matplotlib.patches import Rectangle

from opskit.gpu.model import Gpu, Inventory, Pair
from opskit.gpu.smi import inventory_from_topology, parse_topology
from opskit.show.heatmap import draw_heatmap
from tests.pictures import assert_legible, texts_of

DATA = Path(__file__).parents[2] / "data/topology"


def recorded(file: str) -> Inventory:
    topology = parse_topology((DATA / f"{file}.txt").read_text(encoding="utf-8"))
    return inventory_from_topology(topology, name="NVIDIA GeForce RTX 3090", memory_total_bytes=1, source="recorded")


def sixteen() -> Inventory:
    pairs = tuple(Pair(a, b, pcie="SYS", nvlinks=0) for a, b in combinations(range(16), 2))
    return Inventory(None, None, None, tuple(map(Gpu, range(16))), (), pairs, "nvml")


def words(inventory: Inventory) -> list[str]:
    return [text.get_text() for text in draw_heatmap(inventory, rehearsal=False).axes[0].texts]


@pytest.mark.parametrize(
    "inventory",
    [recorded("1xp4-numa-na-tabs"), recorded("2x3090-nv4-spaces"), recorded("8xa100-nv12-nvswitch-tabs"), sixteen()],
)
def test_a_word_stays_in_its_cell_and_in_the_picture(inventory: Inventory) -> None:
    picture = draw_heatmap(inventory, rehearsal=True)
    count = len(inventory.gpus)
    cells = [patch.get_window_extent() for patch in picture.axes[0].patches if isinstance(patch, Rectangle)]
    assert len(cells) == count * count
    assert_legible(picture)
    for text in texts_of(picture):
        extent = text.get_window_extent()
        middle = (extent.x0 + extent.x1) / 2, (extent.y0 + extent.y1) / 2
        for cell in cells:
            if cell.contains(*middle):
                assert cell.x0 <= extent.x0, text
                assert extent.x1 <= cell.x1, text


def test_the_word_says_the_link_without_the_colour() -> None:
    assert words(recorded("2x3090-nv4-spaces")).count("NV4\n56.25 GB/s") == 2
    assert words(recorded("2x3090-phb-patched-p2p-tabs")).count("PHB") == 2
    assert words(recorded("8xa100-nv12-nvswitch-tabs")).count("NV12") == 56


def test_a_rehearsal_is_stamped() -> None:
    picture = draw_heatmap(recorded("2x3090-nv4-spaces"), rehearsal=True)
    assert "REHEARSAL" in picture.axes[0].texts[0].get_text()
