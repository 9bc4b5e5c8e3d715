from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opskit.compose.model import Stack, parse_stack
from opskit.engine.facts import ContainerFact, NetworkFact
from opskit.host.model import Kernel
from opskit.preflight.checks.network import (
    check_container_left,
    check_container_name,
    check_external_present,
    check_network_bridge,
    check_network_chain,
    check_network_filter,
    check_network_foreign,
    check_network_subnet,
    check_network_unique,
)
from opskit.preflight.finding import Finding, Verdict
from tests.facts import engine, volume


def stack(networks: dict[str, Any] | None = None, volumes: dict[str, Any] | None = None, **service: Any) -> Stack:
    services = {"one": {"image": "x:1", **service}}
    return parse_stack({"name": "p", "services": services, "networks": networks or {}, "volumes": volumes or {}})


def fixed(subnet: str) -> Stack:
    return stack({"net": {"name": "p_net", "ipam": {"config": [{"subnet": subnet}]}}})


def network(name: str, project: str | None, *subnets: str, id_: str = "abcdef0123456789") -> NetworkFact:
    return NetworkFact(id_, name, project, subnets)


def verdicts(findings: tuple[Finding, ...]) -> list[Verdict]:
    return [finding.verdict for finding in findings]


@pytest.mark.parametrize(
    ("subnet", "verdict"),
    [("172.25.0.0/24", Verdict.FAIL), ("172.25.1.0/24", Verdict.PASS), ("172.24.0.0/15", Verdict.FAIL)],
)
def test_a_fixed_subnet_that_another_network_has_fails_and_names_it(subnet: str, verdict: Verdict) -> None:
    (finding,) = check_network_subnet(fixed(subnet), [network("monitoring", "other", "172.25.0.0/24")], Kernel())
    assert finding.verdict is verdict
    assert verdict is Verdict.PASS or "network monitoring (172.25.0.0/24)" in finding.found


def test_a_route_of_the_host_counts_and_the_stacks_own_network_does_not() -> None:
    mine = [network("p_net", "p", "10.8.0.0/16")]
    assert verdicts(check_network_subnet(fixed("10.8.0.0/16"), mine, Kernel(routes=("10.8.0.0/16",)))) == [Verdict.PASS]
    (finding,) = check_network_subnet(fixed("10.8.0.0/16"), [], Kernel(routes=("10.8.4.0/24",)))
    assert "a route of the host (10.8.4.0/24)" in finding.found


def test_a_network_without_a_fixed_subnet_is_not_judged() -> None:
    assert check_network_subnet(stack({"net": None}), [network("x", None, "10.0.0.0/8")], Kernel()) == ()


def test_two_networks_of_one_name_fail_with_the_command_that_removes_them() -> None:
    two = [network("p_net", "p", id_="1" * 64), network("p_net", "p", id_="2" * 64)]
    (finding,) = check_network_unique(stack(), two)
    assert finding.verdict is Verdict.FAIL
    assert finding.remedy == f"stop the environment, then `docker network rm {'1' * 12} {'2' * 12}`"
    assert verdicts(check_network_unique(stack(), two[:1])) == [Verdict.PASS]


@pytest.mark.parametrize(("project", "found"), [(None, "by hand"), ("other", "by project other")])
def test_a_network_somebody_else_made_under_our_name_fails(project: str | None, found: str) -> None:
    mine = stack({"net": {"name": "shared"}})
    (finding,) = check_network_foreign(mine, [network("shared", project)])
    assert finding.verdict is Verdict.FAIL
    assert found in finding.found
    assert check_network_foreign(mine, [network("shared", "p")]) == ()


def test_an_external_network_and_volume_must_be_there() -> None:
    needs = stack({"net": {"name": "out", "external": True}}, {"data": {"name": "kept", "external": True}})
    missing = check_external_present(needs, [], [])
    assert [(f.verdict, f.remedy) for f in missing] == [
        (Verdict.FAIL, "`docker network create out`"),
        (Verdict.FAIL, "`docker volume create kept`"),
    ]
    assert verdicts(check_external_present(needs, [network("out", None)], [volume("kept")])) == [Verdict.PASS] * 2


