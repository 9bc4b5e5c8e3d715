from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from opskit.rehearsal.stage import write_overlay

IMAGES = {"vllm": "opskit-rehearsal/vllm:stand-in", "retrieval-proxy": "opskit-rehearsal/retrieval-proxy:stand-in"}


def test_only_images_are_replaced(tmp_path: Path) -> None:
    stage = write_overlay(tmp_path / "new" / "overlay.yml", IMAGES, gpu_services=["vllm"], keep_reservations=True)
    services = yaml.safe_load(stage.overlay.read_text())["services"]
    assert services == {name: {"image": image, "pull_policy": "never"} for name, image in IMAGES.items()}


def test_the_stacks_own_images_are_named_by_their_variables(tmp_path: Path) -> None:
    stage = write_overlay(tmp_path / "o.yml", IMAGES, gpu_services=[], keep_reservations=True)
    assert stage.environ == {"RETRIEVAL_PROXY_IMAGE": "opskit-rehearsal/retrieval-proxy:stand-in"}


@pytest.mark.parametrize(("keep", "resets"), [(True, 0), (False, 1)])
def test_only_gpu_services_lose_a_reservation_the_engine_would_refuse(
    tmp_path: Path, *, keep: bool, resets: int
) -> None:
    stage = write_overlay(tmp_path / "o.yml", IMAGES, gpu_services=["vllm"], keep_reservations=keep)
    assert stage.overlay.read_text().count("!reset") == resets
