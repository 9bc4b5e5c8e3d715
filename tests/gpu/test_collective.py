"""The all-reduce of `measure`, run as in a container: ranks in processes of their own, faults, and nothing left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from opskit.gpu.collective import Collective, command, parse_collective

TORCH = '''"""STAND-IN for PyTorch: what the script uses of it, for tensors of one value, summed over TCP."""


class Tensor:
    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return Tensor(self.value == other)

    def all(self):
        return self.value


def full(shape, value, device):
    assert shape[0] in (1, 4 * 2**20) and device == "cpu"
    return Tensor(value)
'''
DISTRIBUTED = """import os, socket, time

LINKS = []


def init_process_group(backend, init_method, rank, world_size, timeout):
    assert backend == "gloo" and timeout.total_seconds() > 0
    port = int(init_method.rpartition(":")[2])
    if rank == 0:
        server = socket.create_server(("127.0.0.1", port))
        LINKS.extend(server.accept()[0].makefile("rw") for _ in range(world_size - 1))
        return
    while not LINKS:
        try:
            LINKS.append(socket.create_connection(("127.0.0.1", port)).makefile("rw"))
        except OSError:
            time.sleep(0.02)
    LINKS.append(None)


def all_reduce(tensor):
    fault = "" if os.environ.get("NCCL_P2P_DISABLE") == "1" else os.environ.get("FAULT", "")
    if fault == "hang" or os.environ.get("FAULT") == "hang always":
        time.sleep(600)
    if LINKS[-1] is None:
        tell(LINKS[0], tensor.value)
        tensor.value = float(LINKS[0].readline())
    else:
        tensor.value += sum(float(link.readline()) for link in LINKS)
        tensor.value += fault == "wrong"
        for link in LINKS:
            tell(link, tensor.value)


def tell(link, value):
    link.write("%r\\n" % value)
    link.flush()
"""


@pytest.fixture
def torch(tmp_path: Path) -> Path:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch/__init__.py").write_text(TORCH)
    (tmp_path / "torch/distributed.py").write_text(DISTRIBUTED)
    return tmp_path


def measured(folder: Path, fault: str = "", *, limit_s: float = 20.0) -> Collective | None:
    words = (sys.executable, *command(2, backend="gloo", limit_s=limit_s)[1:])
    environ = {**os.environ, "PYTHONPATH": str(folder), "FAULT": fault}
    environ.pop("NCCL_P2P_DISABLE", None)
    done = subprocess.run(words, env=environ, capture_output=True, text=True, check=False)
    return parse_collective(done.stdout)


def test_gpus_that_sum_rightly_are_healthy_with_a_time_for_each_size(torch: Path) -> None:
    collective = measured(torch)
    assert collective is not None
    assert (collective.word, collective.own.state, collective.control.state) == ("healthy", "right", "right")
    assert [size for size, ms in collective.own.ms if ms > 0] == [4, 16 * 2**20]


def test_a_hang_that_the_control_run_does_not_have_is_peer_to_peers_and_is_killed(torch: Path) -> None:
    before = time.monotonic()
    collective = measured(torch, "hang", limit_s=2.0)
    assert collective is not None
    assert (collective.word, collective.control.state) == ("hang", "right")
    assert time.monotonic() - before < 15
    left = [p for p in psutil.process_iter(["cmdline"]) if "all_reduce(numbers)" in " ".join(p.info["cmdline"] or ())]
    assert left == []


def test_wrong_sums_that_the_control_run_does_not_have_are_peer_to_peers(torch: Path) -> None:
    collective = measured(torch, "wrong")
    assert collective is not None
    assert (collective.word, collective.own.state) == ("wrong", "wrong")


def test_a_hang_without_peer_to_peer_too_and_no_torch_prove_nothing(torch: Path, tmp_path: Path) -> None:
    collective = measured(torch, "hang always", limit_s=2.0)
    assert collective is not None
    assert collective.word == "inconclusive"
    bare = measured(tmp_path / "none")
    assert bare is not None
    assert (bare.word, bare.own.reason) == ("inconclusive", "ModuleNotFoundError: No module named 'torch'")


@pytest.mark.parametrize("text", ["", "no JSON", "7", "[7]", '{"own": {}}', '{"own": {"sums": [{}]}, "control": {}}'])
def test_what_is_no_answer_of_the_script_is_none(text: str) -> None:
    assert parse_collective(text) is None
