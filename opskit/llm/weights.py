"""Reads a model folder of Hugging Face: the shape from config.json, the weights from the headers of safetensors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any

from opskit.errors import ConfigError
from opskit.llm.shape import Model, parse_shape

_PREFIX_BYTES = 8
_MOST_HEADER_BYTES = 100_000_000
"""The limit of the safetensors library itself."""
_INDEX = "model.safetensors.index.json"
CACHE = PurePosixPath("/root/.cache/huggingface/hub")
"""Where the model server, which runs as root, keeps what it downloads."""
_OTHERS = ("*.bin", "*.pt")
_TOKENIZERS = ("tokenizer.*json", "*.model", "*.tiktoken", "tekken.json", "vocab.txt", "tokenization_*.py")


def read_model(folder: Path) -> Model:
    """Read what a model takes; of each weight file only the header.

    Raises:
        ConfigError: a file is missing, cut off or damaged; it is named with what was found and wanted.
    """
    config = folder / "config.json"
    shape = parse_shape(_read_text(config), str(config))
    shards = _find_shards(folder)
    weights_bytes = sum(_read_weights(path) for path in shards) if shards else None
    return Model(weights_bytes, shape, _has_tokenizer(folder))


def read_snapshot(folder: Path) -> bool | None:
    """Whether a model's folder in the hub's cache holds a download of it; None where this user may not look."""
    try:
        return any((snapshot / "config.json").exists() for snapshot in (folder / "snapshots").iterdir())
    except FileNotFoundError:
        return False
    except OSError:
        return None


def _has_tokenizer(folder: Path) -> bool:
    """Whether transformers finds in the folder what it makes a tokenizer of.

    Source: transformers 5.24.0 `PreTrainedTokenizerBase.from_pretrained`, `find_sentencepiece_model_file`.
    """
    names = {path.name for path in folder.iterdir()}
    single = any(fnmatch(name, pattern) for name in names for pattern in _TOKENIZERS)
    return single or {"vocab.json", "merges.txt"} <= names


def _find_shards(folder: Path) -> Sequence[Path]:
    """The files that the index names, or else all there are; a folder may hold the same weights in a second form.

    None where the weights are in a form of before safetensors, which vLLM loads too; of those no size is read.
    """
    index = folder / _INDEX
    if not index.exists():
        found = sorted(folder.glob("*.safetensors"))
        if not found and not any(path for pattern in _OTHERS for path in folder.glob(pattern)):
            raise ConfigError(f"{folder}: found no *.safetensors; wanted the weights; download the model again")
        return found
    try:
        files = [folder / file for file in sorted(set(json.loads(_read_text(index))["weight_map"].values()))]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        files = []
    if not files:
        raise ConfigError(f"{index}: found no weight_map; wanted one that names the weight files; download it again")
    return files


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}; wanted a file of the model; download it again") from None


def _read_weights(path: Path) -> int:
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            length = header_length(file.read(_PREFIX_BYTES), size, str(path))
            return parse_header(file.read(length), size, str(path))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error}; wanted a file of the model; download it again") from None


def header_length(prefix: bytes, size_bytes: int, where: str) -> int:
    """Bytes of the header, by the file's first eight, little-endian.

    Raises:
        ConfigError: no header of so many bytes can be in a file of this size.
    """
    length = int.from_bytes(prefix, "little")
    most = min(size_bytes - _PREFIX_BYTES, _MOST_HEADER_BYTES)
    if len(prefix) < _PREFIX_BYTES or not 2 <= length <= most:  # noqa: PLR2004  an empty object
        raise ConfigError(
            f"{where}: found a header of {length} bytes in a file of {size_bytes}; wanted 2 to {max(2, most)}; "
            "it is cut off or no safetensors file; download it again"
        )
    return length


def parse_header(header: bytes, size_bytes: int, where: str) -> int:
    """Bytes that the weights take when loaded: those of the file, but half of what is in 32 bits.

    vLLM runs a model of 32 bits in 16 unless it is told otherwise (`_resolve_auto_dtype`).

    Args:
        header: without its length.
        size_bytes: of the whole file, which must be what the header tells.
        where: the file's path, for the message.

    Raises:
        ConfigError: the header is damaged, or the file is shorter or longer than it says.

    Source: github.com/huggingface/safetensors, "Format".
    """
    try:
        tensors: dict[str, Any] = json.loads(header)
        spans = sorted(_span(tensor) for name, tensor in tensors.items() if name != "__metadata__")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigError(f"{where}: found a damaged header ({error!r}); wanted tensors with data_offsets") from None
    at = 0
    for begin, end, _ in spans:
        if begin != at or end < begin:
            raise ConfigError(
                f"{where}: found a tensor at {begin} to {end}; wanted one from {at} on; download it again"
            )
        at = end
    wanted = _PREFIX_BYTES + len(header) + at
    if size_bytes != wanted:
        raise ConfigError(f"{where}: found {size_bytes} bytes; wanted {wanted} by its header; download it again")
    return sum((end - begin) // (2 if dtype == "F32" else 1) for begin, end, dtype in spans)


def _span(tensor: Any) -> tuple[int, int, str]:  # noqa: ANN401  whatever JSON holds
    begin, end = tensor["data_offsets"]
    if type(begin) is not int or type(end) is not int:
        raise TypeError("data_offsets are no whole numbers")
    return begin, end, str(tensor["dtype"])
