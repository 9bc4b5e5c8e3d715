from __future__ import annotations

import pytest

from opskit.health.stages import find_stage


# Lines as vLLM 0.10 to 0.30 and huggingface_hub print them; a bar is written again with a carriage return.
@pytest.mark.parametrize(
    ("line", "stage"),
    [
        ("model-00001-of-00004.safetensors:  45%|####5     | 2.21G/4.93G [00:31<00:38, 71.2MB/s]", "downloading model-00001-of-00004.safetensors, 45 %"),
        ("Fetching 14 files:  29%|##8       | 4/14 [00:02<00:05,  1.92it/s]", "downloading 14 files, 29 %"),
        ("(EngineCore_0 pid=270) INFO 11-26 10:00:00 [weight_utils.py:402] Time spent downloading weights for Qwen/Qwen3-8B: 181.1 seconds", "model downloaded"),
        ("Loading safetensors checkpoint shards:  40% Completed | 2/5 [00:04<00:06,  2.10s/it]", "loading the weights, 40 %"),
        ("(Worker pid=99) INFO 11-26 10:00:00 [gpu_model_runner.py:2338] Starting to load model /models/qwen...", "loading the weights"),
        ("INFO 11-26 10:00:09 [gpu_model_runner.py:2392] Model loading took 14.2710 GiB and 8.12 seconds", "weights loaded"),
        ("INFO 11-26 10:00:20 [backends.py:215] Compiling a graph for dynamic shape takes 10.2 s", "compiling"),
        ("Capturing CUDA graphs (mixed prefill-decode, PIECEWISE):  67%|######7   | 45/67 [00:04<00:02]", "capturing CUDA graphs, 67 %"),
        ("INFO 11-26 10:00:30 [kv_cache_utils.py:864] GPU KV cache size: 45,168 tokens", "KV cache laid out"),
        ("INFO:     Application startup complete.", ""),
    ],
)  # fmt: skip
def test_a_line_tells_the_stage(line: str, stage: str) -> None:
    assert find_stage([line]) == stage


def test_the_last_line_that_tells_one_wins() -> None:
    lines = [
        "Fetching 14 files:  29%|##8",
        "Loading safetensors checkpoint shards:  40% Completed | 2/5",
        "GET /health",
    ]
    assert find_stage(lines) == "loading the weights, 40 %"
    assert find_stage([]) == ""
