from __future__ import annotations

from pathlib import Path

import pytest

from opskit.gpu.links import LinkStatus
from opskit.gpu.model import NvLink
from opskit.gpu.query import inventory_from_answers, parse_query
from opskit.gpu.smi import ParseError, parse_topology

_DATA = Path(__file__).parents[2] / "data/topology"
_QUERY = (_DATA / "query-gpu-3xa6000.csv").read_text(encoding="utf-8")
_PAIR = parse_topology((_DATA / "3xa6000-nv4-pair-plus-node-tabs.txt").read_text(encoding="utf-8"))


def _statuses(links_of_second: int) -> tuple[LinkStatus, ...]:
    links = [tuple(NvLink(gpu, at, "active", 14062) for at in range(n)) for gpu, n in ((0, 4), (1, links_of_second))]
    return tuple(LinkStatus(gpu, "A", None, supported=True, links=of_gpu) for gpu, of_gpu in enumerate(links))


def test_gpus_come_by_index_with_what_is_known() -> None:
    driver, gpus = parse_query("\n".join(reversed(_QUERY.splitlines())))
    assert driver == "550.90.07"
    assert [(gpu.index, gpu.pci_bus_id) for gpu in gpus] == [
        (0, "0000:21:00.0"),
        (1, "0000:4b:00.0"),
        (2, "0000:a1:00.0"),
    ]
    assert {gpu.mig for gpu in gpus} == {None}


@pytest.mark.parametrize(("cell", "mig"), [("Enabled", True), ("Disabled", False), ("[Not Supported]", None)])
def test_mig_is_on_off_or_not_known(cell: str, mig: bool | None) -> None:
    assert parse_query(_QUERY.replace("[N/A]", cell))[1][0].mig is mig


def test_memory_that_is_not_told_is_unknown() -> None:
    gpu = parse_query(_QUERY.replace("49140", "[N/A]"))[1][0]
    assert (gpu.memory_total_bytes, gpu.memory_used_bytes) == (None, 5 * 1024**2)


@pytest.mark.parametrize(
    ("damaged", "why"),
    [
        (_QUERY.replace("49140", "49140 MiB"), "wanted a whole number"),
        (_QUERY.replace(", 550.90.07", ""), "found 8 fields, wanted 9"),
        ("[N/A]" + _QUERY[1:], "found no index"),
        ('Field "mig.mode.current" is not a valid field to query.', "found 1 fields, wanted 9"),
    ],
)
def test_a_damaged_query_is_refused(damaged: str, why: str) -> None:
    with pytest.raises(ParseError, match=why):
        parse_query(damaged)


@pytest.mark.parametrize(("links", "gb_s", "source"), [(4, 56.248, "smi"), (3, 56.25, "nominal")])
def test_printed_speeds_count_only_where_all_links_join_the_pair(links: int, gb_s: float, source: str) -> None:
    driver, gpus = parse_query(_QUERY)
    pair = inventory_from_answers(driver, gpus, _PAIR, _statuses(links), ()).pairs[0]
    assert (pair.nvlinks, pair.bandwidth_gb_s, pair.bandwidth_source) == (4, gb_s, source)


def test_a_topology_of_other_gpus_is_left_out_and_said() -> None:
    driver, gpus = parse_query(_QUERY)
    inventory = inventory_from_answers(driver, gpus[:2], _PAIR, (), ("why",))
    assert inventory.pairs == ()
    assert inventory.notes == (
        "why",
        "nvidia-smi topo -m shows GPU0, GPU1, GPU2: not the GPUs that --query-gpu lists",
    )
