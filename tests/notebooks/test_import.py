from __future__ import annotations

import subprocess
import sys

HEAVY = {"docker", "pandas", "matplotlib", "papermill", "ipywidgets", "pynvml", "psutil"}


def test_importing_opskit_is_light() -> None:
    code = "import sys, opskit; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert HEAVY.isdisjoint(said.stdout.split())


def test_the_public_name_is_there() -> None:
    code = "import opskit; print(opskit.launch_project.__module__)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "opskit.launch"
