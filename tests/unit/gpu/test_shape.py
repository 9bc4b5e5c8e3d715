from __future__ import annotations

import json
from typing import Any

import pytest

from opskit.errors import ConfigError
from opskit.llm.shape import ModelShape, parse_shape

# The keys that count of Qwen/Qwen2.5-1.5B-Instruct's config.json.
_QWEN = {
    "hidden_size": 1536,
    "max_position_embeddings": 32768,
    "num_attention_heads": 12,
    "num_hidden_layers": 28,
    "num_key_value_heads": 2,
    "torch_dtype": "bfloat16",
}


def _parse(data: Any) -> ModelShape:
    return parse_shape(json.dumps(data), "m/config.json")


def test_a_shape_is_read() -> None:
    shape = ModelShape(layers=28, kv_heads=2, head_dim=128, context_tokens=32768)
    assert _parse(_QWEN) == shape
    assert shape.kv_token_bytes(1) == 28_672


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"num_key_value_heads": None}, {"kv_heads": 12}),
        ({"head_dim": 256}, {"head_dim": 256}),
        ({"head_dim": None}, {"head_dim": 128}),
        ({"max_position_embeddings": None}, {"context_tokens": None}),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, {"context_tokens": 65536}),
        ({"rope_parameters": {"rope_type": "yarn", "factor": 4.0}}, {"context_tokens": 32768}),
        ({"rope_parameters": {"rope_type": "default", "rope_theta": 1e6}}, {"context_tokens": 32768}),
        ({"model_max_length": 131072}, {"context_tokens": 131072}),
        ({"layer_types": ["sliding_attention"] * 5 + ["full_attention"]}, {"layers": 1}),
        ({"layer_types": ["sliding_attention"] * 28}, {"layers": 28}),
        ({"kv_lora_rank": 512, "qk_rope_head_dim": 64}, {"kv_heads": 1, "head_dim": 576, "vectors": 1}),
        ({"torch_dtype": "float32"}, {"element_bytes": 2}),
        ({"quantization_config": {"quant_method": "awq", "bits": 4}}, {"element_bytes": 2}),
        ({"quantization_config": {"kv_cache_scheme": {"num_bits": 8, "type": "float"}}}, {"element_bytes": 1}),
        ({"quantization_config": {"kv_cache_scheme": None}}, {"element_bytes": 2}),
    ],
)
def test_what_a_model_says_or_leaves_out_is_understood(change: dict[str, Any], wanted: dict[str, int | None]) -> None:
    shape = _parse(_QWEN | change)
    assert {name: getattr(shape, name) for name in wanted} == wanted


def test_of_a_model_with_more_than_text_the_text_counts() -> None:
    text = {key: value for key, value in _QWEN.items() if key != "torch_dtype"}
    assert _parse({"torch_dtype": "bfloat16", "text_config": text, "vision_config": {"hidden_size": 7}}) == _parse(
        _QWEN
    )
    assert _parse(_QWEN | {"text_config": {"num_hidden_layers": 3}}).layers == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "m/config.json: found no JSON"),
        ("[" * 100_000, "m/config.json: found no JSON"),
        ("[]", "m/config.json: found a JSON list; wanted an object"),
        ("{}", "m/config.json: num_attention_heads: found None; wanted a number above zero"),
        (json.dumps(_QWEN | {"num_hidden_layers": "28"}), "num_hidden_layers: found '28'"),
        (json.dumps(_QWEN | {"num_key_value_heads": 0}), "num_key_value_heads: found 0"),
        (json.dumps(_QWEN | {"num_attention_heads": -12}), "num_attention_heads: found -12"),
        (json.dumps(_QWEN | {"hidden_size": True}), "hidden_size: found True"),
    ],
)
def test_what_cannot_be_reckoned_with_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("[", r"\[")):
        parse_shape(text, "m/config.json")
