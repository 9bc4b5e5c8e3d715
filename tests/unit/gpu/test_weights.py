from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opskit.errors import ConfigError
from opskit.llm.weights import header_length, parse_header, read_model, read_snapshot

_CONFIG = {"hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2}


def _file(path: Path, sizes: Mapping[str, int], dtype: str = "BF16") -> Path:
    """A whole safetensors file of tensors of so many bytes."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, size in sizes.items():
        header[name] = {"dtype": dtype, "shape": [size], "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(at))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(_CONFIG), encoding="utf-8")
    return tmp_path


def test_weights_and_shape_of_a_folder_are_read(folder: Path) -> None:
    _file(folder / "model.safetensors", {"a": 1000, "b": 24})
    model = read_model(folder)
    assert model.weights_bytes == 1024
    assert model.shape is not None
    assert model.shape.kv_token_bytes(1) == 2 * 2 * 4 * 16 * 2


def test_shards_are_added_up(folder: Path) -> None:
    for number in (1, 2):
        _file(folder / f"model-0000{number}-of-00002.safetensors", {"a": 1000 * number})
    assert read_model(folder).weights_bytes == 3000


def test_the_index_says_which_files_count(folder: Path) -> None:
    _file(folder / "model-1.safetensors", {"a": 1000, "b": 1000})
    _file(folder / "consolidated.safetensors", {"a": 1000, "b": 1000})
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-1.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    assert read_model(folder).weights_bytes == 2000


@pytest.mark.parametrize(("dtype", "loaded"), [("F32", 500), ("BF16", 1000), ("F8_E4M3", 1000), ("I32", 1000)])
def test_what_is_in_32_bits_is_loaded_in_16_and_packed_integers_stay(folder: Path, dtype: str, loaded: int) -> None:
    _file(folder / "model.safetensors", {"a": 1000}, dtype)
    assert read_model(folder).weights_bytes == loaded


def test_a_missing_shard_is_named(folder: Path) -> None:
    index = {"weight_map": {"a": "model-1.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"model-1\.safetensors: cannot be read: .*; wanted a file of the model"):
        read_model(folder)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"weight_map": {}}', '{"weight_map": {"a": 1}}', '{"weight_map": 5}']
)
def test_an_index_without_files_is_refused(folder: Path, text: str) -> None:
    (folder / "model.safetensors.index.json").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"index\.json: found no weight_map"):
        read_model(folder)


def test_a_folder_without_weights_or_without_config_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"found no \*\.safetensors"):
        read_model(folder)
    with pytest.raises(ConfigError, match=r"nowhere/config\.json: cannot be read"):
        read_model(folder / "nowhere")


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        (0, "found a header of 0 bytes in a file of 0; wanted 2 to 2"),
        (7, "in a file of 7"),
        (8, "in a file of 8; wanted 2 to 2"),
        (60, "in a file of 60; wanted 2 to 52"),
        (-1, "found 1[0-9]{3} bytes; wanted 1[0-9]{3} by its header"),
    ],
)
def test_a_file_that_is_cut_off_is_refused(folder: Path, kept: int, message: str) -> None:
    path = _file(folder / "model.safetensors", {"a": 1000})
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ConfigError, match=rf"model\.safetensors: .*{message}"):
        read_model(folder)


def test_a_file_that_is_longer_than_its_header_says_is_refused(folder: Path) -> None:
    path = _file(folder / "model.safetensors", {"a": 1000})
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ConfigError, match="download it again"):
        read_model(folder)


@pytest.mark.parametrize("length", [-1, -(2**63), 0, 1, 2**62, 100_000_001])
def test_a_length_that_is_negative_or_beyond_reason_is_refused(length: int) -> None:
    with pytest.raises(ConfigError, match="found a header of"):
        header_length((length % 2**64).to_bytes(8, "little"), 2**40, "m.safetensors")


def test_a_header_may_fill_the_file_and_no_more() -> None:
    assert header_length((92).to_bytes(8, "little"), 100, "m") == 92
    with pytest.raises(ConfigError, match="found a header of 93 bytes in a file of 100; wanted 2 to 92"):
        header_length((93).to_bytes(8, "little"), 100, "m")


def _tensor(*offsets: Any) -> str:
    return json.dumps({"a": {"dtype": "BF16", "shape": [1], "data_offsets": list(offsets)}})


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("{", "found a damaged header"),
        ("[]", "found a damaged header"),
        ("[" * 100_000, "found a damaged header"),
        ('{"a": 1}', "found a damaged header"),
        ('{"a": {"data_offsets": [0, 2]}}', "found a damaged header"),
        (_tensor(0), "found a damaged header"),
        (_tensor(0, 2, 3), "found a damaged header"),
        (_tensor("0", "2"), "found a damaged header"),
        (_tensor(0, 1.5), "found a damaged header"),
        (_tensor(0, float("inf")), "found a damaged header"),
        (_tensor(True, 2), "found a damaged header"),
        (_tensor(2, 0), "found a tensor at 2 to 0; wanted one from 0 on"),
        (_tensor(-2, 2), "found a tensor at -2 to 2; wanted one from 0 on"),
        (_tensor(2, 4), "found a tensor at 2 to 4; wanted one from 0 on"),
    ],
)
def test_a_damaged_header_is_refused_with_its_file(header: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"m: .*{message}"):
        parse_header(header.encode(), 8 + len(header) + 2, "m")


@given(st.binary(max_size=200))
def test_whatever_is_no_header_is_a_config_error(header: bytes) -> None:
    with pytest.raises(ConfigError):
        parse_header(header, 2**30, "m")


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ("tokenizer.json", True),
        ("tokenizer.4.0.0.json", True),
        ("tokenizer.model", True),
        ("tekken.json", True),
        ("vocab.json merges.txt", True),
        ("vocab.json", False),
        ("tokenizer_config.json", False),
        ("", False),
    ],
)
def test_what_a_tokenizer_can_be_made_of_is_told_from_what_only_configures_one(
    folder: Path, files: str, *, found: bool
) -> None:
    _file(folder / "model.safetensors", {"a": 1})
    for name in files.split():
        (folder / name).write_text("{}")
    assert read_model(folder).tokenizer is found


def test_weights_of_before_safetensors_are_there_and_their_size_is_not_known(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"x")
    assert read_model(folder).weights_bytes is None


@pytest.mark.parametrize(("made", "found"), [("snapshots/abc/config.json", True), ("snapshots/abc/x", False), ("refs/main", False)])  # fmt: skip
def test_a_download_of_the_hub_is_one_with_its_config(tmp_path: Path, made: str, *, found: bool) -> None:
    (tmp_path / made).parent.mkdir(parents=True)
    (tmp_path / made).write_text("{}")
    assert read_snapshot(tmp_path) is found
    assert read_snapshot(tmp_path / "none") is False
