"""In which container a process on a GPU lives; NVML and the Engine both name processes as the host does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

_ID = re.compile(r"[0-9a-f]{64}")
_PROC = Path("/proc")


def read_homes(pids: Iterable[int], containers: Mapping[str, int], proc: Path = _PROC) -> Mapping[int, str | None]:
    """The id of the container that each process lives in: by its cgroup, or else by its pid namespace.

    Args:
        pids: as NVML lists them.
        containers: the first process of each container, by id; only they are found by their namespace.
        proc: where the kernel shows processes.

    Returns:
        By pid: an id; empty for a process of the host itself; None where neither can be read. None for all where the
        containers themselves are not found: inside a container, the same numbers are other processes.
    """
    spaces = {space: container for container, pid in containers.items() if (space := _read_space(proc, str(pid)))}
    spaces.pop(_read_space(proc, "self") or "", None)  # a container with `pid: host` has none of its own
    if not any(_read_home(proc, str(pid), spaces) == container for container, pid in containers.items()):
        return dict.fromkeys(pids)
    return {pid: _read_home(proc, str(pid), spaces) for pid in pids}


def _read_home(proc: Path, pid: str, spaces: Mapping[str, str]) -> str | None:
    try:
        found = parse_container_id((proc / pid / "cgroup").read_text(encoding="utf-8"))
    except OSError:
        found = None
    space = _read_space(proc, pid)
    return found or (None if found is None and space is None else spaces.get(space or "", ""))


def _read_space(proc: Path, pid: str) -> str | None:
    """Its pid namespace, `pid:[4026532570]`; only the process' own user and root may read it."""
    try:
        return str((proc / pid / "ns/pid").readlink())
    except OSError:
        return None


def parse_container_id(cgroup: str) -> str:
    """The innermost container's id in the text of /proc/<pid>/cgroup; empty where there is none.

    Source: Docker 20.10 to 29. `/docker/<id>` by cgroupfs, `docker-<id>.scope` by systemd; cgroup v1 has a line for
    each controller, v2 the line `0::` alone.
    """
    paths = [line.split(":", 2)[2] for line in cgroup.splitlines() if line.count(":") > 1]
    return next((ids[-1] for path in paths if (ids := _ID.findall(path))), "")


LIST_GPUS = ("nvidia-smi", "-L")
_LINE = re.compile(r"^GPU \d+: .+ \(UUID: (GPU-[0-9A-Za-z-]+)\)$", re.MULTILINE)

_RESTART = "`docker restart {container}`"
_FOR_GOOD = '`"exec-opts": ["native.cgroupdriver=cgroupfs"]` in /etc/docker/daemon.json, or CDI device names'
# The first phrase that is in the text says what became of the GPUs, and what brings them back.
_REMEDIES = {
    "initialize NVML: Unknown Error": f"{_RESTART}, until the next `systemctl daemon-reload`; for good: {_FOR_GOOD}",
    "Driver/library version mismatch": "the driver was upgraded under it: reboot this machine",
    "couldn't communicate with the NVIDIA driver": f"`sudo modprobe nvidia`, then {_RESTART}",
    "GPU is lost": "look for Xid in `sudo dmesg`, check power and riser, then reboot",
    "": f"{_RESTART} gives it its devices again; where that changes nothing, look for Xid in `sudo dmesg`",
}


def parse_visible(text: str) -> tuple[str, ...]:
    """The UUIDs, in the order of the listing.

    Source: `nvidia-smi -L` of driver 570.133.20, NVIDIA/nvidia-container-toolkit#1227.
    """
    return tuple(_LINE.findall(text.replace("\r", "")))


def remedy_for(text: str, container: str) -> str:
    """What brings the GPUs of a container back, by what nvidia-smi said in it.

    Source: NVIDIA/nvidia-container-toolkit#48 for the unknown error: a `systemctl daemon-reload` writes the device
    rules of the container's cgroup again, without those that the toolkit added.
    """
    found = next(remedy for phrase, remedy in _REMEDIES.items() if phrase in text)
    return found.replace("{container}", container)
