from __future__ import annotations

import pytest

from opskit.gpu.container import parse_visible, remedy_for

# NVIDIA/nvidia-container-toolkit#1227: on the host, and in a container after `systemctl daemon-reload`.
LISTED = """GPU 0: NVIDIA A10 (UUID: GPU-f15ae561-21b1-6003-c768-861fc285203b)
GPU 1: NVIDIA A10 (UUID: GPU-466be1f8-6148-1a27-a450-592604f3df54)
GPU 2: Tesla T4 (UUID: GPU-bf507abe-ec25-2053-5435-1c82511a3ae8)
"""
LOST = "Failed to initialize NVML: Unknown Error"


def test_the_gpus_are_read_in_their_order() -> None:
    wanted = ("f15ae561-21b1-6003-c768-861fc285203b", "466be1f8-6148-1a27-a450-592604f3df54")
    assert parse_visible(LISTED)[:2] == tuple(f"GPU-{name}" for name in wanted)
    assert parse_visible(LISTED.replace("\n", "\r\n")) == parse_visible(LISTED)
    assert len(parse_visible(LISTED)) == 3


@pytest.mark.parametrize("text", [LOST, "", "No devices found."])
def test_another_text_names_no_gpu(text: str) -> None:
    assert parse_visible(text) == ()


def test_a_mig_instance_is_no_gpu_of_its_own() -> None:
    line = "  MIG 1g.5gb Device 0: (UUID: MIG-c7384736-a75d-5afc-978f-d2f1294409fd)\n"
    assert parse_visible(LISTED + line) == parse_visible(LISTED)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LOST, "`docker restart p-vllm-1`, until the next `systemctl daemon-reload`; for good: "),
        ("Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 570.1", "reboot"),
        ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.", "modprobe nvidia"),
        ("Unable to determine the device handle for GPU0000:21:00.0: GPU is lost.  Reboot", "dmesg"),
        ("anything else", "`docker restart p-vllm-1` gives it its devices again"),
    ],
)
def test_each_way_to_lose_a_gpu_has_its_remedy(text: str, said: str) -> None:
    assert said in remedy_for(text, "p-vllm-1")


def test_the_lasting_remedy_of_a_reload_is_named() -> None:
    assert "native.cgroupdriver=cgroupfs" in remedy_for(LOST, "x")
