from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opskit.gpu.model import Gpu
from opskit.llm.budget import ERROR_BYTES, Budget, Fit, Worker, plan_budget
from opskit.llm.shape import Model, ModelShape

_GIB = 1024**3
# RTX 3090, current driver: torch's total is 23.56 GiB, so 451 of 24576 MiB are reserved.
_TORCH_BYTES = int(23.56 * _GIB)
_LLAMA = ModelShape(layers=32, kv_heads=8, head_dim=128, context_tokens=131_072)
_LLAMA_8B = Model(int(14.96 * _GIB), _LLAMA)


def _gpu(index: int = 0, held_gib: float = 0) -> Gpu:
    total = 24576 * 1024**2
    return Gpu(
        index,
        memory_total_bytes=total,
        memory_reserved_bytes=total - _TORCH_BYTES,
        memory_free_bytes=_TORCH_BYTES - int(held_gib * _GIB),
    )


def _budget(  # noqa: PLR0917
    gpus: int = 1,
    held_gib: float = 0,
    utilization: float = 0.92,
    max_model_len: int | None = 8192,
    model: Model = _LLAMA_8B,
    workers: tuple[Worker, ...] = (),
) -> Budget:
    cards = [_gpu(index, held_gib) for index in range(gpus)]
    budget = plan_budget(cards, model, workers, utilization=utilization, max_model_len=max_model_len)
    assert budget is not None
    return budget


def test_llama_8b_keeps_131072_bytes_of_each_token_and_half_of_it_on_each_of_two_gpus() -> None:
    assert (_LLAMA.kv_token_bytes(1), _LLAMA.kv_token_bytes(2)) == (131_072, 65_536)


@pytest.mark.parametrize(
    ("shape", "tensor_parallel", "wanted_bytes"),
    [
        (replace(_LLAMA, kv_heads=2), 4, 2 * 32 * 1 * 128 * 2),  # each head on two GPUs
        (replace(_LLAMA, element_bytes=1), 1, 65_536),
        # DeepSeek-V3: 1152 bytes a layer, on every GPU alike.
        (ModelShape(61, kv_heads=1, head_dim=576, vectors=1), 8, 61 * 1152),
    ],
)
def test_a_token_is_split_by_whole_heads(shape: ModelShape, tensor_parallel: int, wanted_bytes: int) -> None:
    assert shape.kv_token_bytes(tensor_parallel) == wanted_bytes


@pytest.mark.parametrize(("gpus", "kv_gib", "tokens"), [(1, 5.5, 45_000), (2, 13.0, 213_000)])
def test_llama_8b_on_3090s_has_the_cache_that_was_worked_out_by_hand(gpus: int, kv_gib: float, tokens: int) -> None:
    budget = _budget(gpus)
    assert budget.kv_bytes == pytest.approx(kv_gib * _GIB, rel=0.01)
    assert budget.tokens == pytest.approx(tokens, rel=0.01)
    assert budget.concurrency == pytest.approx(tokens / 8192, rel=0.01)


@pytest.mark.parametrize(("held_gib", "limit"), [(0, 0.97), (2, 0.88), (4, 0.80), (6, 0.71), (8, 0.63)])
def test_what_others_hold_lowers_the_utilisation_as_worked_out_by_hand(held_gib: float, limit: float) -> None:
    budget = _budget(held_gib=held_gib)
    assert budget.at(limit).cards[0].spare_bytes >= 0
    assert budget.at(limit + 0.01).cards[0].spare_bytes < 0
    assert budget.largest is not None
    assert budget.largest.utilization == pytest.approx(limit - 0.01)


# Lines of vLLM's start, "(F/T GiB) ... (U, c GiB)", as its users posted them.
@pytest.mark.parametrize(
    ("total_gib", "utilization", "asked_gib"),
    [(23.56, 0.92, 21.67), (23.56, 0.935, 22.03), (23.56, 0.972, 22.9), (23.56, 0.62, 14.61), (31.36, 0.9, 28.22)],
)
def test_vllm_asks_for_what_its_log_says(total_gib: float, utilization: float, asked_gib: float) -> None:
    card = replace(_budget(utilization=utilization).cards[0], usable_bytes=int(total_gib * _GIB))
    assert card.requested_bytes / _GIB == pytest.approx(asked_gib, abs=0.02)


