"""Proves inside a container that its GPUs can compute together: an all-reduce of known values, and again without P2P.

A copy from GPU to GPU proves less: GPUs that copy well were seen to hang, or to sum wrongly, in a collective.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

SIZES = (4, 16 * 2**20)
"""Bytes that are summed: less than any buffer, and more than vLLM's own all-reduce takes."""
RUN_S = 60.0
"""A run that lasts longer hangs: importing torch and connecting take 20 s at most."""
COMMAND_S = 2 * RUN_S + 30

_SCRIPT = """
import json, os, signal, socket, subprocess, sys, time

backend, world, limit, sizes = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), json.loads(sys.argv[4])


def rank(number, port):
    import datetime, torch, torch.distributed as together
    device = "cuda:%d" % number if backend == "nccl" else "cpu"
    if backend == "nccl":
        torch.cuda.set_device(number)
    together.init_process_group(
        backend, init_method="tcp://127.0.0.1:%d" % port, rank=number, world_size=world,
        timeout=datetime.timedelta(seconds=limit),
    )
    for size in sizes:
        taken, right = [], True
        for _ in range(6):
            numbers = torch.full((size // 4,), float(number + 1), device=device)
            began = time.perf_counter()
            together.all_reduce(numbers)
            right = right and bool((numbers == world * (world + 1) / 2).all())
            taken.append(time.perf_counter() - began)
        print(json.dumps({"bytes": size, "right": right, "ms": sorted(taken[1:])[2] * 1000}), flush=True)


def run(more):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    words, env = [*sys.orig_argv[:3], *sys.argv[1:5]], {**os.environ, **more}
    ranks = [
        subprocess.Popen([*words, str(number), port], env=env, stdout=-1, stderr=-1, text=True, start_new_session=True)
        for number in range(world)
    ]
    end = time.monotonic() + limit
    try:
        texts = [one.communicate(timeout=max(0.1, end - time.monotonic())) for one in ranks]
    except subprocess.TimeoutExpired:
        return {"hangs": True}
    finally:
        for one in ranks:
            if one.poll() is None:
                os.killpg(one.pid, signal.SIGKILL)
                one.wait()
    for one, (_, errors) in zip(ranks, texts):
        if one.returncode:
            return {"failed": (errors.strip().splitlines() or ["exit code %d" % one.returncode])[-1]}
    return {"sums": [json.loads(line) for out, _ in texts for line in out.splitlines() if line.startswith("{")]}


if len(sys.argv) > 5:
    rank(int(sys.argv[5]), int(sys.argv[6]))
else:
    print(json.dumps({"own": run({}), "control": run({"NCCL_P2P_DISABLE": "1"})}))
"""
"""It needs Python 3.10 and torch, and beside vLLM 0.6 GiB free on each GPU."""

Word = Literal["healthy", "hang", "wrong", "inconclusive"]


def command(world: int, *, backend: str = "nccl", limit_s: float = RUN_S) -> tuple[str, ...]:
    """What is run in the container.

    Args:
        world: how many GPUs compute together, one process each.
        backend: of torch.distributed; `gloo` computes on CPUs.
        limit_s: of each of the two runs; what is left of it then is killed.
    """
    return ("python3", "-c", _SCRIPT, backend, str(world), str(limit_s), json.dumps(SIZES))


@dataclass(frozen=True, slots=True)
class Run:
    """One run of all ranks.

    Attributes:
        state: `right`, `wrong`, `hangs` or `failed`.
        ms: the slowest rank's median by bytes.
        reason: of a failed one, the last line that a rank wrote.
    """

    state: Literal["right", "wrong", "hangs", "failed"]
    ms: tuple[tuple[int, float], ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Collective:
    """The run as the server itself runs, and the control run without peer-to-peer."""

    own: Run
    control: Run

    @property
    def word(self) -> Word:
        """What the two together say: a fault is peer-to-peer's only where the control is right."""
        if self.own.state == "right":
            return "healthy"
        if self.control.state != "right" or self.own.state == "failed":
            return "inconclusive"
        return "hang" if self.own.state == "hangs" else "wrong"


def parse_collective(text: str) -> Collective | None:
    """Read the last line that the command prints; None where it is no such line."""
    try:
        runs = json.loads(text.splitlines()[-1])
        return Collective(_run(runs["own"]), _run(runs["control"]))
    except (ValueError, TypeError, LookupError):
        return None


def _run(run: dict[str, Any]) -> Run:
    if "hangs" in run:
        return Run("hangs")
    if "failed" in run:
        return Run("failed", reason=str(run["failed"]))
    sums = run["sums"]
    right = bool(sums) and all(entry["right"] for entry in sums)
    sizes = dict.fromkeys(int(entry["bytes"]) for entry in sums)
    ms = tuple((size, max(float(entry["ms"]) for entry in sums if entry["bytes"] == size)) for size in sizes)
    return Run("right" if right else "wrong", ms)
