"""`nvidia-smi nvlink -s` as text: which links of each GPU are alive, and how fast."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from opskit.gpu.model import NvLink
from opskit.gpu.smi import ANSI, ParseError

_STATUS_GPU = re.compile(r"GPU (\d+): ([^:]+?)(?: \(UUID: ([^\s()]+)\))?(?:\s+((?:NVML: |Device does not ).*))?")
_STATUS_LINK = re.compile(r"Link (\d+): (.*)")
_SPEED = re.compile(r"(\d+\.\d+|\d+) GB/s")
# By driver NVLink or Nvlink, on a line of its own or behind the GPU.
_INACTIVE = "nvml: unable to retrieve nvlink information as all links are inactive"
_UNSUPPORTED = "device does not have or support nvlink"


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """What `nvlink -s` says of one GPU.

    Attributes:
        supported: False where the GPU has no NVLink at all; None where nothing is said of it.
        links: those it lists, by number; empty where all are inactive or there are none, None where nothing is said.
    """

    gpu: int
    name: str
    uuid: str | None
    supported: bool | None = None
    links: tuple[NvLink, ...] | None = None


def parse_link_status(text: str) -> tuple[LinkStatus, ...]:
    """Read the output of `nvidia-smi nvlink -s`, GPU by GPU.

    A link that is missing among others is not invented: some drivers leave an inactive one out.

    Raises:
        ParseError: no GPU in the output, or a line that is neither a link nor one of the tool's two sentences.

    Source: tests/data/topology/nvlink-s-3xa6000.txt; "does not have or support" is from reports.
    """
    lines = [line.strip() for line in ANSI.sub("", text).splitlines() if line.strip()]
    start = next((at for at, line in enumerate(lines) if _STATUS_GPU.fullmatch(line)), None)
    if start is None:
        raise ParseError(f"no GPU in the output; it says: {lines[0] if lines else 'nothing'}", what="nvlink -s")
    stray = next((line for line in lines[:start] if _STATUS_LINK.fullmatch(line)), None)
    if stray:
        raise ParseError("a link before the first GPU", what="nvlink -s", row="none", cell=stray)
    statuses: list[LinkStatus] = []
    for line in lines[start:]:
        found = _STATUS_GPU.fullmatch(line)
        if not found:
            statuses[-1] = _add_line(statuses[-1], line)
            continue
        if any(status.gpu == int(found[1]) for status in statuses):
            raise ParseError("the GPU is there twice", what="nvlink -s", row=f"GPU{found[1]}")
        status = LinkStatus(int(found[1]), found[2], found[3])
        statuses.append(_add_line(status, found[4]) if found[4] else status)
    return tuple(statuses)


def _add_line(status: LinkStatus, line: str) -> LinkStatus:
    row, said = f"GPU{status.gpu}", line.lower()
    if said in (_INACTIVE, _UNSUPPORTED) and status.supported is None:
        return replace(status, supported=said == _INACTIVE, links=())
    found = _STATUS_LINK.fullmatch(line)
    if not found:
        raise ParseError(
            "wanted `Link <n>: <speed> GB/s`, once, or why there is none", what="nvlink -s", row=row, cell=line
        )
    column, speed = f"Link {found[1]}", _SPEED.fullmatch(found[2])
    if status.supported is not None and not status.links:
        raise ParseError("a link, after it said that there is none", what="nvlink -s", row=row, column=column)
    links = status.links or ()
    if links and links[-1].link >= int(found[1]):
        raise ParseError(f"wanted a link after {links[-1].link}", what="nvlink -s", row=row, column=column)
    if found[2] != "<inactive>" and not (speed and float(speed[1])):
        problem = "wanted a speed in GB/s above zero, or <inactive>"
        raise ParseError(problem, what="nvlink -s", row=row, column=column, cell=found[2])
    speed_mb_s = round(float(speed[1]) * 1000) if speed else None
    link = NvLink(status.gpu, int(found[1]), "active" if speed else "inactive", speed_mb_s)
    return replace(status, supported=True, links=(*links, link))
