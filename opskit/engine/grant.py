"""Which GPUs each container was given, as inspect shows it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from opskit.engine.model import ONE_OFF_LABEL, PROJECT_LABEL, SERVICE_LABEL, Grant

if TYPE_CHECKING:
    from docker import DockerClient


def read_grants(client: DockerClient, projects: Collection[str]) -> tuple[Grant, ...]:
    """Every container of these Compose projects, by name; one that goes meanwhile is left out."""
    from docker.errors import NotFound  # noqa: PLC0415  docker is imported where it is used

    found = []
    for entry in client.api.containers(all=True, filters={"label": [PROJECT_LABEL]}):
        labels = entry["Labels"]
        if labels[PROJECT_LABEL] not in projects or labels.get(ONE_OFF_LABEL) == "True":
            continue
        try:
            found.append(parse_grant(client.api.inspect_container(entry["Id"])))
        except NotFound:
            continue
    return tuple(sorted(found, key=lambda grant: grant.name))


def parse_grant(data: Mapping[str, Any]) -> Grant:
    """Read what inspect says of one container.

    Source: Engine API 1.41 to 1.52, `HostConfig.DeviceRequests`: absent before 1.40, null where there is none; a CDI
    request names `nvidia.com/gpu=<id>`.
    """
    labels: Mapping[str, str] = data["Config"].get("Labels") or {}
    requests = [r for r in data["HostConfig"].get("DeviceRequests") or () if _is_gpu(r)]
    ids = [str(name).removeprefix("nvidia.com/gpu=") for r in requests for name in r.get("DeviceIDs") or ()]
    counts = [int(r.get("Count") or 0) for r in requests]
    everything = -1 in counts or "all" in ids
    return Grant(
        id=data["Id"],
        name=data["Name"].lstrip("/"),
        project=labels.get(PROJECT_LABEL, ""),
        service=labels.get(SERVICE_LABEL, ""),
        pid=data["State"].get("Pid") or None,
        device_ids=() if everything else tuple(ids),
        count=-1 if everything else sum(counts),
    )


def _is_gpu(request: Mapping[str, Any]) -> bool:
    asked = {word for words in request.get("Capabilities") or () for word in words}
    named = any(str(name).startswith("nvidia.com/gpu") for name in request.get("DeviceIDs") or ())
    return named or "gpu" in asked or request.get("Driver") == "nvidia"
