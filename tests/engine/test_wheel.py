"""What `pip install opskit && opskit init FOLDER` gives: the wheel, without the checkout, launches in rehearsal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkout import ROOT, Checkout, fresh_ports

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]
COPIED = ("compose", "configs", "sql", "notebooks")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's packages, in a folder that comes before the checkout's."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "-q")
    subprocess.run((*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(ROOT)), check=True)
    (built,) = folder.glob("*.whl")
    subprocess.run((*pip, "install", "--no-deps", "--target", str(folder / "site"), str(built)), check=True)
    return folder / "site"


def opskit(wheel: Path, folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPSKIT_")}
    command = [sys.executable, "-m", "opskit", *words]
    env = {**kept, "PYTHONPATH": str(wheel), **more}
    return subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, check=False)


def test_the_wheel_brings_what_a_checkout_has(wheel: Path, tmp_path: Path) -> None:
    nowhere = opskit(wheel, tmp_path, "start", "development")
    assert (nowhere.returncode, "opskit init FOLDER" in nowhere.stderr) == (1, True)
    assert opskit(wheel, tmp_path, "init", "stack").returncode == 0
    listed = subprocess.run(("git", "ls-files", *COPIED), cwd=ROOT, capture_output=True, text=True, check=True)
    wanted = {line: (ROOT / line).read_bytes() for line in listed.stdout.splitlines()}
    files = (path for name in COPIED for path in (tmp_path / "stack" / name).rglob("*"))
    copied = {str(p.relative_to(tmp_path / "stack")): p.read_bytes() for p in files if p.is_file()}
    assert copied == wanted
    again = opskit(wheel, tmp_path, "init", "stack")
    assert (again.returncode, "Nothing was written" in again.stderr) == (2, True)


def test_a_project_of_the_wheel_launches_in_rehearsal(wheel: Path, tmp_path: Path, checkout: Checkout) -> None:
    assert opskit(wheel, tmp_path, "init", "stack").returncode == 0
    stack = tmp_path / "stack"
    environments = stack / "configs/environments.yaml"
    own = environments.read_text().replace("project_prefix: multimodal", f"project_prefix: {checkout.prefix}")
    environments.write_text(own)
    more = {**fresh_ports(), "DOCKER_HOST": checkout.environ["DOCKER_HOST"]}
    done = opskit(wheel, stack, "start", "development", "--rehearse", **more)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(checkout.containers()) == 11
    assert list(stack.glob("audit/*/*/*/record.json"))
    done = opskit(wheel, stack / "notebooks", "stop", "development", "--rehearse", **more)  # from a folder below too
    assert done.returncode == 0, done.stdout + done.stderr
    assert checkout.containers() == {}
