"""What is asked of containers that were given GPUs, on a real Engine; nvidia-smi and torch in them are stand-ins."""

from __future__ import annotations

import io
import os
import tarfile
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from docker.errors import APIError
from docker.types import DeviceRequest

from opskit.compose.client import Project, find_compose
from opskit.compose.model import parse_stack
from opskit.engine.client import ask_inside
from opskit.engine.grant import read_grants
from opskit.engine.model import PROJECT_LABEL, SERVICE_LABEL, Grant
from opskit.environments import Environment
from opskit.gpu.collective import command
from opskit.gpu.container import read_homes
from opskit.gpu.model import Gpu, Inventory, Pair
from opskit.gpu.placement import place
from opskit.health.gpu_inside import check_gpu_collective
from opskit.preflight.finding import Verdict
from opskit.runbook.status import Status
from opskit.runbook.verify_gpus import look_inside, verify_gpus
from tests.conftest import MARK, name

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

pytestmark = pytest.mark.engine

IDS = ("GPU-f15ae561-21b1-6003-c768-861fc285203b", "GPU-466be1f8-6148-1a27-a450-592604f3df54")
LISTING = "\n".join(f"GPU {at}: NVIDIA GeForce RTX 3090 (UUID: {uuid})" for at, uuid in enumerate(IDS))
SMI = "#!/bin/sh\n# A stand-in of a test: it prints what a real one was recorded to print.\ncat <<'END'\n{text}\nEND\nexit {code}\n"


@pytest.fixture
def project() -> str:
    return name()


@pytest.fixture
def box(start: Callable[..., Container], image_of: Callable[[str], str], project: str) -> Container:
    """A container of a project that was given two GPUs by their ids."""
    labels = {**MARK, PROJECT_LABEL: project, SERVICE_LABEL: "vllm"}
    asked = [DeviceRequest(driver="nvidia", device_ids=list(IDS), capabilities=[["gpu"]])]
    image = image_of("vllm")
    try:
        return start(image, ["120"], entrypoint=["sleep"], labels=labels, device_requests=asked)
    except APIError as error:
        if "could not select device driver" not in str(error):
            raise
        pytest.skip("this Engine has no NVIDIA driver, not even the rehearsal's")


def put(box: Container, path: str, text: str) -> None:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as tar:
        entry = tarfile.TarInfo(path)
        entry.size, entry.mode = len(text), 0o755
        tar.addfile(entry, io.BytesIO(text.encode()))
    box.put_archive("/", sink.getvalue())


def put_smi(box: Container, text: str, code: int = 0) -> None:
    put(box, "usr/local/bin/nvidia-smi", SMI.format(text=text, code=code))


def grant_of(engine: DockerClient, project: str) -> Grant:
    (grant,) = read_grants(engine, {project})
    return grant


def test_a_container_says_which_gpus_it_was_given(engine: DockerClient, box: Container, project: str) -> None:
    grant = grant_of(engine, project)
    assert (grant.id, grant.name, grant.service, grant.device_ids, grant.count) == (box.id, box.name, "vllm", IDS, 0)
    assert read_grants(engine, {"another"}) == ()


def test_its_process_is_told_from_one_of_the_host(engine: DockerClient, box: Container, project: str) -> None:
    grant = grant_of(engine, project)
    assert grant.pid
    homes = read_homes([grant.pid, os.getpid()], {grant.id: grant.pid})
    assert homes[grant.pid] == box.id
    assert homes[os.getpid()] != box.id


@pytest.mark.parametrize(
    ("text", "code", "verdict", "said"),
    [
        (LISTING, 0, Verdict.PASS, ", ".join(IDS)),
        (LISTING.splitlines()[0], 0, Verdict.FAIL, IDS[0]),
        ("Failed to initialize NVML: Unknown Error", 255, Verdict.FAIL, "lost: Failed to initialize NVML: Unknown Error"),
    ],
    ids=["both", "one", "lost"],
)  # fmt: skip
def test_the_gpus_that_a_container_sees_are_compared(
    engine: DockerClient, box: Container, project: str, *, text: str, code: int, verdict: Verdict, said: str
) -> None:
    put_smi(box, text, code)
    (finding,) = look_inside(engine, [grant_of(engine, project)])
    assert (finding.verdict, finding.found, finding.subject) == (verdict, said, box.name)


