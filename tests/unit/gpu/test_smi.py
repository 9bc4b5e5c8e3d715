from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opskit.gpu.links import LinkStatus, parse_link_status
from opskit.gpu.model import Gpu, NvLink, Pair
from opskit.gpu.smi import (
    ParseError,
    Topology,
    inventory_from_topology,
    parse_topology,
)

_DATA = Path(__file__).parents[2] / "data" / "topology"
_LOW, _HIGH = "0-63,128-191", "64-127,192-255"

# Written by hand from the files: the upper triangle of the GPUs row by row, CPU lists, NUMA lists.
_SOUND: Mapping[str, tuple[Sequence[str], Sequence[str | None], Sequence[str | None]]] = {
    "1gpu-6nic-pix-tabs": ([], ["0"], ["0"]),
    "1x5090-nic-tabs": ([], ["32-63,96-127"], ["1"]),
    "1xp4-numa-na-tabs": ([], ["0-7"], [None]),
    "2x3090-nv4-spaces": (["NV4"], ["0-47"] * 2, ["0"] * 2),
    "2x3090-phb-patched-p2p-tabs": (["PHB"], ["0-31"] * 2, ["0"] * 2),
    "2x3090-sys-numa-na-tabs": (["SYS"], ["0-7,16-23", "8-15,24-31"], [None, "1"]),
    "2xa100-nv12-mlx5-oldformat-tabs": (["NV12"], ["48-95,144-191"] * 2, ["1"] * 2),
    "2xv100-nv1-mlx5-no-numa-header-lost-tab": (["NV1"], ["0-7"] * 2, [None] * 2),
    "3xa6000-nv4-pair-plus-node-tabs": (["NV4 NODE", "NODE"], ["0-31,64-95"] * 3, ["0"] * 3),
    "4xa100-nv4-numa-range-tabs": (["NV4 NV4 NV4", "NV4 NV4", "NV4"], ["0,64"] * 4, ["0-3"] * 4),
    "4xa100-nv4-pxb-nic-spaces": (["NV4 NV4 NV4", "NV4 NV4", "NV4"], ["0"] * 4, ["0-1"] * 4),
    "4xl40s-pix-node-header-lost-tab-nolegend": (
        ["PIX NODE NODE", "NODE NODE", "PIX"], ["0-15,32-47"] * 4, ["0"] * 4,
    ),
    "4xpix-phb-tabs": (["PIX PHB PHB", "PHB PHB", "PIX"], ["0-13,28-41"] * 4, ["0"] * 4),
    "4xv100-nv1-nv2-mlx5-no-numa-header-lost-tab": (["NV1 NV1 NV2", "NV2 NV1", "NV2"], ["0-15"] * 4, [None] * 4),
    "4xv100-nv1-nv2-tabs": (["NV1 NV1 NV2", "NV2 NV1", "NV2"], ["0-31"] * 4, [None] * 4),
    "5gpu-4090rig-sys-phb-node-spaces": (
        ["SYS SYS SYS SYS", "PHB NODE NODE", "NODE NODE", "PHB"],
        ["8-15,24-31"] + ["0-7,16-23"] * 4,
        ["1", "0", "0", "0", "0"],
    ),
    "6gpu-pix-node-sys-tabs": (
        ["PIX NODE NODE SYS SYS", "NODE NODE SYS SYS", "PIX SYS SYS", "SYS SYS", "PIX"],
        ["0-23,48-71"] * 4 + ["24-47,72-95"] * 2,
        ["0"] * 4 + ["1"] * 2,
    ),
    "8gpu-node-phb-sys-tabs": (
        [
            "NODE NODE NODE NODE NODE SYS SYS",
            "PHB NODE NODE NODE SYS SYS",
            "NODE NODE NODE SYS SYS",
            "PHB NODE SYS SYS",
            "NODE SYS SYS",
            "SYS SYS",
            "PHB",
        ],
        ["0-15,32-47"] * 6 + ["16-31,48-63"] * 2,
        ["0"] * 6 + ["1"] * 2,
    ),
    "8x-nv18-ansi-underline-header": (
        [" ".join(["NV18"] * n) for n in range(7, 0, -1)], [_LOW] * 4 + [_HIGH] * 4, ["0"] * 4 + ["1"] * 4,
    ),
    "8x-nv18-nvswitch-nic-tabs": (
        [" ".join(["NV18"] * n) for n in range(7, 0, -1)], [_LOW] * 4 + [_HIGH] * 4, ["0"] * 4 + ["1"] * 4,
    ),
    "8x4090-sys-nic-nolegend-tabs": (
        [" ".join(["SYS"] * n) for n in range(7, 0, -1)],
        ["0-55,112-167"] * 4 + ["56-111,168-223"] * 4,
        ["0"] * 4 + ["1"] * 4,
    ),
    "8xa100-nv12-nvswitch-tabs": (
        [" ".join(["NV12"] * n) for n in range(7, 0, -1)],
        ["0-23,48-71"] * 4 + ["24-47,72-95"] * 4,
        ["0"] * 4 + ["1"] * 4,
    ),
    "8xh100-nv18-mlx5-rows-missing-nic-rows": (
        [" ".join(["NV18"] * n) for n in range(7, 0, -1)],
        ["0-47,96-143"] * 4 + ["48-95,144-191"] * 4,
        ["0"] * 4 + ["1"] * 4,
    ),
    "8xl40s-node-sys-nic-spaces": (
        [
            "NODE NODE NODE SYS SYS SYS SYS",
            "NODE NODE SYS SYS SYS SYS",
            "NODE SYS SYS SYS SYS",
            "SYS SYS SYS SYS",
            "NODE NODE NODE",
            "NODE NODE",
            "NODE",
        ],
        ["0-89"] * 4 + ["90-179"] * 4,
        ["0"] * 4 + ["1"] * 4,
    ),
    "8xp40-pix-pxb-soc-oldformat-tabs": (
        [
            "PIX PIX PIX PXB PXB PXB PXB",
            "PIX PIX PXB PXB PXB PXB",
            "PIX PXB PXB PXB PXB",
            "PXB PXB PXB PXB",
            "PIX PIX PIX",
            "PIX PIX",
            "PIX",
        ],
        ["0-13"] * 8,
        [None] * 8,
    ),
    "p2p-rw-2x3090-patched-ok": (["OK"], [None] * 2, [None] * 2),
    "p2p-rw-2x5090-gns": (["GNS"], [None] * 2, [None] * 2),
    "p2p-rw-gns-spaces": (["GNS"], [None] * 2, [None] * 2),
}  # fmt: skip

