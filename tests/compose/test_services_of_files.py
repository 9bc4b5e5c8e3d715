"""What the text of the Compose files tells of their services, beside the model that Compose itself resolves."""

from __future__ import annotations

import pytest

from opskit.compose.client import find_compose
from opskit.compose.source import read_service_names, read_source
from opskit.environments import GpuMode, read_environments
from opskit.paths import ENVIRONMENTS
from opskit.runbook.matrix import resolve

STACKS = {name: one for name, one in read_environments(ENVIRONMENTS).items() if one.act_on is None}


@pytest.mark.parametrize("mode", ["dual", "single", "cpu"])
@pytest.mark.parametrize("name", STACKS)
def test_the_files_name_each_service_and_each_reservation(name: str, mode: GpuMode) -> None:
    column = resolve(STACKS[name], mode, find_compose(), MULTIMODAL_WORKER_GPUS="0")
    services = {service.name for service in column.stack.services}
    assert services <= (read_service_names(column.files) or set())
    reserving = {service.name for service in column.stack.services if service.devices}
    assert read_source(column.files).reserving & services == reserving