def test_an_image_without_nvidia_smi_says_so(engine: DockerClient, box: Container, project: str) -> None:
    (finding,) = look_inside(engine, [grant_of(engine, project)])
    assert (finding.verdict, finding.found) == (Verdict.SKIP, "its image has no nvidia-smi")
    assert box.name == finding.subject


def test_one_that_hangs_and_one_that_has_ended_cost_no_more_than_the_time_given(
    engine: DockerClient, box: Container, start: Callable[..., Container], busybox: str
) -> None:
    ended = start(busybox, ["true"])
    ended.wait()
    began = time.monotonic()
    answers = ask_inside(engine, [str(box.id), str(ended.id)], ["sleep", "8"], timeout_s=1)
    assert time.monotonic() - began < 3
    assert answers[str(box.id)].text == "sleep did not answer within 1 s"
    assert "is not running" in answers[str(ended.id)].text
    assert {answer.exit_code for answer in answers.values()} == {None}


def test_status_recognises_a_lost_gpu_and_looks_at_its_own_environments_alone(
    engine: DockerClient, engine_host: str, box: Container, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", engine_host)
    put_smi(box, "Failed to initialize NVML: Unknown Error", 255)
    prefix, _, last = project.rpartition("-")
    mine = Environment(name=last, purpose="x", compose=("c.yml",), memory_gib=1, prefix=prefix)
    monkeypatch.setattr("opskit.runbook.status.find_stacks", lambda _, **_more: [mine])
    shown = Status().gpus()
    assert shown.summary == "GPUs in containers: 1 FAIL"
    assert f"docker restart {box.name}" in str(shown)
    other = mine.model_copy(update={"name": "other"})
    monkeypatch.setattr("opskit.runbook.status.find_stacks", lambda _, **_more: [other])
    assert Status().gpus().summary == "GPUs in containers: nothing to check"
    assert engine.containers.get(str(box.id)).status == "running"


def test_after_a_launch_every_word_is_about_this_very_container(
    engine: DockerClient, engine_host: str, box: Container, project: str
) -> None:
    put_smi(box, LISTING)
    gpus = tuple(Gpu(at, uuid=uuid, name="RTX 3090", processes=()) for at, uuid in enumerate(IDS))
    here = Inventory("570", None, None, gpus, (), (Pair(0, 1, nvlinks=4, bandwidth_gb_s=56.25),), "nvml")
    launched = Project(find_compose(), project, (), engine_host=engine_host)

    def told(split: int, *ids: str) -> dict[str, Verdict]:
        devices = [{"driver": "nvidia", "device_ids": list(ids), "capabilities": ["gpu"]}]
        server = {
            "command": ["--tensor-parallel-size", str(split)],
            "deploy": {"resources": {"reservations": {"devices": devices}}},
        }
        stack = parse_stack({"name": project, "services": {"vllm": server}})
        placed = place("dual", here, {"dual": "multi.yml"})
        found = verify_gpus(engine, launched, stack, placement=placed, inventory=here, measure=True)
        return {finding.check: finding.verdict for finding in found}

    assert told(2, *IDS) == {
        "gpu-device-given": Verdict.PASS,
        "gpu-tensor-parallel": Verdict.PASS,
        "gpu-process-seen": Verdict.FAIL,  # NVML names none, and none of its memory is taken
        "gpu-device-visible": Verdict.PASS,
        "gpu-collective": Verdict.SKIP,  # no torch in the image
    }
    assert told(1, IDS[0])["gpu-device-given"] is Verdict.FAIL
    assert told(1, IDS[0])["gpu-tensor-parallel"] is Verdict.FAIL


def test_in_an_image_without_torch_nothing_is_proved_and_that_is_said(
    engine: DockerClient, box: Container, project: str
) -> None:
    grant = grant_of(engine, project)
    answer = ask_inside(engine, [grant.id], command(2), timeout_s=60)[grant.id]
    (finding,) = check_gpu_collective(grant, answer)
    assert finding.verdict is Verdict.SKIP
    assert finding.found.startswith("inconclusive: not run (ModuleNotFoundError: No module named 'torch')")
    assert "python3" not in str(box.top(ps_args="-eo pid,args")["Processes"])
