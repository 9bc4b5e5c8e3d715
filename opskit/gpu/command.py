"""Reads the GPUs by running nvidia-smi, where Python cannot load NVML itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from opskit import process
from opskit.gpu.links import parse_link_status
from opskit.gpu.model import GpuUnavailable, Inventory
from opskit.gpu.query import FIELDS, inventory_from_answers, parse_query
from opskit.gpu.smi import ParseError, parse_topology
from opskit.process import Completed

_Result = TypeVar("_Result")
_QUERY = (f"--query-gpu={','.join(FIELDS)}", "--format=csv,noheader,nounits")


def read_inventory_by_command(unavailable: GpuUnavailable, *, timeout_s: float) -> Inventory | GpuUnavailable:
    """Read what nvidia-smi tells: names, memory, links and topology; no processes and no peer-to-peer.

    Args:
        unavailable: why NVML cannot be read; the answer too where nvidia-smi is not there.
        timeout_s: for all that it is asked.
    """
    deadline = time.monotonic() + timeout_s

    def ask(*words: str) -> Completed:
        return process.run(("nvidia-smi", *words), timeout_s=max(0.1, deadline - time.monotonic()))

    asked = ask(*_QUERY)
    if asked.rc == process.MISSING:
        return unavailable
    listed = _read(asked, parse_query, "--query-gpu")
    if isinstance(listed, str):
        return GpuUnavailable(f"{unavailable.reason}; {listed}", unavailable.remedy)
    driver, gpus = listed
    notes = [f"read by nvidia-smi, since Python cannot read NVML: {unavailable.reason}"]
    topology = _read(ask("topo", "-m"), parse_topology, "topo -m")
    statuses = _read(ask("nvlink", "-s"), parse_link_status, "nvlink -s")
    notes += [answer for answer in (topology, statuses) if isinstance(answer, str)]
    return inventory_from_answers(
        driver,
        gpus,
        None if isinstance(topology, str) else topology,
        () if isinstance(statuses, str) else statuses,
        notes,
    )


def _read(done: Completed, parse: Callable[[str], _Result], what: str) -> _Result | str:
    """What nvidia-smi answered, or a sentence that says why there is no answer."""
    if done.rc:
        said = (done.stdout or done.stderr).strip().partition("\n")[0]
        return f"nvidia-smi {what}: exit status {done.rc}: {said or 'nothing was said'}"
    try:
        return parse(done.stdout)
    except ParseError as error:
        return str(error)
