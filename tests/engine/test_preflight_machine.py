"""What the machine lacks for real: kernel settings, GPUs, memory, an image; and what each printed remedy does."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from opskit.gpu.model import Inventory
from opskit.host.nvml import read_inventory
from opskit.preflight.finding import Verdict
from tests.checkout import Checkout
from tests.remedies import OVERRIDE, append, commands, follow, judge, trouble

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.images import Image

pytestmark = pytest.mark.engine


@pytest.mark.parametrize(
    ("check", "where", "setting"),
    [
        ("kernel-maps", ("monitoring", "elasticsearch"), ("vm.max_map_count", 262143)),
        ("kernel-overcommit", ("development", "redis"), ("vm.overcommit_memory", 0)),
    ],
)
def test_a_kernel_setting_that_is_too_low_is_raised_by_the_printed_command(
    checkout: Checkout, undo: ExitStack, check: str, where: tuple[str, str], setting: tuple[str, int]
) -> None:
    (env, service), (name, low) = where, setting
    file = Path("/proc/sys", *name.split("."))
    if not os.access(file, os.W_OK) or not shutil.which("sysctl"):
        pytest.skip(f"{file} cannot be written here, or there is no sysctl; apt-get install procps")
    undo.callback(file.write_text, file.read_text())
    file.write_text(str(low))
    (finding,) = trouble(checkout, check, env)
    assert (finding.verdict, finding.subject) == (Verdict.WARN, service)
    assert finding.found == f"{name} = {low}"
    assert follow(checkout, finding) == f"sysctl -w {name}={low + 1}"
    assert not trouble(checkout, check, env)


def test_two_gpus_that_are_not_there_are_asked_for_no_more_once_the_mode_says_so(checkout: Checkout) -> None:
    found = read_inventory()
    if isinstance(found, Inventory) and len(found.gpus) > 1:
        pytest.skip("two GPUs are here")
    (finding,) = trouble(checkout, "gpu-present", gpu="dual")
    assert (finding.verdict, finding.subject) == (Verdict.FAIL, "GPUs")
    assert finding.wanted == "2 GPU(s) for mode dual"
    other = "auto" if isinstance(found, Inventory) else "cpu"
    assert f"gpu={other}" in finding.remedy
    assert [f for f in judge(checkout, gpu=other) if f.check == "gpu-present" and f.stops] == []


def test_an_environment_that_needs_more_memory_than_there_is_fails_and_a_smaller_one_passes(
    checkout: Checkout, undo: ExitStack
) -> None:
    environments = checkout.root / "configs/environments.yaml"
    undo.callback(environments.write_text, environments.read_text())
    environments.write_text(environments.read_text().replace("memory_gib: 24", "memory_gib: 24000"))
    (finding,) = trouble(checkout, "memory-total")
    assert (finding.verdict, finding.wanted) == (Verdict.FAIL, "24000.0 GiB, less 5 %")
    assert "an environment that needs less" in finding.remedy
    assert not trouble(checkout, "memory-total", "testing")


def test_an_image_that_must_not_be_pulled_passes_once_it_is_loaded(
    checkout: Checkout, engine: DockerClient, undo: ExitStack, tmp_path: Path
) -> None:
    name = f"{checkout.prefix}:1"
    saved = tmp_path / "image.tar"
    saved.write_bytes(b"".join(image_of(engine, name).save(named=True)))
    engine.images.remove(name)
    append(checkout.root / OVERRIDE, f"  n8n: {{image: {name}, pull_policy: never}}\n", undo)
    (finding,) = [f for f in trouble(checkout, "image-present") if f.subject == "n8n"]
    assert finding.verdict is Verdict.FAIL
    assert f"{name} is not here" in finding.found
    assert commands(finding)[-1] == "docker load"
    (loaded,) = engine.images.load(saved.read_bytes())
    undo.callback(engine.images.remove, str(loaded.id), force=True)
    assert [f for f in trouble(checkout, "image-present") if f.subject == "n8n"] == []


def image_of(engine: DockerClient, name: str) -> Image:
    """An image of one small file, such as no other is."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        said = tarfile.TarInfo(name)
        archive.addfile(said)
    engine.api.import_image_from_data(layer.getvalue(), repository=name)
    return engine.images.get(name)