@pytest.mark.parametrize(
    ("reserved_mib", "usable_gib"),
    [(318, 23.69), (451, 23.56), (None, 23.52)],  # driver 545; current; unknown: 2 %
)
def test_what_is_usable_is_what_torch_calls_the_total(reserved_mib: int | None, usable_gib: float) -> None:
    reserved = None if reserved_mib is None else reserved_mib * 1024**2
    gpu = Gpu(0, memory_total_bytes=24576 * 1024**2, memory_reserved_bytes=reserved)
    assert gpu.usable_bytes is not None
    assert gpu.usable_bytes / _GIB == pytest.approx(usable_gib, abs=0.005)
    assert Gpu(0).usable_bytes is None


def _with_spare(spare_bytes: int) -> Budget:
    budget = _budget(utilization=0.8)
    (card,) = budget.cards
    return replace(budget, cards=(replace(card, held_bytes=card.spare_bytes - spare_bytes),))


def test_a_card_that_is_one_byte_short_is_no_and_one_below_the_margin_is_tight() -> None:
    hundredth = -(-_TORCH_BYTES // 100)
    verdicts = [_with_spare(spare).verdict for spare in (-1, 0, hundredth - 1, hundredth)]
    assert verdicts == [Fit.NO, Fit.TIGHT, Fit.TIGHT, Fit.FITS]


def _with_kv_spare(spare_bytes: int) -> Budget:
    budget = _budget(utilization=0.8)
    (card,) = budget.cards
    assert budget.kv_spare_bytes is not None
    assert card.weights_bytes is not None
    heavier = replace(card, weights_bytes=card.weights_bytes + budget.kv_spare_bytes - spare_bytes)
    return replace(budget, cards=(heavier,))


def test_a_cache_that_is_one_byte_short_is_no_and_one_below_the_error_is_tight() -> None:
    verdicts = [_with_kv_spare(spare).verdict for spare in (-1, 0, ERROR_BYTES - 1, ERROR_BYTES)]
    assert verdicts == [Fit.NO, Fit.TIGHT, Fit.TIGHT, Fit.FITS]


def test_a_cache_of_just_one_request_has_a_concurrency_of_one_and_one_byte_less_has_not() -> None:
    assert (_with_kv_spare(0).concurrency, _with_kv_spare(0).longest_context) == (1.0, 8192)
    assert (_with_kv_spare(-1).concurrency, _with_kv_spare(-1).longest_context) == (8176 / 8192, 8176)


def test_a_request_takes_whole_blocks_of_sixteen_tokens() -> None:
    seventeen, thirty_two = (_budget(max_model_len=tokens).kv_spare_bytes for tokens in (17, 32))
    assert seventeen == thirty_two


def test_the_longest_context_is_never_beyond_what_the_model_was_made_for() -> None:
    assert _budget(2).longest_context == 131_072
    assert _budget(1).longest_context == _budget(1).tokens


def test_without_a_length_in_the_command_the_model_s_own_counts() -> None:
    assert _budget(max_model_len=None).max_model_len == 131_072
    assert _budget(max_model_len=None).verdict is Fit.NO


def test_the_poorest_card_decides() -> None:
    budget = plan_budget([_gpu(0), _gpu(1, held_gib=4)], _LLAMA_8B, (), utilization=0.85, max_model_len=8192)
    assert budget is not None
    assert [card.spare_bytes < 0 for card in budget.cards] == [False, True]
    assert budget.verdict is Fit.NO
    assert budget.largest is not None
    assert budget.largest.utilization == 0.79


def test_all_cards_get_as_many_tokens_as_the_smallest_has_room_for() -> None:
    small = replace(_gpu(1), memory_total_bytes=16 * _GIB, memory_reserved_bytes=0, memory_free_bytes=16 * _GIB)
    budget = plan_budget([_gpu(0), small], _LLAMA_8B, (), utilization=0.9, max_model_len=8192)
    assert budget is not None
    assert budget.kv_bytes == budget.cards[1].kv_bytes
    assert budget.kv_bytes == pytest.approx((16 * 0.9 - 7.48 - 1.2) * _GIB, rel=0.001)


def test_a_fraction_of_a_byte_is_asked_for_whole() -> None:
    assert replace(_budget().cards[0], usable_bytes=101, utilization=0.5).requested_bytes == 51


# The matrix: utilisation and worker replicas of each environment, at 2 GiB a replica beside Llama 8B on two 3090s.
@pytest.mark.parametrize(
    ("utilization", "replicas", "verdict", "largest"),
    [
        (0.80, 1, Fit.FITS, 0.87),  # development, monitoring
        (0.85, 2, Fit.NO, 0.79),  # staging
        (0.90, 3, Fit.NO, 0.70),  # production, optimized
    ],
)
def test_the_settings_of_the_matrix_are_judged(utilization: float, replicas: int, verdict: Fit, largest: float) -> None:
    workers = (Worker("multimodal-worker", replicas, 2 * _GIB),)
    budget = _budget(2, utilization=utilization, max_model_len=4096, workers=workers)
    assert budget.verdict is verdict
    assert budget.largest is not None
    assert budget.largest.utilization == largest
    assert budget.largest.verdict is Fit.FITS


def test_the_terms_add_up_to_the_card() -> None:
    (card,) = _budget(held_gib=1, workers=(Worker("worker", 3, _GIB),)).cards
    assert list(card.terms) == ["held", "workers", "context", "weights", "overhead", "KV cache"]
    assert sum(filter(None, card.terms.values())) + card.spare_bytes == card.usable_bytes
    assert (card.terms["held"], card.terms["workers"]) == (_GIB, 3 * _GIB)


@pytest.mark.parametrize(
    ("budget", "unknown"),
    [
        (_budget(model=Model()), ("weights", "KV cache per token")),
        (_budget(model=Model(), max_model_len=None), ("weights", "KV cache per token", "max_model_len")),
        (_budget(model=Model(_GIB)), ("KV cache per token",)),
        (_budget(workers=(Worker("a", 1, _GIB), Worker("b", 1, None))), ("workers",)),
        (plan_budget([replace(_gpu(), memory_free_bytes=None)], _LLAMA_8B, (), utilization=0.9), ("held",)),
    ],
)
def test_what_is_unknown_is_named_and_there_is_no_verdict(budget: Budget, unknown: tuple[str, ...]) -> None:
    assert budget.unknown == unknown
    assert budget.at(0.9).verdict in (None, Fit.NO)


def test_what_is_known_may_be_enough_for_a_no() -> None:
    assert _budget(model=Model(), held_gib=4).verdict is Fit.NO  # too little free, whatever the model
    assert _budget(model=Model(21 * _GIB)).verdict is Fit.NO  # weights beyond what is asked for, whatever the shape
    assert _budget(model=Model(), held_gib=1).verdict is None


@pytest.mark.parametrize("gpus", [[], [Gpu(0)], [_gpu(), Gpu(1)]])
def test_there_is_no_budget_without_the_memory_of_each_gpu(gpus: list[Gpu]) -> None:
    assert plan_budget(gpus, _LLAMA_8B, (), utilization=0.9) is None


def test_a_card_that_is_full_has_no_utilisation_that_fits() -> None:
    assert _budget(held_gib=23).largest is None


_MODELS = st.builds(
    Model,
    st.integers(0, 60 * _GIB),
    st.builds(ModelShape, st.integers(1, 100), st.integers(1, 64), st.sampled_from([64, 128, 256])),
)
_BUDGETS = st.builds(
    lambda gpus, held, model, each, length: _budget(
        gpus, held, model=model, max_model_len=length, workers=(Worker("worker", 3, each),)
    ),
    st.integers(1, 8),
    st.floats(0, 23),
    _MODELS,
    st.integers(0, 4 * _GIB),
    st.integers(1, 200_000),
)


@given(_BUDGETS, st.floats(0.01, 1), st.floats(0.01, 1))
def test_a_higher_utilisation_never_lowers_demand_nor_the_cache(budget: Budget, one: float, other: float) -> None:
    low, high = budget.at(min(one, other)), budget.at(max(one, other))
    for less, more in zip(low.cards, high.cards, strict=True):
        assert less.spare_bytes >= more.spare_bytes
    assert low.tokens is not None
    assert high.tokens is not None
    assert low.tokens <= high.tokens


@given(_BUDGETS)
def test_the_largest_utilisation_starts_and_a_hundredth_more_does_not(budget: Budget) -> None:
    largest = budget.largest
    if largest is None:
        assert not budget.at(0.01).starts
        return
    assert largest.starts
    assert not budget.at(largest.utilization + 0.01).starts
    assert largest.verdict is not None
    if largest.kv_spare_bytes is not None and largest.kv_spare_bytes >= ERROR_BYTES:
        assert largest.verdict is Fit.FITS
        assert budget.at(largest.utilization + 0.01).verdict is not Fit.FITS


@given(_BUDGETS, st.floats(0.01, 1))
def test_fits_means_that_every_byte_is_there(budget: Budget, utilization: float) -> None:
    at = budget.at(utilization)
    if at.verdict is not Fit.NO:
        assert all(card.spare_bytes >= 0 for card in at.cards)
        assert at.concurrency is not None
        assert at.concurrency >= 1
