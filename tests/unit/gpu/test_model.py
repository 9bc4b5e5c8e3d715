from __future__ import annotations

import json
from collections.abc import Iterable

import pytest

from opskit.errors import ConfigError
from opskit.gpu.model import Gpu, Inventory, NvLink, Pair, format_cpu_list, inventory_from_json, to_json

_INVENTORY = Inventory(
    driver="580.95.05",
    nvml="13.580.95.05",
    cuda=(13, 0),
    gpus=(
        Gpu(0, uuid="GPU-a", name="NVIDIA GeForce RTX 3090", memory_used_bytes=0, mig=False, processes=((4711, None),)),
        Gpu(1),
    ),
    links=(NvLink(0, 0, "active", 14062, "0000:21:00.0", "gpu"),),
    pairs=(Pair(0, 1, "PHB", 4, 56.248, "nvml", "OK", "CNS"),),
    source="nvml",
    notes=("GPU 1: nvmlDeviceGetName: Unknown Error",),
)


def test_json_reads_back_as_the_same_value() -> None:
    assert inventory_from_json(to_json(_INVENTORY)) == _INVENTORY


def test_json_keeps_unknown_apart_from_zero() -> None:
    gpus = json.loads(to_json(_INVENTORY))["gpus"]
    assert gpus[0]["memory_used_bytes"] == 0
    assert gpus[1]["memory_used_bytes"] is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "found schema 2; wanted 1"),
        ({"schema": None}, "found schema None; wanted 1"),
        ({"gpus": [{"index": "0"}]}, "gpus.0.index: Input should be a valid integer"),
        ({"gpus": [{"index": 0, "colour": "red"}]}, "gpus.0.colour"),
        ({"colour": "red"}, "colour"),
        ({"source": "guessed"}, "source: Input should be 'nvml', 'smi' or 'recorded'"),
    ],
)
def test_json_of_another_shape_is_refused_with_the_place(change: dict[str, object], message: str) -> None:
    text = json.dumps({**json.loads(to_json(_INVENTORY)), **change})
    with pytest.raises(ConfigError, match=message):
        inventory_from_json(text)


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_what_is_no_inventory_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="inventory: found"):
        inventory_from_json(text)


def test_a_pair_is_found_in_either_order_and_unknown_where_it_was_not_read() -> None:
    assert _INVENTORY.pair(1, 0).nvlinks == 4
    assert _INVENTORY.pair(3, 2) == Pair(2, 3)


@pytest.mark.parametrize(
    ("cpus", "text"), [((), None), ((3,), "3"), ((0, 1, 2, 16, 17), "0-2,16-17"), ((5, 1, 0, 0), "0-1,5")]
)
def test_cpus_are_listed_as_the_kernel_does(cpus: Iterable[int], text: str | None) -> None:
    assert format_cpu_list(cpus) == text


def test_compose_gets_the_uuid_or_else_the_index() -> None:
    assert [gpu.device_id for gpu in _INVENTORY.gpus] == ["GPU-a", "1"]
