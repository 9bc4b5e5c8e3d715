"""The plan of a launch as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from opskit.compose.model import Service, Stack
from opskit.compose.plan import Step, changes
from opskit.show.tables import Table


def draw_plan(steps: Sequence[Step], stack: Stack, project: str, *, usual_s: float | None, rehearsal: bool) -> Table:
    """The steps, equal ones of a service as one row, beside what the service takes of the machine.

    Args:
        steps: the plan.
        stack: the resolved model.
        project: its Compose project.
        usual_s: seconds that earlier launches took; None where there was none.
        rehearsal: whether it is one.
    """
    rows = []
    for (kind, name, act, reason), count in Counter((s.kind, s.name, s.act, s.reason) for s in steps).items():
        service = stack.find(name) if kind == "container" else None
        what = f"{name} ({count} containers)" if count > 1 else name
        image = service.image or "" if service and act != "keep" else ""
        rows.append((kind, what, act, reason, image, _takes(service)))
    title = f"Plan for {project}"
    if not changes(steps):
        title += ": nothing changes"
    elif usual_s is not None:
        title += f"; earlier launches took {usual_s:.0f} s"
    return Table(title, ("kind", "name", "act", "why", "image", "takes"), rows, rehearsal)


def _takes(service: Service | None) -> str:
    """The ports and GPUs that a service takes of the machine."""
    if service is None:
        return ""
    ports = [f"{port.host_ip}:{port.published}" for port in service.ports if port.published is not None]
    given = service.devices if service.uses_gpus else ()
    gpus = [", ".join(device.device_ids) or ("all" if device.count == -1 else str(device.count)) for device in given]
    return ", ".join((*ports, *(f"GPU {gpu}" for gpu in gpus)))
