"""Compiles the stand-in for libnvidia-ml.so.1, and reads the GPUs in a process that loads it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opskit.gpu.model import Inventory, inventory_from_json
from opskit.unknown import Unknown

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "tests/data/nvml/nvml.c"
_READ = """
import json, sys, time
from dataclasses import asdict
from opskit.gpu.model import to_json
from opskit.unknown import Unknown
from opskit.host.nvml import read_inventory
from opskit.gpu.placement import place
began = time.monotonic()
found = read_inventory(timeout_s=float(sys.argv[1]))
taken_s = time.monotonic() - began
unavailable = isinstance(found, Unknown)
inventory = asdict(found) if unavailable else to_json(found)
placement = asdict(place("auto", found, {mode: f"{mode}.yml" for mode in ("dual", "single", "cpu")}))
print(json.dumps([unavailable, inventory, placement, taken_s]))
"""


@dataclass(frozen=True)
class Seen:
    """What a process with the stand-in found: the inventory or why there is none, the placement, and how long it took."""

    found: Inventory | Unknown
    placement: Mapping[str, Any]
    taken_s: float

    @property
    def inventory(self) -> Inventory:
        assert isinstance(self.found, Inventory), self.found
        return self.found

    @property
    def reason(self) -> str:
        assert isinstance(self.found, Unknown), self.found
        return self.found.reason


See = Callable[..., Seen]
"""Reads with a scenario's variables, and `timeout_s`."""


def compile_library(gcc: str, folder: Path, *flags: str) -> Path:
    """Compile it into a folder, by the name that nvidia-ml-py loads; returns the folder, for LD_LIBRARY_PATH."""
    words = (gcc, "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", *flags, "-o", "libnvidia-ml.so.1")
    subprocess.run((*words, str(SOURCE)), cwd=folder, check=True, timeout=60)
    return folder


def read(folder: Path, timeout_s: float = 20.0, **environ: str) -> Seen:
    unavailable, found, placement, taken_s = run_script(folder, _READ, str(timeout_s), **environ)
    answer = Unknown(**found) if unavailable else inventory_from_json(found)
    return Seen(answer, placement, taken_s)


def run_script(folder: Path, script: str, *arguments: str, **environ: str) -> Any:
    """What a script prints as JSON in a process that loads the library of that folder."""
    words = (sys.executable, "-W", "error", "-c", script, *arguments)
    # The loader reads its path when the process starts. No nvidia-smi is on this PATH unless a test puts one there.
    env = {"PATH": str(folder), "PYTHONPATH": str(ROOT), "LD_LIBRARY_PATH": str(folder), **environ}
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
