"""What vLLM and its neighbours will take of each GPU, term by term, and whether that fits; pure; None means unknown.

Source: vLLM v1 `request_memory`, `determine_available_memory`, `page_size_bytes`; worked out in gpu.md 4.3 and 4.4.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from opskit.gpu.model import Gpu
from opskit.llm.shape import Model

CONTEXT_BYTES = int(0.63 * 1024**3)
"""CUDA and NCCL of vLLM itself: taken before vLLM looks at what is free, so it comes beside U. One log of a 3090."""
OVERHEAD_BYTES = int(1.2 * 1024**3)
"""Peak of the activations, CUDA graphs and what is not torch's, all within U: assumed."""
ERROR_BYTES = 1_500_000_000
"""How far such a prediction errs (club-3090): a KV cache with less to spare is TIGHT."""
_STEP = 0.01  # of a card: what must stay free
_BLOCK_TOKENS = 16


class Fit(StrEnum):
    """FITS with the margins; TIGHT with less than the prediction may err; NO: a start would fail."""

    FITS = "FITS"
    TIGHT = "TIGHT"
    NO = "NO"


@dataclass(frozen=True, slots=True)
class Worker:
    """A service that shares the cards: its processes, and the peak of one on each card that it may use."""

    name: str
    processes: int
    each_bytes: int | None


@dataclass(frozen=True, slots=True)
class Card:
    """One GPU's terms in bytes.

    Attributes:
        held_bytes: by processes that are there already.
        workers_bytes: by the services that share the card, at their peak.
        weights_bytes: this card's part of them.
    """

    index: int
    usable_bytes: int
    utilization: float
    held_bytes: int | None
    workers_bytes: int | None
    weights_bytes: int | None

    @property
    def requested_bytes(self) -> int:
        """What U gives to vLLM: weights, overhead and, of what is left, the KV cache."""
        return math.ceil(self.usable_bytes * self.utilization)

    @property
    def kv_bytes(self) -> int | None:
        """The KV cache; below zero where weights and overhead alone are more than was requested."""
        return None if self.weights_bytes is None else self.requested_bytes - self.weights_bytes - OVERHEAD_BYTES

    @property
    def spare_bytes(self) -> int:
        """What is left of the card beside all that is known; below zero where vLLM would refuse to start."""
        return self.usable_bytes - sum(filter(None, self.terms.values()))

    @property
    def terms(self) -> Mapping[str, int | None]:
        """Every term in the order of the bar; vLLM's own three add up to what is requested."""
        others = {"held": self.held_bytes, "workers": self.workers_bytes, "context": CONTEXT_BYTES}
        if self.weights_bytes is None:
            return {**others, "vLLM": self.requested_bytes}
        return {**others, "weights": self.weights_bytes, "overhead": OVERHEAD_BYTES, "KV cache": self.kv_bytes}


@dataclass(frozen=True, slots=True)
class Budget:
    """All cards of one vLLM, at one utilisation.

    Attributes:
        max_model_len: tokens that one request may have; None where neither vLLM's command nor the model says it.
        kv_token_bytes: of one token on each card.
        context_tokens: the longest context that the model was made for.
    """

    cards: tuple[Card, ...]
    utilization: float
    max_model_len: int | None
    kv_token_bytes: int | None
    context_tokens: int | None

    @property
    def unknown(self) -> tuple[str, ...]:
        """What is missing for a verdict, in the words of the terms."""
        whole = {
            "weights": self.kv_bytes,
            "KV cache per token": self.kv_token_bytes,
            "max_model_len": self.max_model_len,
        }
        every = (*(term for card in self.cards for term in card.terms.items()), *whole.items())
        return tuple(dict.fromkeys(name for name, value in every if value is None))

    @property
    def kv_bytes(self) -> int | None:
        """The KV cache of the poorest card: vLLM gives all cards as many tokens as it has room for."""
        return min((card.kv_bytes for card in self.cards if card.kv_bytes is not None), default=None)

    @property
    def kv_spare_bytes(self) -> int | None:
        """What that KV cache has beyond one request of max_model_len."""
        blocks = math.ceil((self.max_model_len or 0) / _BLOCK_TOKENS)
        return None if self.kv_bytes is None else self.kv_bytes - blocks * _BLOCK_TOKENS * (self.kv_token_bytes or 0)

    @property
    def tokens(self) -> int | None:
        """Tokens that the KV cache holds, in whole blocks."""
        if self.kv_bytes is None or self.kv_token_bytes is None:
            return None
        return max(0, self.kv_bytes) // (_BLOCK_TOKENS * self.kv_token_bytes) * _BLOCK_TOKENS

    @property
    def longest_context(self) -> int | None:
        """The largest max_model_len that would start: what the cache holds, and no more than the model was made for."""
        return None if self.tokens is None else min(self.tokens, self.context_tokens or self.tokens)

    @property
    def concurrency(self) -> float | None:
        """Requests of max_model_len that the cache holds at once; below one vLLM refuses to start."""
        return None if self.tokens is None or not self.max_model_len else self.tokens / self.max_model_len

    @property
    def starts(self) -> bool:
        """Whether what is known leaves the margin on every card."""
        return all(card.spare_bytes >= _STEP * card.usable_bytes for card in self.cards)

    @property
    def verdict(self) -> Fit | None:
        """NO as soon as what is known does not fit; else None where a term is unknown."""
        kv = self.kv_spare_bytes
        if any(card.spare_bytes < 0 for card in self.cards) or (kv is not None and kv < 0):
            return Fit.NO
        if kv is None or self.unknown:
            return None
        return Fit.FITS if self.starts and kv >= ERROR_BYTES else Fit.TIGHT

    def at(self, utilization: float) -> Budget:
        """The same at another utilisation."""
        cards = tuple(replace(card, utilization=utilization) for card in self.cards)
        return replace(self, cards=cards, utilization=utilization)

    @property
    def largest(self) -> Budget | None:
        """The same at the largest utilisation, in hundredths, that leaves the margin on each card; None for none."""
        every = (self.at(hundredths / 100) for hundredths in range(100, 0, -1))
        return next((budget for budget in every if budget.starts), None)


def plan_budget(
    gpus: Sequence[Gpu],
    model: Model,
    workers: Sequence[Worker],
    *,
    utilization: float,
    max_model_len: int | None = None,
) -> Budget | None:
    """Lay out every term on every GPU; None where a GPU's memory is unknown.

    Args:
        gpus: as many as the tensor parallelism.
        model: it is split evenly over them.
        workers: each counts on all of these GPUs, since nobody can say which it takes.
        utilization: U, `--gpu-memory-utilization`.
        max_model_len: None means the model's own.
    """
    needs = [None if worker.each_bytes is None else worker.processes * worker.each_bytes for worker in workers]
    cards = tuple(
        Card(
            index=gpu.index,
            usable_bytes=gpu.usable_bytes,
            utilization=utilization,
            held_bytes=None if gpu.memory_free_bytes is None else max(0, gpu.usable_bytes - gpu.memory_free_bytes),
            workers_bytes=None if None in needs else sum(filter(None, needs)),
            weights_bytes=None if model.weights_bytes is None else math.ceil(model.weights_bytes / len(gpus)),
        )
        for gpu in gpus
        if gpu.usable_bytes is not None
    )
    if not gpus or len(cards) < len(gpus):
        return None
    context = model.shape.context_tokens if model.shape else None
    kv_token = model.shape.kv_token_bytes(len(gpus)) if model.shape else None
    return Budget(cards, utilization, max_model_len or context, kv_token, context)
