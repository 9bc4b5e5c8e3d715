from __future__ import annotations

import pytest

from opskit.compose.model import DeviceRequest, Ending, Mount, Port, parse_stack

# As `docker compose config --format json` of v5.6.1 prints it, shortened.
CONFIG = {
    "name": "p",
    "services": {
        "a": {
            "image": "x:1",
            "depends_on": {"init": {"condition": "service_completed_successfully", "required": True}},
            "deploy": {
                "replicas": 2,
                "resources": {
                    "limits": {"memory": "2147483648"},
                    "reservations": {
                        "devices": [{"driver": "nvidia", "device_ids": ["0", "1"], "capabilities": ["gpu"]}]
                    },
                },
            },
            "healthcheck": {"test": ["CMD", "true"]},
            "ports": [
                {"mode": "ingress", "host_ip": "127.0.0.1", "target": 80, "published": "8080", "protocol": "tcp"},
                {"mode": "ingress", "target": 81, "protocol": "udp"},
            ],
            "volumes": [
                {"type": "bind", "source": "/x/conf", "target": "/conf", "read_only": True},
                {"type": "volume", "source": "data", "target": "/data"},
            ],
            "restart": "unless-stopped",
        },
        "init": {"image": "x:1", "healthcheck": {"disable": True, "test": ["NONE"]}},
    },
    "secrets": {"s": {"name": "p_s", "file": "/x/s.txt"}, "e": {"name": "p_e", "environment": "E"}},
}


def test_the_model_says_what_config_said() -> None:
    a = parse_stack(CONFIG).service("a")
    assert a.ports == (Port("a", 80, 8080, "127.0.0.1", "tcp"), Port("a", 81, None, "0.0.0.0", "udp"))
    assert a.mounts == (Mount("a", "bind", "/x/conf", "/conf", True), Mount("a", "volume", "data", "/data", False))
    assert a.devices == (DeviceRequest("nvidia", None, ("0", "1"), ("gpu",)),)
    assert (a.replicas, a.memory_limit_bytes, a.healthcheck, a.restart) == (2, 2147483648, True, "unless-stopped")


def test_what_is_absent_has_the_meaning_compose_gives_it() -> None:
    init = parse_stack(CONFIG).service("init")
    assert (init.ports, init.replicas, init.memory_limit_bytes, init.healthcheck, init.restart) == (
        (),
        1,
        None,
        False,
        "no",
    )


@pytest.mark.parametrize(
    ("environment", "uses"),
    [({}, True), ({"CUDA_VISIBLE_DEVICES": "0,1"}, True), ({"CUDA_VISIBLE_DEVICES": None}, True)]
    + [({"CUDA_VISIBLE_DEVICES": hidden}, False) for hidden in ("", "-1")],
)
def test_a_service_uses_the_gpus_it_is_given_unless_they_are_hidden_from_it(
    environment: dict[str, str | None], uses: bool
) -> None:
    devices = {"resources": {"reservations": {"devices": [{"count": "all", "capabilities": ["gpu"]}]}}}
    services = {"a": {"deploy": devices, "environment": environment}, "b": {"environment": environment}}
    found = parse_stack({"name": "p", "services": services})
    assert (found.service("a").uses_gpus, found.service("b").uses_gpus) == (uses, False)


def test_only_published_ports_one_shots_and_host_files_are_gathered() -> None:
    stack = parse_stack(CONFIG)
    assert [port.published for port in stack.ports] == [8080]
    assert [s.name for s in stack.services if stack.ending(s) is Ending.MUST] == ["init"]
    assert stack.bind_sources == (("a", "/x/conf"), ("secrets/s", "/x/s.txt"))
