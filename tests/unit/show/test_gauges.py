from __future__ import annotations

import re

import pytest

from opskit.gpu.model import GpuUnavailable
from opskit.gpu.sample import GpuSample, Live, Sample, follow
from opskit.show.gauges import draw_live, draw_unavailable, format_figure, tabulate_live

_GPU = GpuSample(0, 10.0, "GPU-a", "RTX <3090>", 50, 6 * 1024**3, 24 * 1024**3, 400_000, 350_000, 41)


def lives(*samples: Sample) -> list[Live]:
    found: list[Live] = []
    for sample in samples:
        found.append(follow(found[-1] if found else None, sample))
    return found


def text_of(drawn: str) -> str:
    return re.sub(r"<[^>]+>", "|", drawn)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "\u2013"),
        (0, "0"),
        (0.000999, "<0.001"),
        (0.001, "0.001"),
        (0.00126, "0.001"),
        (0.9837, "0.984"),
        (6.0, "6"),
        (23.69, "23.7"),
        (99.96, "100"),
        (349.7, "350"),
    ],
)
def test_a_figure_is_short_and_what_is_unknown_is_a_dash(value: float | None, shown: str) -> None:
    assert format_figure(value) == shown


def test_a_bar_is_as_long_as_its_number_says_and_never_longer_than_its_frame() -> None:
    (live,) = lives(Sample((_GPU,)))
    assert re.findall(r"width:([0-9.]+%)", draw_live(live)) == ["50.0%", "25.0%", "100.0%"]
    for words in ("50 %", "6 of 24 GiB", "400 of 350 W", "41 °C"):
        assert words in text_of(draw_live(live))


def test_what_is_unknown_is_a_dash_and_no_bar() -> None:
    (live,) = lives(Sample((GpuSample(0, 1.0),)))
    drawn = draw_live(live)
    assert text_of(drawn).count("\u2013") == 6
    assert "width:0" not in drawn
    assert "GPU 0 of unknown name" in drawn


def test_names_and_notes_are_text() -> None:
    (live,) = lives(Sample((_GPU,), ("GPU 0: <odd>",)))
    drawn = draw_live(live)
    assert "RTX &lt;3090&gt;" in drawn
    assert "GPU 0: &lt;odd&gt;" in drawn
    assert "&lt;b&gt;" in draw_unavailable(GpuUnavailable("<b>", "mend it"))


def test_a_vanished_gpu_is_told_in_words_in_the_panel_and_in_the_table() -> None:
    both = lives(Sample((_GPU,)), Sample(()))
    assert "no longer answers" in draw_live(both[1])
    (said,) = (row for row in tabulate_live(both, 1.0).rows if "no longer answers" in row[1])
    assert said[0] == "GPU 0 RTX <3090>"


def test_a_machine_without_gpus_says_so() -> None:
    assert "No GPU answers." in draw_live(Live(()))


def test_the_table_has_least_median_and_most_and_how_many_samples_know_it() -> None:
    found = lives(*(Sample((GpuSample(0, at, temperature_c=c),)) for at, c in ((1.0, 40), (2.0, 50), (3.0, 90))))
    table = tabulate_live(found, 0.5)
    assert table.title == "3 samples, 0.5 s apart"
    assert ("GPU 0 of unknown name", "temperature, °C", "40", "50", "90", "3 of 3") in table.rows
    assert ("GPU 0 of unknown name", "NVLink out, GB/s", *["\u2013"] * 3, "0 of 3") in table.rows


def test_the_table_says_each_note_once_and_why_it_ended_early() -> None:
    sample = Sample((_GPU,), ("GPU 0: a note",))
    table = tabulate_live(lives(sample, sample), 1.0, ended=GpuUnavailable("driver not loaded", "modprobe nvidia"))
    words = [row[1] for row in table.rows]
    assert words.count("GPU 0: a note") == 1
    assert "driver not loaded; modprobe nvidia" in words