@pytest.mark.parametrize(("project", "verdict"), [("other", Verdict.FAIL), (None, Verdict.FAIL), ("p", Verdict.PASS)])
def test_a_fixed_container_name_must_be_free_or_ours(project: str | None, verdict: Verdict) -> None:
    held = ContainerFact("i", "fixed", project, "one", "Up", "running", "x:1", ())
    assert verdicts(check_container_name(stack(container_name="fixed"), [held])) == [verdict]
    assert check_container_name(stack(), [held]) == ()


@pytest.mark.parametrize(("on", "verdicts_"), [(True, [Verdict.PASS]), (False, [Verdict.WARN]), (None, [])])
def test_bridges_that_pass_no_filter_are_a_warning(on: bool | None, verdicts_: list[Verdict]) -> None:
    assert verdicts(check_network_filter(engine(bridge_filtered=on))) == verdicts_


@pytest.mark.parametrize(("links", "verdict"), [({"docker0", "lo"}, Verdict.PASS), ({"lo"}, Verdict.WARN)])
def test_a_bridge_that_somebody_took_away_is_a_warning(links: set[str], verdict: Verdict) -> None:
    there = [network("bridge", None)]
    assert verdicts(check_network_bridge(engine(), there, Kernel(links=frozenset(links)))) == [verdict]


def test_the_engine_s_own_bridge_may_have_another_name() -> None:
    there = [replace(network("bridge", None), link="br-own")]
    assert verdicts(check_network_bridge(engine(), there, Kernel(links=frozenset({"br-own"})))) == [Verdict.PASS]
    assert verdicts(check_network_bridge(engine(), there, Kernel(links=frozenset({"docker0"})))) == [Verdict.WARN]


def test_a_network_with_a_gateway_alone_takes_a_free_subnet() -> None:
    alone = stack({"own": {"ipam": {"config": [{"gateway": "10.1.0.1"}]}}})
    assert verdicts(check_network_subnet(alone, [], Kernel())) == []


def test_a_bridge_is_not_judged_where_there_is_none_by_choice_or_it_is_elsewhere() -> None:
    there, bare = [network("bridge", None)], Kernel(links=frozenset({"lo"}))
    assert check_network_bridge(engine(), [], bare) == ()
    assert check_network_bridge(engine(host="tcp://h:2375"), there, bare) == ()
    assert check_network_bridge(engine(security=("name=rootless",)), there, bare) == ()
    assert check_network_bridge(engine(), there, Kernel()) == ()


@pytest.mark.parametrize(
    ("name", "state", "project", "verdict"),
    [
        ("p-one-1", "running", "p", Verdict.PASS),
        ("p-one-1", "created", "p", Verdict.WARN),
        ("p-one-1", "created", "other", Verdict.PASS),
        ("0123456789ab_p-one-1", "running", "p", Verdict.WARN),
        ("0123456789a_p-one-1", "running", "p", Verdict.PASS),
    ],
)
def test_what_an_ended_launch_left_is_a_warning(name: str, state: str, project: str, verdict: Verdict) -> None:
    left = ContainerFact("i", name, project, "one", "?", state, "x:1", ())
    (finding,) = check_container_left(stack(), [left])
    assert finding.verdict is verdict
    assert verdict is Verdict.PASS or f"`docker rm -f {name}`" in finding.remedy


@pytest.mark.parametrize(
    ("there", "firewall", "wanted"),
    [
        (True, "", [Verdict.PASS]),
        (False, "", [Verdict.WARN]),
        (False, "iptables", [Verdict.WARN]),
        (False, "nftables", []),
        (None, "", []),
    ],
)
def test_a_firewall_that_lost_the_engine_s_chain_is_told(
    there: bool | None, firewall: str, wanted: list[Verdict]
) -> None:
    found = check_network_chain(replace(engine(), firewall=firewall), there=there)
    assert verdicts(found) == wanted
    assert all("restart docker" in finding.remedy for finding in found if finding.verdict is Verdict.WARN)
