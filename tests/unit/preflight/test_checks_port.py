from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opskit.compose.model import Stack, parse_stack
from opskit.engine.facts import ContainerFact, PublishedPort
from opskit.host.model import ListeningSocket
from opskit.preflight.checks.port import check_port_free, check_port_number, check_port_reserved, check_port_unique
from opskit.preflight.finding import Finding, Verdict
from opskit.unknown import Unknown


def port(published: int, ip: str = "127.0.0.1", protocol: str = "tcp") -> dict[str, Any]:
    return {"target": 80, "published": str(published), "host_ip": ip, "protocol": protocol}


def stack(**services: list[dict[str, Any]]) -> Stack:
    return parse_stack({"name": "ours", "services": {name: {"ports": ports} for name, ports in services.items()}})


def container(service: str | None, project: str | None, ip: str = "127.0.0.1", number: int = 6379) -> ContainerFact:
    name = f"{project}-{service}-1" if project else "lone"
    return ContainerFact("1", name, project, service, "Up", "running", "x", (PublishedPort(ip, number, "tcp"),))


def holder(ip: str, number: int = 6379, pid: int | None = 42, name: str | None = "redis-server") -> ListeningSocket:
    return ListeningSocket(ip, number, "tcp", pid, name)


REDIS = stack(redis=[port(6379)])


def judged(
    of: Stack, holders: list[ListeningSocket] | None = None, containers: list[ContainerFact] | None = None
) -> Finding:
    (finding,) = check_port_free(of, holders or [], containers or [])
    return finding


def test_a_free_port_passes() -> None:
    finding = judged(REDIS, [holder("127.0.0.1", 6380)])
    assert (finding.verdict, finding.subject, finding.found) == (Verdict.PASS, "redis 127.0.0.1:6379/tcp", "free")


def test_a_foreign_process_is_named_with_its_pid() -> None:
    finding = judged(REDIS, [holder("127.0.0.1")])
    assert (finding.verdict, finding.found) == (Verdict.FAIL, "held by redis-server (pid 42)")
    assert "kill 42" in finding.remedy
    assert "*_PORT" in finding.remedy


def test_a_process_that_may_not_be_seen_fails_too_and_says_who_may_see_it() -> None:
    finding = judged(REDIS, [holder("127.0.0.1", pid=None, name=None)])
    assert finding.verdict is Verdict.FAIL
    assert "may not see" in finding.found
    assert "sudo ss -lnp" in finding.remedy


def test_a_foreign_container_is_named_with_its_project_although_it_holds_no_socket() -> None:
    finding = judged(REDIS, [], [container("cache", "theirs")])
    assert (finding.verdict, finding.found) == (Verdict.FAIL, "held by container theirs-cache-1 of project theirs")
    assert "docker stop theirs-cache-1" in finding.remedy
    assert judged(REDIS, [], [container(None, None)]).found == "held by container lone"


def test_our_own_container_is_already_ours_and_its_proxy_is_not_a_stranger() -> None:
    finding = judged(REDIS, [holder("127.0.0.1", name="docker-proxy")], [container("redis", "ours")])
    assert (finding.verdict, finding.found) == (Verdict.PASS, "already ours")


def test_a_proxy_without_a_container_belongs_to_another_engine() -> None:
    finding = judged(REDIS, [holder("127.0.0.1", name="docker-proxy")])
    assert finding.verdict is Verdict.FAIL
    assert "another Engine" in finding.found


def test_a_proxy_of_our_own_container_between_two_restarts_is_not_a_stranger() -> None:
    restarting = replace(container("redis", "ours"), state="restarting", published=())
    assert judged(REDIS, [holder("127.0.0.1", name="docker-proxy")], [restarting]).verdict is Verdict.PASS
    assert judged(REDIS, [holder("127.0.0.1")], [restarting]).verdict is Verdict.FAIL
    another = replace(container("cache", "ours"), state="restarting", published=())
    assert judged(REDIS, [holder("127.0.0.1", name="docker-proxy")], [another]).verdict is Verdict.FAIL


TWO = stack(redis=[port(6379)], qdrant=[port(6333)])


