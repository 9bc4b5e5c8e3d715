"""Facts for the checks: a sound machine and environment, and what one changed part makes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from opskit.compose.model import Compose, Stack, parse_stack
from opskit.engine.facts import EngineFacts, VolumeFact
from opskit.engine.usage import DiskUse
from opskit.environments import Environment
from opskit.gpu.model import Gpu, Inventory
from opskit.gpu.placement import place
from opskit.host.model import Files, Host, Kernel, Memory
from opskit.llm.huggingface import Hub
from opskit.preflight.facts import Facts
from opskit.unknown import Unknown

GIB = 1024**3
ENVIRONMENT = Environment(
    name="staging", purpose="a test", compose=("c.yml",), gpu={"single": "s.yml", "cpu": "c.yml"}, memory_gib=4
)


def engine(**changed: Any) -> EngineFacts:
    """An Engine with nothing on it."""
    sound = EngineFacts(
        host="unix:///d.sock",
        version="28.2.2",
        api_version="1.50",
        storage_driver="overlay2",
        root="/var/lib/docker",
        memory_bytes=64 * GIB,
        cpus=8,
        runtimes=frozenset({"runc", "nvidia"}),
        time="2026-11-23T20:29:50Z",
        containers=(),
        images=frozenset({"redis:8"}),
        networks=(),
        volumes=(),
    )
    return replace(sound, **changed)


def volume(name: str, project: str = "p") -> VolumeFact:
    return VolumeFact(name, project, name, f"/var/lib/docker/volumes/{name}/_data")


def memory(free: int, total: int | None = None) -> Memory:
    return Memory(free if total is None else total, free, 0, 0)


def stack(**service: Any) -> Stack:
    return parse_stack({"name": "multimodal-staging", "services": {"redis": {"image": "redis:8", **service}}})


def facts(**changed: Any) -> Facts:
    """A machine on which a small environment can start."""
    gpu = Gpu(0, uuid="GPU-0", name="RTX 3090", memory_total_bytes=24 * GIB, memory_free_bytes=23 * GIB)
    inventory = Inventory("575.1", None, (12, 9), (gpu,), (), (), "nvml")
    settings = {"vm.max_map_count": 262144, "vm.overcommit_memory": 1, "net.ipv4.ip_forward": 1}
    sound = Facts(
        environment=ENVIRONMENT,
        project="multimodal-staging",
        rehearsal=False,
        need_bytes=4 * GIB,
        compose=Compose(("docker", "compose"), (5, 6, 1)),
        engine=engine(),
        stack=stack(),
        inventory=inventory,
        placement=place("auto", inventory, {"single": "s.yml", "cpu": "c.yml"}),
        model=Unknown("no model server", ""),
        host=Host("h", "ada", 1795465790.0, Kernel(settings, ()), memory(64 * GIB), (), disk_use=DiskUse(())),
        files=Files({}, {}),
        demanded={},
        unmade=(),
        hub=Hub("https://huggingface.co"),
        pulls=(),
    )
    return replace(sound, **changed)
