"""What was measured inside the containers that hold GPUs: whether they see them, and how a copy goes; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from opskit.engine.model import Answer, Grant
from opskit.gpu.container import parse_visible, remedy_for
from opskit.gpu.model import Inventory
from opskit.gpu.peer import PeerCopy, parse_copies
from opskit.health.gpu import name_gpus
from opskit.preflight.finding import Finding, Verdict

_LEAST_SHARE = 0.5
"""Of what the links can do: a copy between two 3090 reaches nine tenths of it."""


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


def check_gpu_peer_copy(grant: Grant, answer: Answer, inventory: Inventory) -> tuple[Finding, ...]:
    """A copy between each two GPUs arrives whole, and over NVLink no slower than half of what the links can do.

    Args:
        grant: of the container it was made in; its GPUs are numbered there by their order on the bus.
        answer: of the measuring script.
        inventory: what the links can do.
    """
    check, wanted = "gpu-peer-copy", "copies between its GPUs that arrive whole"
    copies = parse_copies(answer.text)
    if copies is None:
        last = answer.text.splitlines()[-1].strip() if answer.text else f"exit code {answer.exit_code}"
        remedy = "an image with python3 and torch, and 0.6 GiB free on each GPU, is needed to measure it"
        return (Finding(check, Verdict.SKIP, grant.name, f"not measured: {last}", wanted, remedy, required=False),)
    ids = set(grant.device_ids)
    gpus = [gpu.index for gpu in inventory.gpus if not ids or gpu.names & ids]
    return tuple(_copied(grant, copy, gpus, inventory) for copy in copies)


def _copied(grant: Grant, copy: PeerCopy, gpus: list[int], inventory: Inventory) -> Finding:
    check = "gpu-peer-copy"
    a, b = (gpus[at] if at < len(gpus) else at for at in (copy.a, copy.b))
    subject = f"{grant.name}: GPU {a} to GPU {b}"
    speed = inventory.pair(a, b).bandwidth_gb_s
    wanted = "data that arrives whole" + ("" if speed is None else f", at {speed * _LEAST_SHARE:.1f} GB/s or more")
    way = "" if copy.peer else ", through the host"
    found = f"{copy.gb_s:.1f} GB/s{way}"
    if not copy.same:
        remedy = "set NCCL_P2P_DISABLE=1, give vLLM --disable-custom-all-reduce, and launch again"
        return Finding(check, Verdict.FAIL, subject, f"{found}, and the data arrived changed", wanted, remedy)
    if speed is None or copy.gb_s >= speed * _LEAST_SHARE:
        return Finding(check, Verdict.PASS, subject, found, wanted)
    remedy = "look at the bridge with `nvidia-smi nvlink -s` and `nvidia-smi topo -m`; see what else runs on the GPUs"
    return Finding(check, Verdict.WARN, subject, found, wanted, remedy)
