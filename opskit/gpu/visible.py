"""What `nvidia-smi -L` says inside a container: the GPUs it sees, or why it sees none; pure."""

from __future__ import annotations

import re

LIST_GPUS = ("nvidia-smi", "-L")
_LINE = re.compile(r"^GPU \d+: .+ \(UUID: (GPU-[0-9A-Za-z-]+)\)$", re.MULTILINE)

_ANEW = "`docker restart {container}`"
_FOR_GOOD = '`"exec-opts": ["native.cgroupdriver=cgroupfs"]` in /etc/docker/daemon.json, or CDI device names'
# The first phrase that is in the text says what became of the GPUs, and what brings them back.
_REMEDIES = {
    "initialize NVML: Unknown Error": f"{_ANEW}, until the next `systemctl daemon-reload`; for good: {_FOR_GOOD}",
    "Driver/library version mismatch": "the driver was upgraded under it: reboot this machine",
    "couldn't communicate with the NVIDIA driver": f"`sudo modprobe nvidia`, then {_ANEW}",
    "GPU is lost": "look for Xid in `sudo dmesg`, check power and riser, then reboot",
    "": f"{_ANEW} gives it its devices anew; where that changes nothing, look for Xid in `sudo dmesg`",
}


def parse_visible(text: str) -> tuple[str, ...]:
    """The UUIDs, in the order of the listing.

    Source: `nvidia-smi -L` of driver 570.133.20, NVIDIA/nvidia-container-toolkit#1227.
    """
    return tuple(_LINE.findall(text.replace("\r", "")))


def remedy_for(text: str, container: str) -> str:
    """What brings the GPUs of a container back, by what nvidia-smi said in it.

    Source: NVIDIA/nvidia-container-toolkit#48 for the unknown error: a `systemctl daemon-reload` writes the device
    rules of the container's cgroup anew, without those that the toolkit added.
    """
    found = next(remedy for phrase, remedy in _REMEDIES.items() if phrase in text)
    return found.replace("{container}", container)
