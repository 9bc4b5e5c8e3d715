"""What was measured inside the containers that hold GPUs: whether they see them, and compute together; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from opskit.engine.model import Answer, Grant
from opskit.gpu.collective import RUN_S, Run, parse_collective
from opskit.gpu.container import parse_visible, remedy_for
from opskit.health.gpu import name_gpus
from opskit.preflight.finding import Finding, Verdict

MIB = 2**20


def check_gpu_device_visible(grants: Iterable[Grant], answers: Mapping[str, Answer]) -> tuple[Finding, ...]:
    """Each container that was given GPUs still sees them.

    Args:
        grants: of running containers that were given some.
        answers: of `nvidia-smi -L` in each, by container id.
    """
    return tuple(_visible(grant, answers[grant.id]) for grant in grants)


def _visible(grant: Grant, answer: Answer) -> Finding:
    check, ids = "gpu-device-visible", set(grant.device_ids)
    wanted = name_gpus(grant.device_ids, grant.count)
    first = answer.text.splitlines()[0].strip() if answer.text else f"exit code {answer.exit_code}, and not a word"
    if "executable file not found" in answer.text:
        found, remedy = "its image has no nvidia-smi", "look from the host: `nvidia-smi`"
        return Finding(check, Verdict.SKIP, grant.name, found, wanted, remedy, required=False)
    if answer.exit_code is None:
        remedy = "run `nvidia-smi` on the host; where it hangs too, look for Xid in `sudo dmesg` and reboot"
        return Finding(check, Verdict.SKIP, grant.name, first, wanted, remedy, required=False)
    if answer.exit_code:
        return Finding(check, Verdict.FAIL, grant.name, f"lost: {first}", wanted, remedy_for(answer.text, grant.name))
    seen = parse_visible(answer.text)
    named = all(name.startswith("GPU-") for name in ids)
    right = set(seen) == ids if ids and named else len(seen) == (len(ids) or max(grant.count, 1)) or grant.count == -1
    found = ", ".join(seen) or "no GPU"
    if right and seen:
        return Finding(check, Verdict.PASS, grant.name, found, wanted)
    return Finding(check, Verdict.FAIL, grant.name, found, wanted, remedy_for("", grant.name))


def check_gpu_collective(grant: Grant, answer: Answer) -> tuple[Finding, ...]:
    """The GPUs of a container sum known values rightly and in time; where they do not, whether peer-to-peer is why.

    Args:
        grant: of the container it was run in.
        answer: of the command.
    """
    check, subject = "gpu-collective", f"{grant.name}: {name_gpus(grant.device_ids, grant.count)}"
    wanted = f"an all-reduce of 4 B and of 16 MiB that is right, within {RUN_S:.0f} s"
    collective = parse_collective(answer.text)
    if collective is None:
        last = answer.text.splitlines()[-1].strip() if answer.text else f"exit code {answer.exit_code}"
        remedy = "an image with python3 and torch, and 0.6 GiB free on each GPU, is needed to measure it"
        return (Finding(check, Verdict.SKIP, subject, f"not measured: {last}", wanted, remedy, required=False),)
    found = f"{collective.word}: {_tell(collective.own)}; without peer-to-peer {_tell(collective.control)}"
    if collective.word == "healthy":
        return (Finding(check, Verdict.PASS, subject, found, wanted),)
    if collective.word == "inconclusive":
        remedy = "look at the container's log and `sudo dmesg` for Xid; `nvidia-smi` shows what else is on the GPUs"
        return (Finding(check, Verdict.SKIP, subject, found, wanted, remedy, required=False),)
    remedy = (
        "put NCCL_P2P_DISABLE=1 and VLLM_CUSTOM_ALL_REDUCE=--disable-custom-all-reduce into the env file and launch "
    )
    remedy += "again; the BIOS settings IOMMU and ACS keep peer-to-peer from working"
    return (Finding(check, Verdict.FAIL, subject, found, wanted, remedy),)


def _tell(run: Run) -> str:
    if run.state == "hangs":
        return f"no answer within {RUN_S:.0f} s"
    if run.state == "failed":
        return f"not run ({run.reason})"
    times = ", ".join(f"{_size(size)} in {ms:.2f} ms" for size, ms in run.ms)
    return f"{'wrong sums, ' if run.state == 'wrong' else ''}{times}"


def _size(count: int) -> str:
    return f"{count} B" if count < MIB else f"{count // MIB} MiB"
