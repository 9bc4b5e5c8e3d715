"""What a model server does while it is starting, by the last lines of its log; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

# vLLM 0.10 to 0.30 and huggingface_hub 0.30 and newer, whose bars are tqdm's; the first hit of a line wins.
_STAGES = (
    (r"(\S+\.(?:safetensors|bin|gguf)): +(\d+)%\|", "downloading {0}, {1} %"),
    (r"Fetching (\d+) files: +(\d+)%\|", "downloading {0} files, {1} %"),
    (r"Time spent downloading weights", "model downloaded"),
    (r"Loading \S+ checkpoint shards: +(\d+)% Completed", "loading the weights, {0} %"),
    (r"Starting to load model|Loading model from scratch", "loading the weights"),
    (r"Model loading took|Loading weights took", "weights loaded"),
    (r"Capturing CUDA graph\w*[^%]*?(\d+)%\|", "capturing CUDA graphs, {0} %"),
    (r"Compiling a graph|torch\.compile|Dynamo bytecode transform|Start compiling", "compiling"),
    (r"# GPU blocks|GPU KV cache size|CPU KV cache", "KV cache laid out"),
)


def find_stage(lines: Iterable[str]) -> str:
    """The stage the last line of a log tells that tells any; empty where none does."""
    for line in reversed(tuple(lines)):
        for pattern, text in _STAGES:
            if found := re.search(pattern, line):
                return text.format(*found.groups())
    return ""
