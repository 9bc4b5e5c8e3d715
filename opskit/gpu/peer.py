"""A copy from GPU to GPU, measured inside a container by its own torch: how fast, and whether the data is the same."""

from __future__ import annotations

import json
from dataclasses import dataclass

_SCRIPT = """
import json, time, torch
size, times, found = 64 * 2**20, 20, []
count = torch.cuda.device_count()
for a in range(count):
    for b in range(count):
        if a == b:
            continue
        sent = torch.randint(0, 256, (size,), dtype=torch.uint8, device=f"cuda:{a}")
        came = torch.zeros(size, dtype=torch.uint8, device=f"cuda:{b}")
        came.copy_(sent)
        for gpu in (a, b):
            torch.cuda.synchronize(gpu)
        began = time.perf_counter()
        for _ in range(times):
            came.copy_(sent, non_blocking=True)
        for gpu in (a, b):
            torch.cuda.synchronize(gpu)
        speed = size * times / (time.perf_counter() - began) / 1e9
        same = bool(torch.equal(sent.cpu(), came.cpu()))
        found.append({"a": a, "b": b, "peer": torch.cuda.can_device_access_peer(a, b), "gb_s": speed, "same": same})
print(json.dumps(found))
"""
COPY = ("python3", "-c", _SCRIPT)
"""It takes 128 MiB and, beside vLLM, a CUDA context of its own on each GPU."""


@dataclass(frozen=True, slots=True)
class PeerCopy:
    """One direction between two GPUs, numbered as the container sees them.

    Attributes:
        peer: whether the driver lets one reach the other directly; else the copy goes through the host.
        same: whether what arrived is what was sent.
    """

    a: int
    b: int
    peer: bool
    gb_s: float
    same: bool


def parse_copies(text: str) -> tuple[PeerCopy, ...] | None:
    """Read the last line that the script prints; None where it is no such line."""
    try:
        return tuple(PeerCopy(**entry) for entry in json.loads(text.splitlines()[-1]))
    except (ValueError, TypeError, IndexError):
        return None
