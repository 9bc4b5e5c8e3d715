"""Samples through the real nvidia-ml-py; the scenario's variables change between two of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.nvml.library import run_script

_SAMPLE = """
import json, os, sys, threading, time
from dataclasses import asdict
from opskit.gpu.model import GpuUnavailable
from opskit.gpu.sample import follow
from opskit.gpu.sampler import Sampler
sampler, live, told = Sampler(timeout_s=float(sys.argv[1])), None, []
for word in sys.argv[2:]:
    os.environ.update(dict(pair.split("=") for pair in word.split(",") if pair))
    began = time.monotonic()
    found = sampler.read()
    taken_s = time.monotonic() - began
    if isinstance(found, GpuUnavailable):
        told.append({"reason": found.reason, "taken_s": taken_s, "threads": threading.active_count()})
        continue
    live = follow(live, found)
    told.append(asdict(live))
    time.sleep(0.02)
sampler.close()
print(json.dumps(told))
"""


def _figures(row: Any) -> dict[str, Any]:
    return {gauge["label"]: gauge["value"] for gauge in row["gauges"]}


def _gb_s(before: Any, after: Any, links: int, kib: int) -> float:
    return float(links * kib * 1024 / 1e9 / (after["sample"]["at_s"] - before["sample"]["at_s"]))


def test_each_figure_of_a_bridged_pair_and_what_its_links_carry(library: Path) -> None:
    first, second = run_script(library, _SAMPLE, "20", "", "", NVML_TRAFFIC="1000:250", NVML_HELD="0:1024:77")
    assert (first["notes"], second["notes"]) == ([], [])
    before, after = first["rows"][0], second["rows"][0]
    assert after["title"] == "GPU 0 NVIDIA GeForce RTX 3090"
    still = {"utilisation": 7, "memory": 1.0, "power": 31.25, "temperature": 41}
    assert _figures(before) == {**still, "NVLink out": None, "NVLink in": None}
    rates = {"NVLink out": _gb_s(before, after, 4, 1000), "NVLink in": _gb_s(before, after, 4, 250)}
    assert _figures(after) == pytest.approx({**still, **rates})
    assert [gauge["full"] for gauge in after["gauges"]] == [100, 24.0, 350.0, None, 56.248, 56.248]


@pytest.mark.parametrize(
    "environ",
    [
        {"NVML_TRAFFIC": "-1:-1"},
        {},
        {"NVML_TRAFFIC": "1:1", "NVML_LINKS": "..../...."},
        {"NVML_TRAFFIC": "1:1", "NVML_LINKS": "/"},
    ],
    ids=["counters that go backwards", "no counters", "links without an end", "no links"],
)
def test_traffic_that_is_not_known_is_never_zero_or_less(library: Path, environ: dict[str, str]) -> None:
    _, second = run_script(library, _SAMPLE, "20", "", "", **environ)
    assert [_figures(row)["NVLink out"] for row in second["rows"]] == [None, None]
    assert second["notes"] == []


def test_an_old_driver_has_no_counters_and_keeps_the_rest(old_library: Path) -> None:
    _, second = run_script(old_library, _SAMPLE, "20", "", "", NVML_TRAFFIC="1:1")
    figures = _figures(second["rows"][0])
    assert (figures["power"], figures["NVLink out"]) == (31.25, None)
    assert "GPU 0: nvmlDeviceGetFieldValues: Function Not Found" in second["notes"]


def test_a_gpu_that_vanishes_between_two_samples_is_told_and_its_return_starts_its_rates_anew(library: Path) -> None:
    lost, back = "NVML_LOST=1", "NVML_LOST=-1"
    told = run_script(library, _SAMPLE, "20", "", lost, lost, back, back, NVML_TRAFFIC="8:8")
    assert [[row["sample"] is not None for row in live["rows"]] for live in told] == [
        [True, True], [True, False], [True, False], [True, True], [True, True],
    ]  # fmt: skip
    assert told[2]["rows"][1]["title"] == "GPU 1 NVIDIA GeForce RTX 3090"
    assert [_figures(live["rows"][1])["NVLink out"] is None for live in told[3:]] == [True, False]


def test_no_library_and_a_driver_that_does_not_answer_are_told(library: Path, tmp_path: Path) -> None:
    (absent,) = run_script(tmp_path, _SAMPLE, "20", "")
    assert absent["reason"] == "NVML library not found: libnvidia-ml.so.1 is not on this machine"
    refused, then = run_script(library, _SAMPLE, "20", "NVML_INIT=9", "NVML_INIT=0")
    assert refused["reason"] == "NVIDIA driver not loaded"
    assert len(then["rows"]) == 2


def test_a_library_that_hangs_is_told_in_time_and_asked_once(library: Path) -> None:
    first, second = run_script(library, _SAMPLE, "0.5", "NVML_HANG=0", "")
    assert first["reason"] == second["reason"] == "NVML: no answer within 0.5 s"
    assert first["taken_s"] < 5
    assert second["taken_s"] < 0.4
    assert first["threads"] == second["threads"] == 2


_ACT = """
import json, sys
from opskit import runbook
from opskit.errors import UsageError
act = runbook.gpus(env="development", gpu="auto", rehearse=sys.argv[1] == "rehearse")
try:
    print(json.dumps(str(act.live(samples=int(sys.argv[2]), interval_s=float(sys.argv[3])))))
except UsageError as error:
    print(json.dumps(str(error)))
"""


def test_headless_the_act_takes_so_many_samples_so_far_apart(library: Path) -> None:
    text = run_script(library, _ACT, "real", "3", "0.05", NVML_TRAFFIC="8000:8000")
    assert text.startswith("3 samples, 0.05 s apart")
    rows = [line for line in text.splitlines() if line.startswith("GPU 1 ")]
    assert [row.split()[-3:] for row in rows] == [["3", "of", "3"]] * 4 + [["2", "of", "3"]] * 2


def test_headless_without_a_driver_the_act_says_why(library: Path) -> None:
    text = run_script(library, _ACT, "real", "3", "0.05", NVML_INIT="9")
    assert "NVIDIA driver not loaded" in text
    assert "modprobe nvidia" in text


def test_a_rehearsal_shows_no_live_figure_though_there_are_gpus(library: Path) -> None:
    text = run_script(library, _ACT, "rehearse", "3", "0.05")
    assert text.startswith("REHEARSAL  Nothing live")
    assert "3090" not in text


@pytest.mark.parametrize(("samples", "interval_s"), [("0", "1"), ("1", "0"), ("-1", "1")])
def test_no_sample_and_no_time_between_two_are_refused(library: Path, samples: str, interval_s: str) -> None:
    assert "wanted both above 0" in run_script(library, _ACT, "real", samples, interval_s)
