from __future__ import annotations

from dataclasses import replace

import pytest
from matplotlib.patches import Rectangle

from opskit.gpu.model import Gpu
from opskit.llm.budget import Budget, Worker, plan_budget
from opskit.llm.shape import Model, ModelShape
from opskit.show.budget import draw_budget
from tests.pictures import assert_legible, texts_of

_GIB = 1024**3
_LLAMA = Model(int(14.96 * _GIB), ModelShape(32, 8, 128, context_tokens=131_072))


def _gpu(index: int, held_gib: float | None = 0, total_gib: int = 24) -> Gpu:
    usable = int((total_gib - 0.44) * _GIB)
    free = None if held_gib is None else usable - int(held_gib * _GIB)
    reserved = total_gib * _GIB - usable
    return Gpu(index, memory_total_bytes=total_gib * _GIB, memory_reserved_bytes=reserved, memory_free_bytes=free)


def _budget(
    *held_gib: float | None,
    weights_gib: float | None = 14.96,
    each_gib: float | None = 2,
    replicas: int = 1,
    utilization: float = 0.8,
    total_gib: int = 24,
) -> Budget:
    model = Model() if weights_gib is None else replace(_LLAMA, weights_bytes=int(weights_gib * _GIB))
    workers = [Worker("worker", replicas, None if each_gib is None else int(each_gib * _GIB))]
    gpus = [_gpu(index, held, total_gib) for index, held in enumerate(held_gib)]
    budget = plan_budget(gpus, model, workers, utilization=utilization, max_model_len=4096)
    assert budget is not None
    return budget


_BUDGETS = {
    "fits": _budget(0, 0),
    "no": _budget(0.3, 0, replicas=3, utilization=0.9),
    "tight": _budget(0.3, each_gib=0.5, utilization=0.93),
    "one that is full": _budget(23, each_gib=0),
    "too low for the weights": _budget(0, 0, utilization=0.3),
    "too large a model": _budget(0, 8, weights_gib=60),
    "nothing known": _budget(None, None, weights_gib=None, each_gib=None),
    "eight that differ": _budget(*range(8), weights_gib=140, each_gib=0, utilization=0.9),
    "sixteen of two kinds": _budget(*[0] * 8, *[3] * 8, weights_gib=400, total_gib=80, utilization=0.95),
}


def _words(budget: Budget, *, rehearsal: bool = False) -> list[str]:
    return [text.get_text() for text in texts_of(draw_budget(budget, rehearsal=rehearsal))]


@pytest.mark.parametrize("budget", _BUDGETS.values(), ids=_BUDGETS)
def test_no_label_is_cut_or_covers_another(budget: Budget) -> None:
    assert_legible(draw_budget(budget, rehearsal=True))


@pytest.mark.parametrize("budget", _BUDGETS.values(), ids=_BUDGETS)
def test_a_number_in_a_bar_stays_in_its_part_and_clear_of_the_limit(budget: Budget) -> None:
    picture = draw_budget(budget, rehearsal=False)
    axes = picture.axes[0]
    parts = [part.get_window_extent() for part in axes.patches if isinstance(part, Rectangle) and part.get_fill()]
    limits = [line.get_window_extent() for line in axes.lines]
    for text in axes.texts:
        if text.get_text().replace(".", "").isdigit():
            extent = text.get_window_extent()
            assert any(part.x0 <= extent.x0 and extent.x1 <= part.x1 and part.overlaps(extent) for part in parts), text
            assert not any(limit.overlaps(extent) for limit in limits), text


@pytest.mark.parametrize("budget", _BUDGETS.values(), ids=_BUDGETS)
def test_a_picture_has_the_width_of_a_notebook(budget: Budget) -> None:
    picture = draw_budget(budget, rehearsal=False)
    assert picture.bbox.width == 800
    assert picture.bbox.height <= 900


@pytest.mark.parametrize(
    ("name", "word"), [("fits", "FITS"), ("no", "NO"), ("tight", "TIGHT"), ("nothing known", "NOT KNOWN")]
)
def test_the_verdict_is_a_word(name: str, word: str) -> None:
    assert word in _words(_BUDGETS[name])


def test_every_term_is_said_below_its_bar() -> None:
    words = _words(_BUDGETS["no"])
    assert "held 0.3 + workers 6.0 + context 0.6 + weights 7.5 + overhead 1.2 + KV cache 12.5: 4.6 too much" in words
    assert "held 0.0 + workers 6.0 + context 0.6 + weights 7.5 + overhead 1.2 + KV cache 12.5: 4.3 too much" in words
    assert words.count("23.6 GiB usable") == 2


def test_the_largest_that_fits_is_said_with_its_cache() -> None:
    wanted = "At 0.69, the largest that fits: the KV cache holds 124,128 tokens, 30.3 requests of 4,096; longest context 124,128."
    assert wanted in _words(_BUDGETS["no"])


def test_what_is_not_known_is_said_and_not_drawn_as_nothing() -> None:
    words = _words(_BUDGETS["nothing known"])
    assert "Not known: held, workers, weights, KV cache per token." in words
    assert "held unknown + workers unknown + context 0.6 + vLLM 18.8: 4.1 to spare" in words
    assert "At 0.96, the largest that could fit: 22.6 GiB for vLLM on each GPU." in words


def test_a_utilisation_too_low_has_no_cache_and_says_what_is_missing() -> None:
    words = _words(_BUDGETS["too low for the weights"])
    assert "At 0.30: 1.6 GiB short for weights and overhead, without any KV cache." in words


def test_no_utilisation_is_called_fitting_where_none_does() -> None:
    assert any(word.startswith("No utilisation fits: at 0.53") for word in _words(_BUDGETS["too large a model"]))
    assert "No utilisation fits beside what is on the card." in _words(_BUDGETS["one that is full"])


def test_only_what_is_beyond_the_card_is_framed() -> None:
    def frames(name: str) -> list[float]:
        patches = draw_budget(_BUDGETS[name], rehearsal=False).axes[0].patches
        return [patch.get_linewidth() for patch in patches if not patch.get_fill()]

    assert frames("fits") == [1, 1]
    assert frames("no") == [1, 2.5, 1, 2.5]


def test_many_equal_gpus_share_a_bar() -> None:
    words = _words(_BUDGETS["sixteen of two kinds"])
    assert [word for word in words if word.startswith("GPU ") and "memory" not in word] == ["GPU 0-7", "GPU 8-15"]


def test_a_rehearsal_is_stamped() -> None:
    assert "REHEARSAL" in _words(_BUDGETS["fits"], rehearsal=True)
    assert "REHEARSAL" not in _words(_BUDGETS["fits"])
