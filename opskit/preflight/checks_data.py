"""Checks of data on volumes against the programs that will read it; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from opskit.compose.model import Stack
from opskit.preflight.finding import Finding, Verdict


def check_data_version(stack: Stack, majors: Mapping[str, str]) -> tuple[Finding, ...]:
    """PostgreSQL's data is of the major its image has; another refuses to start on it, or starts beside it, empty.

    Args:
        stack: services whose image is a postgres are looked at.
        majors: of the data by volume key (`postgres_data`), where a volume holds some and this user may look.
    """
    rows = []
    for service in stack.services:
        image = re.search(r"(?:^|/)(?:postgres|pgvector):(?:.*-?pg)?(\d+)", service.image or "")
        for mount in service.mounts:
            if image and mount.kind == "volume" and mount.source in majors:
                found, wanted = majors[mount.source], image[1]
                good = found == wanted
                back = f"set image and mount of {service.name} back to those of PostgreSQL {found}"
                move = f"{back}, dump with `pg_dumpall`, and load that into {wanted} on a new volume"
                remedy = "" if good else move
                verdict = Verdict.PASS if good else Verdict.FAIL
                said = f"PostgreSQL {found}"
                rows.append(Finding("data-version", verdict, mount.source, said, f"PostgreSQL {wanted}", remedy))
    return tuple(rows)