_FAILING = {
    "fail-device-handle": "Unable to determine the device handle for GPU 0000:0B:00.0: Unknown Error",
    "fail-no-driver": "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.",
    "fail-topo-m-with-i": "The -i command line argument must be used in conjunction with -n or -p.",
    "nvlink-s-3xa6000": "GPU 0: NVIDIA RTX A6000",
}


def _text(name: str) -> str:
    return (_DATA / f"{name}.txt").read_text(encoding="utf-8")


def test_every_recorded_file_has_an_expectation() -> None:
    assert {path.stem for path in _DATA.glob("*.txt")} == {*_SOUND, *_FAILING, "SOURCES"}


@pytest.mark.parametrize("name", _SOUND)
def test_a_recorded_matrix_is_read(name: str) -> None:
    upper, cpus, numas = _SOUND[name]
    topology = parse_topology(_text(name))
    gpus = [f"GPU{at}" for at in range(len(cpus))]
    assert list(topology.gpus) == gpus
    assert list(topology.cpu_affinity) == cpus
    assert list(topology.numa_affinity) == numas
    found = [" ".join(topology.relation(a, b) for b in gpus[at + 1 :]) for at, a in enumerate(gpus[:-1])]
    assert found == upper
    for a in gpus:
        assert topology.relation(a, a) == "X"
        assert [topology.relation(a, b) for b in gpus] == [topology.relation(b, a) for b in gpus]