def test_one_project_that_holds_several_ports_is_one_finding_with_one_remedy() -> None:
    own = [container("redis", "multimodal-staging-rehearsal"), container("qdrant", "multimodal-staging-rehearsal")]
    own[1] = replace(own[1], published=(PublishedPort("0.0.0.0", 6333, "tcp"),))
    (finding,) = check_port_free(TWO, [], own, "multimodal")
    assert (finding.verdict, finding.subject) == (Verdict.FAIL, "2 ports")
    assert finding.found == "6379, 6333: held by project multimodal-staging-rehearsal"
    assert finding.remedy == "`opskit stop staging --rehearse` (its data is kept), or ports=auto"
    assert "qdrant 127.0.0.1:6333/tcp: held by container multimodal-staging-rehearsal-qdrant-1" in finding.evidence[1]
    theirs = [replace(one, project="blog") for one in own]
    (finding,) = check_port_free(TWO, [], theirs, "multimodal")
    assert finding.remedy == "`docker compose -p blog stop`, or ports=auto"
    first, second = check_port_free(TWO, [], [own[0], theirs[1]], "multimodal")
    assert (first.subject, second.subject) == ("redis 127.0.0.1:6379/tcp", "qdrant 127.0.0.1:6333/tcp")


def test_proxies_of_another_engine_are_one_finding_and_processes_nobody_sees_are_several() -> None:
    proxies = [holder("127.0.0.1", number, pid=number, name="docker-proxy") for number in (6379, 6333)]
    (finding,) = check_port_free(TWO, proxies, [])
    assert finding.found == "6379, 6333: held by containers of another Engine on this host"
    assert finding.remedy == "stop them with its own Engine (`docker context ls`), or ports=auto"
    unseen = [holder("127.0.0.1", number, pid=None, name=None) for number in (6379, 6333)]
    assert len(check_port_free(TWO, unseen, [])) == 2
    free = check_port_free(stack(a=[port(8080)], b=[port(8080)]), [], [])
    assert [finding.verdict for finding in free] == [Verdict.PASS] * 2


def test_an_orphan_of_ours_holds_a_port_for_good_and_a_service_that_moves_may_let_it_go() -> None:
    moved = stack(redis=[port(6379)], cache=[port(6380)])
    findings = {f.subject.split()[0]: f for f in check_port_free(moved, [], [container("cache", "ours")])}
    assert findings["redis"].verdict is Verdict.WARN
    orphan = judged(REDIS, [], [container("old", "ours")])
    assert (orphan.verdict, orphan.remedy.split(";")[0]) == (Verdict.FAIL, "`docker rm -f ours-old-1`")


@pytest.mark.parametrize(
    ("wanted", "held", "taken"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("127.0.0.1", "0.0.0.0", True),
        ("0.0.0.0", "127.0.0.1", True),
        ("127.0.0.1", "::", True),  # a process's any-address of IPv6 mostly takes IPv4 too
        ("127.0.0.1", "::1", False),
        ("0.0.0.0", "::1", False),
        ("::", "127.0.0.1", False),  # the Engine's is IPv6 alone
        ("::", "::1", True),
        ("::1", "0.0.0.0", False),
        ("::1", "::", True),
        ("127.0.0.1", "::ffff:127.0.0.1", True),
        ("fe80::1", "fe80::1%eth0", True),
    ],
)
def test_addresses_exclude_each_other_when_they_meet(wanted: str, held: str, taken: bool) -> None:
    finding = judged(stack(redis=[port(6379, wanted)]), [holder(held)])
    assert finding.verdict is (Verdict.FAIL if taken else Verdict.PASS)


def test_a_container_s_any_address_of_ipv6_leaves_ipv4_free() -> None:
    assert judged(REDIS, [], [container("cache", "theirs", "::")]).verdict is Verdict.PASS
    assert judged(REDIS, [], [container("cache", "theirs", "0.0.0.0")]).verdict is Verdict.FAIL
    assert judged(REDIS, [], [container("cache", "theirs", "")]).verdict is Verdict.FAIL


