"""Grants by what inspect of a real Engine 20.10 says, shortened."""

from __future__ import annotations

from typing import Any

import pytest

from opskit.engine.grant import parse_grant
from opskit.engine.model import Grant

LABELS = {"com.docker.compose.project": "p", "com.docker.compose.service": "vllm"}


def inspected(*requests: dict[str, Any], pid: int = 8694) -> dict[str, Any]:
    host = {"DeviceRequests": list(requests) or None}
    return {"Id": "d6cc", "Name": "/p-vllm-1", "Config": {"Labels": LABELS}, "HostConfig": host, "State": {"Pid": pid}}


def request(driver: str, count: int, ids: list[str] | None, *capabilities: str) -> dict[str, Any]:
    return {"Driver": driver, "Count": count, "DeviceIDs": ids, "Capabilities": [list(capabilities)], "Options": {}}


@pytest.mark.parametrize(
    ("asked", "ids", "count"),
    [
        ([request("nvidia", 0, ["GPU-1", "GPU-2"], "gpu")], ("GPU-1", "GPU-2"), 0),
        ([request("nvidia", 0, ["GPU-1"], "gpu"), request("nvidia", 0, ["GPU-2"], "gpu")], ("GPU-1", "GPU-2"), 0),
        ([request("", 2, None, "gpu")], (), 2),
        ([request("nvidia", -1, None, "gpu")], (), -1),
        ([request("cdi", 0, ["nvidia.com/gpu=0"])], ("0",), 0),
        ([request("cdi", 0, ["nvidia.com/gpu=all"])], (), -1),
        ([request("cdi", 0, ["vendor.com/net=0"])], (), 0),
        ([], (), 0),
    ],
)
def test_every_way_to_ask_for_gpus_is_read(asked: list[dict[str, Any]], ids: tuple[str, ...], count: int) -> None:
    grant = parse_grant(inspected(*asked))
    assert grant == Grant("d6cc", "p-vllm-1", "p", "vllm", 8694, ids, count)
    assert grant.any is bool(ids or count)


def test_a_container_that_does_not_run_has_no_process() -> None:
    assert parse_grant(inspected(pid=0)).pid is None
