"""Draws the pictures of docs/pictures from recorded machines: `make pictures`."""

from __future__ import annotations

from pathlib import Path

from opskit.gpu.model import Gpu, inventory_from_json
from opskit.llm.budget import Worker, plan_budget
from opskit.llm.shape import Model, ModelShape
from opskit.show.budget import draw_budget
from opskit.show.topology import draw_topology

HERE = Path(__file__).parent
GIB = 1024**3
RECORDED = HERE.parent / "tests/data/inventory"
MACHINES = {
    "dual-3090-nvlink": "2x3090-nv4",
    "dual-3090-no-nvlink": "2x3090-phb-patched-p2p",
    "one-gpu": "1xp4-numa-na",
    "three-with-one-pair": "3xa6000-nv4-pair-plus-node",
    "four-v100-mixed": "4xv100-nv1-nv2",
    "eight-a100-nvswitch": "8xa100-nv12-nvswitch",
}
LLAMA = Model(int(14.96 * GIB), ModelShape(layers=32, kv_heads=8, head_dim=128, context_tokens=131_072))
"""Llama 3.1 8B in 16 bits."""
BUDGETS = {
    "budget-one-3090": (1, 0, 0.92),
    "budget-two-3090": (2, 0, 0.92),
    "budget-two-3090-workers": (2, 1, 0.80),
    "budget-two-3090-too-much": (2, 3, 0.90),
}
"""Cards, worker processes on each, and vLLM's share."""


def main() -> None:
    """Write the graph of each machine, and each budget."""
    (HERE / "pictures").mkdir(exist_ok=True)
    for name, file in MACHINES.items():
        inventory = inventory_from_json((RECORDED / f"{file}.json").read_text(encoding="utf-8"))
        draw_topology(inventory, rehearsal=False).savefig(HERE / f"pictures/{name}.png")
    for name, (cards, workers, utilization) in BUDGETS.items():
        free = int(23.56 * GIB)
        gpus = [
            Gpu(at, memory_total_bytes=24 * GIB, memory_reserved_bytes=24 * GIB - free, memory_free_bytes=free)
            for at in range(cards)
        ]
        tenants = [Worker("multimodal-worker", workers, int(2.5 * GIB))] if workers else []
        budget = plan_budget(gpus, LLAMA, tenants, utilization=utilization, max_model_len=8192)
        if budget is not None:
            draw_budget(budget, rehearsal=False).savefig(HERE / f"pictures/{name}.png")


if __name__ == "__main__":
    main()
