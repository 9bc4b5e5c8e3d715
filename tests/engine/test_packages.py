"""Installing what a rehearsal lacks while another apt is at work, as on a fresh cloud machine: a real apt-get waits."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from opskit.rehearsal import packages

HOLD = """
import fcntl, sys, time
files = [open(path, "w") for path in sys.argv[1:]]
for file in files: fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(4)
"""
LISTS, DPKG = "/var/lib/apt/lists/lock", "/var/lib/dpkg/lock-frontend"


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("apt-get"), reason="root on Debian: a lock of apt is held")
def test_another_apt_at_work_is_waited_for_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "_PAUSE_S", 0.5)
    assert Path(DPKG).exists()
    told: list[str] = []
    with subprocess.Popen([sys.executable, "-c", HOLD, LISTS, DPKG], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        began = time.monotonic()
        packages.install_packages(["bash"], told.append)  # what every machine has: nothing changes
        assert time.monotonic() - began > 3
    assert told[0] == "installing bash"
    assert "waiting for another apt-get" in told
