from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from opskit.gpu.model import Gpu, Inventory, Pair
from opskit.gpu.placement import Placement, has_room, place, tell_occupied, wanted_bytes

_GIB = 1024**3
_OVERLAYS = {"dual": "multi.yml", "single": "single.yml"}
_CARD = Gpu(0, "GPU-0", "RTX 3090", memory_total_bytes=24 * _GIB, memory_reserved_bytes=0)


def _gpus(*free_gib: float | None) -> list[Gpu]:
    return [
        replace(_CARD, index=at, uuid=f"GPU-{at}", memory_free_bytes=None if free is None else int(free * _GIB))
        for at, free in enumerate(free_gib)
    ]


def _place(mode: str, gpus: Sequence[Gpu], *pairs: Pair, **more: bool | float) -> Placement:
    inventory = Inventory(None, None, None, tuple(gpus), (), pairs, "nvml")
    return place(mode, inventory, _OVERLAYS, **more)  # type: ignore[arg-type]


def test_a_card_has_room_down_to_the_last_byte_that_is_wanted() -> None:
    wanted = wanted_bytes(_CARD, 0.8)
    assert wanted == int(24 * _GIB * 0.8) + int(0.63 * _GIB)
    assert has_room(replace(_CARD, memory_free_bytes=wanted), 0.8)
    assert not has_room(replace(_CARD, memory_free_bytes=wanted - 1), 0.8)


@pytest.mark.parametrize("card", [_CARD, Gpu(0, memory_free_bytes=1)])
def test_a_card_of_which_nothing_is_known_is_not_called_occupied(card: Gpu) -> None:
    assert has_room(card, 0.8)


@pytest.mark.parametrize(
    ("processes", "holders"),
    [
        (((4242, 4 * _GIB), (77, None)), "held by pid 4242 (4.0 GiB), pid 77"),
        ((), "held by no process that can be seen"),
        (None, "its processes cannot be read"),
    ],
)
def test_who_holds_a_card_is_said(processes: tuple[tuple[int, int | None], ...] | None, holders: str) -> None:
    card = replace(_CARD, memory_free_bytes=12 * _GIB, processes=processes)
    assert tell_occupied(card, 0.8) == f"GPU 0 is occupied: 12.0 GiB free, 19.8 GiB wanted; {holders}"


def test_auto_takes_the_free_pair_before_the_linked_one() -> None:
    placement = _place("auto", _gpus(23, 4, 23, 23), Pair(0, 1, nvlinks=4), Pair(2, 3, nvlinks=0))
    assert placement.device_ids == ("GPU-0", "GPU-2")
    assert placement.reasons[0].startswith("GPU 1 is occupied: 4.0 GiB free")


def test_auto_takes_the_free_one_of_two() -> None:
    placement = _place("auto", _gpus(4, 23), Pair(0, 1, nvlinks=4))
    assert (placement.mode, placement.device_ids) == ("single", ("GPU-1",))
    assert "single: 2 usable GPUs, two of them equal, but vLLM would not start on an occupied one" in placement.reasons
    assert placement.reasons[-1].startswith("GPU 1: one that is not occupied, then the most memory")


def test_auto_keeps_both_where_neither_is_free_or_there_is_no_way_to_one() -> None:
    reason = "dual: 2 usable GPUs, two of them equal; too few of them are free: vLLM starts once they are"
    assert reason in _place("auto", _gpus(4, 4)).reasons
    inventory = Inventory(None, None, None, tuple(_gpus(4, 23)), (), (), "nvml")
    assert reason in place("auto", inventory, {"dual": "multi.yml"}).reasons


def test_what_the_stack_itself_holds_occupies_nothing() -> None:
    placement = _place("auto", _gpus(4, 23), running=True)
    assert (placement.mode, len(placement.reasons)) == ("dual", 3)
    assert not any("occupied" in reason for reason in placement.reasons)


def test_a_larger_share_wants_more_room() -> None:
    assert _place("auto", _gpus(21, 23), utilization=0.8).mode == "dual"
    assert _place("auto", _gpus(21, 23), utilization=0.9).mode == "single"


def test_a_mode_that_was_asked_for_is_kept_on_occupied_cards() -> None:
    assert _place("dual", _gpus(4, 23)).device_ids == ("GPU-0", "GPU-1")
    assert _place("single", _gpus(4)).device_ids == ("GPU-0",)
    assert _place("cpu", _gpus(4)).reasons == ("cpu: it was asked for", "no overlay: this environment has none for cpu")


def test_a_free_smaller_card_is_taken_before_an_occupied_larger_one() -> None:
    large, small = _gpus(4, 11)
    placement = _place("auto", [replace(large, name="RTX A6000"), replace(small, memory_total_bytes=12 * _GIB)])
    assert placement.device_ids == ("GPU-1",)