def test_udp_and_tcp_do_not_meet() -> None:
    assert judged(stack(log=[port(514, protocol="udp")]), [holder("0.0.0.0", 514)]).verdict is Verdict.PASS


def test_sockets_that_cannot_be_read_leave_the_containers_and_stop_nothing() -> None:
    taken, unread = check_port_free(REDIS, Unknown("no right", "be root"), [container("cache", "theirs")])
    assert (taken.verdict, unread.verdict, unread.stops) == (Verdict.FAIL, Verdict.SKIP, False)


def test_a_port_the_engine_picks_is_nobody_s() -> None:
    assert check_port_free(stack(a=[{"target": 80}]), [holder("0.0.0.0", 80)], []) == ()


def test_two_services_may_not_publish_one_port() -> None:
    (finding,) = check_port_unique(stack(report=[port(8080)], results=[port(8080, "0.0.0.0")]))
    assert (finding.check, finding.verdict) == ("port-unique", Verdict.FAIL)
    assert (finding.subject, finding.found) == ("results 0.0.0.0:8080/tcp", "report publishes it too")


@pytest.mark.parametrize(
    "other", [port(8081), port(8080, "127.0.0.2"), port(8080, protocol="udp"), port(8080, "::1"), {"target": 8080}]
)
def test_another_port_address_or_protocol_is_another_place(other: dict[str, Any]) -> None:
    (finding,) = check_port_unique(stack(a=[port(8080)], b=[other]))
    assert finding.verdict is Verdict.PASS


def test_replicas_may_not_publish_one_port() -> None:
    service = {"ports": [port(8001)], "deploy": {"replicas": 2}}
    (finding,) = check_port_unique(parse_stack({"name": "p", "services": {"worker": service}}))
    assert (finding.verdict, finding.found) == (Verdict.FAIL, "2 replicas publish it")
    (one,) = check_port_unique(
        parse_stack({"name": "p", "services": {"worker": {**service, "deploy": {"replicas": 1}}}})
    )
    assert one.verdict is Verdict.PASS


def test_a_stranger_on_a_port_of_the_stack_is_a_warning_though_this_environment_leaves_it_alone() -> None:
    held = [holder("0.0.0.0", 8006), holder("0.0.0.0", 8007), holder("0.0.0.0", 5432, None, None)]
    first, second = check_port_reserved(
        REDIS, held, [container("x", "multimodalist", number=8006)], "multimodal", (5432, 8006)
    )
    assert [f.verdict for f in (first, second)] == [Verdict.WARN, Verdict.WARN]
    assert (first.subject, first.found) == ("port 5432", "held by a process that this user may not see")
    assert (second.subject, second.found) == ("port 8006", "held by redis-server (pid 42)")


def test_sockets_that_cannot_be_read_are_not_taken_for_none() -> None:
    (finding,) = check_port_reserved(REDIS, Unknown("no right", "be root"), [], "multimodal", (5432,))
    assert (finding.verdict, finding.stops) == (Verdict.SKIP, False)


def test_the_stack_s_own_ports_and_those_of_its_other_environments_are_no_strangers() -> None:
    other = container("n8n", "multimodal-staging", number=5678)
    held = [holder("127.0.0.1", 6379), holder("127.0.0.1", 5678, name="docker-proxy")]
    assert [f.verdict for f in check_port_reserved(REDIS, held, [other], "multimodal", (5678, 6379))] == [Verdict.PASS]


@pytest.mark.parametrize(
    "text", ["99999", "abc", "-1", " 8000", "127.0.0.1:9", "8000-8010", "08000", "8000/udp", "0", "80 # mine"]
)
def test_what_is_no_port_is_named_with_its_variable(text: str) -> None:
    (finding,) = check_port_number({"VLLM_PORT": text, "N8N_PORT": "5678"})
    assert (finding.verdict, finding.subject, finding.found) == (Verdict.FAIL, "VLLM_PORT", repr(text))
    assert "65535" in finding.wanted
    assert "VLLM_PORT" in finding.remedy


def test_ports_that_are_ports_pass() -> None:
    (finding,) = check_port_number({"A_PORT": "1", "B_PORT": "65535"})
    assert finding.verdict is Verdict.PASS