@pytest.mark.parametrize("name", _FAILING)
def test_what_the_tool_says_instead_is_the_reason(name: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_topology(_text(name))
    assert f"no matrix in the output; it says: {_FAILING[name]}" in str(caught.value)


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_an_empty_output_says_nothing(text: str) -> None:
    with pytest.raises(ParseError, match="it says: nothing"):
        parse_topology(text)


def test_nics_are_known_from_the_gpus_rows() -> None:
    topology = parse_topology(_text("8xh100-nv18-mlx5-rows-missing-nic-rows"))
    assert topology.relation("GPU4", "mlx5_4") == "PIX"
    assert topology.relation("mlx5_9", "GPU4") == "NODE"
    with pytest.raises(KeyError):
        topology.relation("mlx5_0", "mlx5_1")


def test_a_relation_may_be_asked_by_position() -> None:
    assert parse_topology(_text("3xa6000-nv4-pair-plus-node-tabs")).relation(1, 2) == "NODE"


def test_an_empty_cpu_cell_is_unknown() -> None:
    text = "\tGPU0\tGPU1\tCPU Affinity\tNUMA Affinity\tGPU NUMA ID\n"
    text += "GPU0\t X \tNODE\t\t1\t\tN/A\nGPU1\tNODE\t X \t\t1\t\tN/A\n"
    topology = parse_topology(text)
    assert topology.cpu_affinity == (None, None)
    assert topology.numa_affinity == ("1", "1")


@pytest.mark.parametrize(
    "header",
    [
        "\tGPU0GPU1CPU Affinity",
        "\x1b[4m\tGPU0\tGPU1\tCPU Affinity\x1b[0m",
        "[4mGPU0\tGPU1\tCPU Affinity[0m",
        "GPU0 GPU1 CPU  Affinity",
    ],
)
def test_a_header_may_be_glued_coloured_or_squeezed(header: str) -> None:
    topology = parse_topology(f"$ nvidia-smi topo -m\n{header}\nGPU0\t X \tPHB\t0-7\nGPU1\tPHB\t X \t8-15\n")
    assert topology.relation("GPU0", "GPU1") == "PHB"
    assert topology.cpu_affinity == ("0-7", "8-15")


_HEADER = "\tGPU0\tGPU1\tCPU Affinity\tNUMA Affinity\n"
_ROW0, _ROW1 = "GPU0\t X \tNV4\t0-7\t0\n", "GPU1\tNV4\t X \t0-7\t0\n"


@pytest.mark.parametrize(
    ("text", "row", "column", "cell", "why"),
    [
        (_HEADER + "GPU0\t X \tPH0-115\t0\n" + _ROW1, "GPU0", "GPU1", "PH0-115", "wanted X, NV<n>"),
        (_HEADER + _ROW0.replace("NV4", "NV0") + _ROW1, "GPU0", "GPU1", "NV0", "wanted X, NV<n>"),
        (_HEADER + _ROW0.replace("NV4", "NV2") + _ROW1, "GPU0", "GPU1", "NV2", "says 'NV4'"),
        (_HEADER + _ROW0.replace(" X ", "NV4") + _ROW1, "GPU0", "GPU0", "NV4", "X on the diagonal"),
        (_HEADER + _ROW0.replace("NV4", "X") + _ROW1, "GPU0", "GPU1", "X", "X on the diagonal only"),
        (_HEADER + "GPU0\t X \n" + _ROW1, "GPU0", "GPU1", None, "found 1 relations, wanted 2"),
        (_HEADER + _ROW0, "GPU1", None, None, "the row is missing"),
        (_HEADER + _ROW0 + _ROW0, "GPU0", None, None, "twice"),
        (_HEADER + _ROW0 + _ROW1.replace("GPU1", "GPU7"), "GPU7", None, None, "neither a device"),
        (_HEADER + _ROW0.replace("0-7", "0-") + _ROW1, "GPU0", "CPU Affinity", "0-", "wanted a list of numbers"),
        (_HEADER + _ROW0.replace("\t0\n", "\tO\n") + _ROW1, "GPU0", "NUMA Affinity", "O", "wanted a list of numbers"),
        (_HEADER + _ROW0.replace("\t0\n", "\t0\t5\n") + _ROW1, "GPU0", None, "0-7\t0\t5", "found 3 affinities"),
        (_HEADER.replace("NUMA", "NUNA") + _ROW0 + _ROW1, "header", None, None, "wanted the columns"),
        (_HEADER.replace("GPU1", "GPU0") + _ROW0 + _ROW1, "header", "GPU0", None, "each once"),
        (_HEADER.replace("GPU1", "GU1") + _ROW0, "header", "GU1", None, "wanted the name of a GPU or NIC"),
        (_ROW0 + _ROW1, "header", "X", None, "wanted the name of a GPU or NIC"),
        ("\tGPU0\tGPU1\nGPU0\tX\tOK\tOK\nGPU1\tOK\tX\n", "GPU0", None, "OK", "more cells"),
        (
            "\tGPU0\tGPU1\tGPU2\nGPU0\tX\tOK\tPHB\nGPU1\tOK\tX\tOK\nGPU2\tPHB\tOK\tX\n",
            "GPU0", "GPU1", "OK", "P2P status among",
        ),
    ],
)  # fmt: skip
def test_damage_is_refused_with_its_place(text: str, row: str, column: str | None, cell: str | None, why: str) -> None:
    with pytest.raises(ParseError, match=why) as caught:
        parse_topology(text)
    assert caught.value.row == row
    assert f"row {row}" in str(caught.value)
    if column is not None:
        assert caught.value.column == column
        assert f"column {column}" in str(caught.value)
    if cell is not None:
        assert caught.value.cell == cell
        assert f"cell {cell!r}" in str(caught.value)


_RELATIONS = st.sampled_from(["PIX", "PXB", "PHB", "NODE", "SYS", "SOC", "NV1", "NV4", "NV12", "NV18"])
_CPUS = st.none() | st.sampled_from(["0", "0-7", "0-7,16-23", "0,64", "128-191"])
_NUMAS = st.none() | st.sampled_from(["0", "1", "0-3", "0,8,252-255"])


@st.composite
def _matrices(draw: st.DrawFn) -> Topology:
    gpus = tuple(f"GPU{at}" for at in range(draw(st.integers(1, 12))))
    nics = tuple(f"NIC{at}" for at in range(draw(st.integers(0, 3))))
    names = gpus + nics
    cells = {(a, a): "X" for a in names}
    for at, a in enumerate(names):
        for b in names[at + 1 :]:
            cells[a, b] = cells[b, a] = draw(_RELATIONS)
    cpus = tuple(draw(_CPUS) for _ in gpus)
    return Topology(gpus, names, cells, cpus, tuple(draw(_NUMAS) for _ in gpus))


def _print(topology: Topology, *, tabs: bool) -> str:
    """As nvidia-smi does: an unknown CPU list is empty between tabs, and N/A where spaces could not show it."""
    lines = ["\t" + "\t".join([*topology.devices, "CPU Affinity", "NUMA Affinity", "GPU NUMA ID"])]
    for at, row in enumerate(topology.devices):
        cells = [" X " if row == column else topology.relation(row, column) for column in topology.devices]
        ends = ["", "", "", ""]
        if row in topology.gpus:
            cpu = topology.cpu_affinity[at] or ("" if tabs else "N/A")
            ends = [cpu, topology.numa_affinity[at] or "N/A", "", "N/A"]
        lines.append("\t".join([row, *cells, *ends]))
    text = "\n".join([*lines, "", "Legend:", "", "  X    = Self", ""])
    return text if tabs else text.expandtabs(8)


@given(_matrices(), st.booleans())
def test_a_printed_matrix_reads_back(topology: Topology, tabs: bool) -> None:
    assert parse_topology(_print(topology, tabs=tabs)) == topology


@given(
    st.sampled_from([name for name in _SOUND if "x" in name]),
    st.integers(0, 10_000),
    st.sampled_from(["delete", "insert", "replace"]),
    st.sampled_from("X \t\nNVPHBSYGU0149-,/"),
)
def test_one_damaged_character_never_changes_a_link_of_gpus(name: str, at: int, act: str, character: str) -> None:
    text = _text(name)
    whole = parse_topology(text)
    at %= len(text)
    damaged = text[:at] + ("" if act == "delete" else character) + text[at + (act != "insert") :]
    try:
        read = parse_topology(damaged)
    except ParseError:
        return
    assert read.gpus == whole.gpus
    for a in whole.gpus:
        assert [read.relation(a, b) for b in whole.gpus] == [whole.relation(a, b) for b in whole.gpus]


def test_a_recorded_pair_becomes_an_inventory() -> None:
    inventory = inventory_from_topology(
        parse_topology(_text("2x3090-nv4-spaces")),
        name="NVIDIA GeForce RTX 3090",
        memory_total_bytes=25_769_803_776,
        source="recorded",
    )
    gpu = Gpu(0, name="NVIDIA GeForce RTX 3090", memory_total_bytes=25_769_803_776, numa_node=0, cpu_affinity="0-47")
    assert inventory.gpus[0] == gpu
    assert [g.index for g in inventory.gpus] == [0, 1]
    assert inventory.pairs == (Pair(0, 1, nvlinks=4, bandwidth_gb_s=56.25, bandwidth_source="nominal"),)
    assert inventory.source == "recorded"
    assert (inventory.driver, inventory.cuda) == (None, None)


def test_a_pair_without_nvlink_has_its_distance_and_no_bandwidth() -> None:
    topology = parse_topology(_text("2x3090-sys-numa-na-tabs"))
    inventory = inventory_from_topology(topology, name="NVIDIA GeForce RTX 3090", memory_total_bytes=None, source="smi")
    assert inventory.pairs == (Pair(0, 1, pcie="SYS", nvlinks=0),)
    assert [(gpu.numa_node, gpu.numa_nodes) for gpu in inventory.gpus] == [(None, None), (1, None)]


@pytest.mark.parametrize(
    ("name", "nodes"), [("4xa100-nv4-numa-range-tabs", "0-3"), ("4xa100-nv4-pxb-nic-spaces", "0-1")]
)
def test_several_numa_nodes_are_kept_as_listed_and_none_of_them_is_chosen(name: str, nodes: str) -> None:
    inventory = inventory_from_topology(parse_topology(_text(name)), name=None, memory_total_bytes=None, source="smi")
    assert {(gpu.numa_node, gpu.numa_nodes) for gpu in inventory.gpus} == {(None, nodes)}


@pytest.mark.parametrize(
    ("name", "gpu", "gb_s"),
    [
        ("4xv100-nv1-nv2-tabs", "Tesla V100-SXM2-16GB", [25, 25, 50, 50, 25, 50]),
        ("2xa100-nv12-mlx5-oldformat-tabs", "NVIDIA A100-SXM4-80GB", [300]),
        ("2x3090-nv4-spaces", "NVIDIA RTX A4000", [None]),
        ("2x3090-nv4-spaces", None, [None]),
    ],
)
def test_nominal_bandwidth_is_by_gpu_and_never_guessed(name: str, gpu: str | None, gb_s: list[float | None]) -> None:
    topology = parse_topology(_text(name))
    inventory = inventory_from_topology(topology, name=gpu, memory_total_bytes=None, source="recorded")
    assert [pair.bandwidth_gb_s for pair in inventory.pairs] == gb_s


def test_a_recorded_link_status_is_read() -> None:
    first, second, third = parse_link_status(_text("nvlink-s-3xa6000"))
    name = "NVIDIA RTX A6000"
    links = tuple(NvLink(0, number, "active", 14062) for number in range(4))
    assert first == LinkStatus(0, name, "GPU-5baec991-de63-c196-1766-04c38407e133", supported=True, links=links)
    assert second.links == tuple(replace(link, gpu=1) for link in links)
    assert third == LinkStatus(2, name, "GPU-02c05ee3-bdb5-aac7-f9e8-a4c8f3f725b3", supported=True, links=())


_A, _B = "GPU 0: NVIDIA A (UUID: GPU-a)\n", "GPU 1: NVIDIA B (UUID: GPU-b)\n"
_NO_LINKS = "NVML: Unable to retrieve NVLink information as all links are inActive\n"


@pytest.mark.parametrize(
    ("text", "supported", "links"),
    [
        (_A + "\t Link 0: <inactive>\n\t Link 1: 26.562 GB/s\n", True, (NvLink(0, 0, "inactive"), NvLink(0, 1, "active", 26562))),
        (_A + " Link 0: 25 GB/s\n Link 5: 25.0 GB/s\n", True, (NvLink(0, 0, "active", 25000), NvLink(0, 5, "active", 25000))),
        (_A + _NO_LINKS.replace("NVLink", "Nvlink"), True, ()),
        (_A.strip() + " " + _NO_LINKS, True, ()),
        (_A.strip() + " Device does not have or support Nvlink", False, ()),
        (_A, None, None),
        ("GPU 0: NVIDIA A\n Link 0: <inactive>", True, (NvLink(0, 0, "inactive"),)),
        ("$ nvidia-smi nvlink -s\n\x1b[1m" + _A + "\x1b[0m", None, None),
    ],
)  # fmt: skip
def test_each_way_to_say_a_link_status_is_understood(
    text: str, supported: bool | None, links: tuple[NvLink, ...] | None
) -> None:
    (status,) = parse_link_status(text)
    assert (status.name, status.supported, status.links) == ("NVIDIA A", supported, links)


@pytest.mark.parametrize(
    ("text", "row", "column", "cell", "why"),
    [
        (_A + "\t Link 0: 14,062 GB/s\n", "GPU0", "Link 0", "14,062 GB/s", "wanted a speed in GB/s"),
        (_A + "\t Link 0: 0.000 GB/s\n", "GPU0", "Link 0", "0.000 GB/s", "above zero"),
        (_A + "\t Link 0: 14.062 MB/s\n", "GPU0", "Link 0", "14.062 MB/s", "wanted a speed in GB/s"),
        (_A + "\t Link 0: \n", "GPU0", None, "Link 0:", "wanted `Link <n>"),
        (_A + _B + "\t Lin 0: 14.062 GB/s\n", "GPU1", None, "Lin 0: 14.062 GB/s", "wanted `Link <n>"),
        (_A + "   ...<snip>...\n", "GPU0", None, "...<snip>...", "wanted `Link <n>"),
        (_A + "\t Link 1: 25 GB/s\n\t Link 1: 25 GB/s\n", "GPU0", "Link 1", None, "wanted a link after 1"),
        (_A + "\t Link 1: 25 GB/s\n\t Link 0: 25 GB/s\n", "GPU0", "Link 0", None, "wanted a link after 1"),
        (_A + _NO_LINKS + "\t Link 0: 25 GB/s\n", "GPU0", "Link 0", None, "after it said that there is none"),
        (_A + "\t Link 0: 25 GB/s\n" + _NO_LINKS, "GPU0", None, _NO_LINKS.strip(), "once"),
        (_A + _B + _A, "GPU0", None, None, "twice"),
        (_B + _A.strip() + "\t Link 0: 25 GB/s\n", "GPU1", None, _A.strip() + "\t Link 0: 25 GB/s", "wanted `Link <n>"),
        (" Link 0: 25 GB/s\n" + _A, "none", None, "Link 0: 25 GB/s", "before the first GPU"),
    ],
)
def test_a_damaged_link_status_is_refused_with_its_place(
    text: str, row: str, column: str | None, cell: str | None, why: str
) -> None:
    with pytest.raises(ParseError, match=why) as caught:
        parse_link_status(text)
    assert (caught.value.row, caught.value.column, caught.value.cell) == (row, column, cell)
    assert str(caught.value).startswith(f"nvidia-smi nvlink -s: row {row}, ")


@pytest.mark.parametrize(("text", "said"), [("", "nothing"), ("NVIDIA-SMI has failed\n", "NVIDIA-SMI has failed")])
def test_a_link_status_without_a_gpu_says_why(text: str, said: str) -> None:
    with pytest.raises(ParseError, match=f"nvidia-smi nvlink -s: no GPU in the output; it says: {said}"):
        parse_link_status(text)


@given(
    st.integers(0, 10_000), st.sampled_from(["delete", "insert", "replace"]), st.sampled_from("X \t\nGPULink0149-.:,/<")
)
def test_one_damaged_character_never_invents_a_link(at: int, act: str, character: str) -> None:
    text = _text("nvlink-s-3xa6000")
    at %= len(text)
    damaged = text[:at] + ("" if act == "delete" else character) + text[at + (act != "insert") :]
    try:
        read = parse_link_status(damaged)
    except ParseError:
        return
    assert len(read) == 3
    for status in read:
        assert all(link.state == "active" for link in status.links or ())
        assert len(status.links or ()) <= 4
