from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opskit.gpu.sample import GpuSample, Live, Sample, follow, spread

_GPU = GpuSample(
    index=0,
    at_s=10.0,
    uuid="GPU-a",
    name="NVIDIA GeForce RTX 3090",
    utilization_percent=7,
    memory_used_bytes=3 * 1024**3,
    memory_total_bytes=24 * 1024**3,
    power_mw=31_250,
    power_limit_mw=350_000,
    temperature_c=41,
    sent_kib={0: 1_000_000, 1: 2_000_000},
    received_kib={0: 50, 1: 60},
    nvlink_mb_s=28_124,
)


def figures(live: Live, at: int = 0) -> dict[str, float | None]:
    return {gauge.label: gauge.value for gauge in live.rows[at].gauges}


def after(now: GpuSample, then: GpuSample = _GPU) -> dict[str, float | None]:
    return figures(follow(follow(None, Sample((then,))), Sample((now,))))


def test_a_rate_is_what_all_links_carried_over_the_time_between() -> None:
    now = replace(_GPU, at_s=12.0, sent_kib={0: 1_500_000, 1: 2_500_000}, received_kib={0: 50, 1: 60})
    assert after(now)["NVLink out"] == pytest.approx(1_000_000 * 1024 / 2 / 1e9)
    assert after(now)["NVLink in"] == 0


def test_the_first_sample_has_no_rate_and_every_other_figure() -> None:
    first = follow(None, Sample((_GPU,)))
    assert figures(first) == {
        "utilisation": 7,
        "memory": 3.0,
        "power": 31.25,
        "temperature": 41,
        "NVLink out": None,
        "NVLink in": None,
    }
    assert [gauge.full for gauge in first.rows[0].gauges] == [100, 24.0, 350.0, None, 28.124, 28.124]


@pytest.mark.parametrize(
    "sent",
    [None, {}, {0: 1_500_000}, {0: 1_500_000, 1: 2_500_000, 2: 1}, {0: 999_999, 1: 9_000_000}],
    ids=["unknown", "no link", "a link less", "a link more", "one counter went back"],
)
def test_a_rate_is_unknown_where_the_counters_do_not_compare(sent: dict[int, int] | None) -> None:
    now = replace(_GPU, at_s=11.0, sent_kib=sent)
    assert after(now)["NVLink out"] is None
    assert after(now)["NVLink in"] == 0


def test_a_rate_is_unknown_where_no_time_passed_or_there_was_no_counter() -> None:
    assert after(_GPU)["NVLink out"] is None
    assert after(replace(_GPU, at_s=11.0), replace(_GPU, sent_kib=None))["NVLink out"] is None


@given(st.integers(0, 2**63), st.integers(0, 2**63), st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_rate_is_never_negative(then: int, now: int, then_s: float, now_s: float) -> None:
    first = replace(_GPU, at_s=then_s, sent_kib={0: then})
    rate = after(replace(_GPU, at_s=now_s, sent_kib={0: now}), first)["NVLink out"]
    assert rate is None or rate >= 0


def test_a_gpu_that_vanished_stays_without_figures_until_it_is_back() -> None:
    other = replace(_GPU, index=1, uuid="GPU-b")
    both, one = Sample((_GPU, other)), Sample((_GPU,), ("GPU 1: lost",))
    gone = follow(follow(follow(None, both), one), one)
    assert [(row.title, row.sample is None) for row in gone.rows] == [
        ("GPU 0 NVIDIA GeForce RTX 3090", False),
        ("GPU 1 NVIDIA GeForce RTX 3090", True),
    ]
    assert gone.notes == ("GPU 1: lost",)
    assert [row.sample is None for row in follow(gone, both).rows] == [False, False]


def test_an_index_that_passed_to_another_gpu_is_another_gpu() -> None:
    live = follow(follow(None, Sample((_GPU,))), Sample((replace(_GPU, at_s=11.0, uuid="GPU-b"),)))
    assert figures(live)["NVLink out"] is None
    assert [(row.key, row.sample is None) for row in live.rows] == [("GPU-b", False), ("GPU-a", True)]


def test_a_spread_counts_the_samples_that_know_the_figure() -> None:
    lives = [
        follow(None, Sample((replace(_GPU, power_mw=power_mw, temperature_c=None),)))
        for power_mw in (100_000, None, 300_000, 120_000)
    ]
    found = {s.label: s for s in spread(lives)}
    power = found["power"]
    assert (power.known, power.low, power.median, power.high) == (3, 100.0, 120.0, 300.0)
    heat = found["temperature"]
    assert (heat.known, heat.low, heat.median, heat.high) == (0, None, None, None)
    assert spread([]) == ()
