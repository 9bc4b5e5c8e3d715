from __future__ import annotations

from typing import Any

import pytest

from opskit.compose.model import Stack, parse_stack
from opskit.host.kernel import parse_routes
from opskit.host.model import Kernel
from opskit.preflight.checks.host import (
    check_kernel_forward,
    check_kernel_maps,
    check_kernel_module,
    check_kernel_overcommit,
)
from opskit.preflight.finding import Verdict
from opskit.unknown import Unknown
from tests.facts import engine, facts


def stack(image: str, **more: Any) -> Stack:
    service = {"image": image, "ports": [{"target": 9200, "published": "9200"}], **more}
    return parse_stack({"name": "p", "services": {"one": service}})


@pytest.mark.parametrize(("found", "verdict"), [(262144, Verdict.PASS), (262143, Verdict.FAIL), (None, Verdict.SKIP)])
def test_elasticsearch_demands_memory_maps(found: int | None, verdict: Verdict) -> None:
    (finding,) = check_kernel_maps(
        stack("docker.elastic.co/elasticsearch/elasticsearch:9"), Kernel({"vm.max_map_count": found})
    )
    assert finding.verdict is verdict
    assert verdict is Verdict.PASS or "sysctl -w vm.max_map_count=262144" in finding.remedy


def test_a_single_node_only_warns_of_it() -> None:
    alone = stack("elasticsearch:9", environment={"discovery.type": "single-node"})
    (finding,) = check_kernel_maps(alone, Kernel({"vm.max_map_count": 65530}))
    assert finding.verdict is Verdict.WARN


def test_without_elasticsearch_or_redis_nothing_is_said() -> None:
    assert check_kernel_maps(stack("nginx:1"), Kernel()) == ()
    assert check_kernel_overcommit(stack("oliver006/redis_exporter:v1"), Kernel()) == ()


@pytest.mark.parametrize(("found", "verdict"), [(1, Verdict.PASS), (0, Verdict.WARN)])
def test_redis_wants_overcommit(found: int, verdict: Verdict) -> None:
    (finding,) = check_kernel_overcommit(stack("redis:8"), Kernel({"vm.overcommit_memory": found}))
    assert finding.verdict is verdict


@pytest.mark.parametrize(("found", "verdict"), [(1, Verdict.PASS), (0, Verdict.FAIL)])
def test_containers_need_forwarding(found: int, verdict: Verdict) -> None:
    (finding,) = check_kernel_forward(Kernel({"net.ipv4.ip_forward": found}), engine())
    assert finding.verdict is verdict


def test_a_rootless_engine_forwards_by_itself() -> None:
    assert check_kernel_forward(Kernel({"net.ipv4.ip_forward": 0}), engine(security=("name=rootless",))) == ()
    assert check_kernel_forward(Kernel({"net.ipv4.ip_forward": 0}), Unknown("no Engine", ""))[0].verdict is Verdict.FAIL


def test_routes_are_read_without_the_default_one() -> None:
    text = (
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "eth0\t0002A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
        "docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
    )
    assert parse_routes(text) == ("192.168.2.0/24", "172.17.0.0/16")


@pytest.mark.parametrize(
    ("modules", "verdict"), [({"nvidia", "nvidia_uvm", "overlay"}, Verdict.PASS), ({"nvidia"}, Verdict.FAIL)]
)
def test_cuda_wants_both_its_modules(modules: set[str], verdict: Verdict) -> None:
    placement, kernel = facts().placement, Kernel(modules=frozenset(modules))
    (finding,) = check_kernel_module(placement, engine(), kernel, facts().inventory)
    assert finding.verdict is verdict
    assert verdict is Verdict.PASS or finding.remedy == "`sudo modprobe nvidia_uvm`"


def test_modules_are_not_judged_elsewhere_or_unread() -> None:
    placement = facts().placement
    silent, none = Unknown("no driver", "install it"), Kernel(modules=frozenset())
    assert check_kernel_module(placement, engine(host="tcp://h:2375"), none, silent) == ()
    assert check_kernel_module(placement, engine(), Kernel(), silent) == ()


def test_modules_that_gpus_answer_without_are_not_wanted() -> None:
    placement, wsl = facts().placement, Kernel(modules=frozenset({"dxgkrnl"}))
    assert check_kernel_module(placement, engine(), wsl, facts().inventory) == ()
    (finding,) = check_kernel_module(placement, engine(), wsl, Unknown("no driver", "install it"))
    assert finding.verdict is Verdict.FAIL
