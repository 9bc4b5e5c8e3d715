"""What a language model is made of, as far as GPU memory goes, and its reading from the text of config.json; pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opskit.errors import ConfigError

_SCALED = frozenset({"su", "longrope", "llama3", "yarn", "deepseek_yarn", "deepseek_llama_scaling"})
"""Kinds of RoPE scaling by which vLLM 0.30.0 does not lengthen `max_position_embeddings`: it is so long already."""


@dataclass(frozen=True, slots=True)
class ModelShape:
    """What decides the size of a token in the KV cache.

    Attributes:
        layers: those with full attention; only they grow with the context.
        kv_heads: of the whole model, before it is split over GPUs.
        element_bytes: of one cached number: 2 for 16 bits, 1 for fp8.
        vectors: kept of each head: 2, key and value; 1, the latent of MLA.
        context_tokens: the longest context that the model was made for.
    """

    layers: int
    kv_heads: int
    head_dim: int
    element_bytes: int = 2
    vectors: int = 2
    context_tokens: int | None = None

    def kv_token_bytes(self, tensor_parallel: int) -> int:
        """Bytes of one token on each GPU; with fewer heads than GPUs each head is on more than one."""
        heads = max(1, self.kv_heads // tensor_parallel)
        return self.vectors * self.layers * heads * self.head_dim * self.element_bytes


@dataclass(frozen=True, slots=True)
class Model:
    """What a model takes: its weights on all GPUs together, and its shape; None where that is not known."""

    weights_bytes: int | None = None
    shape: ModelShape | None = None
    tokenizer: bool | None = None
    """Whether its folder holds files of a tokenizer."""


def parse_shape(text: str, where: str) -> ModelShape:
    """Read a Hugging Face config.json; of a model with more than text, its `text_config`.

    Args:
        text: of the file.
        where: its path, for the message.

    Raises:
        ConfigError: it is no such file, or lacks what the KV cache is reckoned from.

    Source: vLLM `ModelArchConfigConvertorBase` (heads, head size, layers, MLA); `Attention` (an fp8 `kv_cache_scheme`
    wins over dtype). A model in 32 bits is run in 16: vLLM `_resolve_auto_dtype`.
    """
    try:
        whole: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{where}: found no JSON: {error}; wanted a model's config.json") from None
    if not isinstance(whole, dict):
        raise ConfigError(f"{where}: found a JSON {type(whole).__name__}; wanted an object")
    inner = whole.get("text_config")
    reader = _Reader(whole | inner if isinstance(inner, dict) else whole, where)
    heads = reader.count("num_attention_heads")
    latent = reader.count("kv_lora_rank", default=0)
    head_dim = reader.count("head_dim", default=0) or reader.count("hidden_size") // heads
    return ModelShape(
        layers=_full_attention(reader.data) or reader.count("num_hidden_layers"),
        kv_heads=1 if latent else reader.count("num_key_value_heads", default=heads),
        head_dim=latent + reader.count("qk_rope_head_dim") if latent else head_dim,
        element_bytes=1 if _has_small_cache(whole) else 2,
        vectors=1 if latent else 2,
        context_tokens=_context(reader),
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    data: Mapping[str, Any]
    where: str

    def count(self, key: str, default: int | None = None) -> int:
        """A count above zero; an absent one and a null are the default, where there is one."""
        value = self.data.get(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ConfigError(f"{self.where}: {key}: found {value!r}; wanted a number above zero")
        return value


def _context(reader: _Reader) -> int | None:
    """The longest context: scaled by `factor`, but where the file's figure is a scaled one already."""
    tokens = reader.count("max_position_embeddings", default=0)
    rope = reader.data.get("rope_parameters") or reader.data.get("rope_scaling")
    if isinstance(rope, dict) and (rope.get("rope_type") or rope.get("type")) not in _SCALED:
        factor = rope.get("factor")
        tokens = int(tokens * factor) if isinstance(factor, int | float) else tokens
    return max(tokens, reader.count("model_max_length", default=0)) or None


def _full_attention(data: Mapping[str, Any]) -> int:
    """Layers that keep every token, where the file lists each layer's kind; 0 where it does not."""
    kinds = data.get("layer_types")
    return sum(kind == "full_attention" for kind in kinds) if isinstance(kinds, list) else 0


def _has_small_cache(whole: Mapping[str, Any]) -> bool:
    quantization = whole.get("quantization_config")
    scheme = quantization.get("kv_cache_scheme") if isinstance(quantization, dict) else None
    return isinstance(scheme, dict) and scheme.get("num_bits") == 8  # noqa: PLR2004  bits
