from __future__ import annotations

from dataclasses import replace

import pytest

from opskit.compose.faults import Failure
from opskit.engine.facts import ContainerFact, PublishedPort
from opskit.preflight.facts import Facts
from opskit.preflight.finding import CRASHED, Verdict, id_of
from opskit.preflight.registry import CHECKS, run_check
from opskit.preflight.report import Report
from opskit.unknown import Unknown
from tests.facts import engine, facts, stack


def ids(found: Facts) -> set[str]:
    return {id_of(check) for check in CHECKS if run_check(check, found)}


def said(found: Facts) -> dict[str, Verdict]:
    return {finding.check: finding.verdict for finding in Report.from_facts(found).findings}


def test_a_sound_machine_passes_every_check() -> None:
    assert set(said(facts()).values()) == {Verdict.PASS}


def test_without_an_engine_one_finding_says_so_and_what_is_on_it_is_not_judged() -> None:
    found = said(facts(engine=Unknown("Docker Engine: gone", "start it")))
    assert found["engine-reachable"] is Verdict.FAIL
    assert not found.keys() & {"engine-storage", "network-unique", "image-present", "container-name", "secret-data"}
    assert found["memory-total"] is Verdict.PASS


def test_without_a_model_one_finding_says_so_and_the_machine_is_still_judged() -> None:
    found = said(facts(stack=Failure("yaml_invalid", None, "bad", (), "fix it")))
    assert (found["config-valid"], found["engine-storage"]) == (Verdict.FAIL, Verdict.PASS)
    assert not found.keys() & {"port-unique", "file-present", "image-present"}


def test_of_an_engine_elsewhere_this_machine_is_not_the_judge() -> None:
    found = said(facts(engine=engine(host="tcp://10.0.0.1:2375")))
    assert found["engine-local"] is Verdict.WARN
    assert not found.keys() & {"memory-total", "kernel-forward", "file-present", "engine-files"}
    assert found["image-present"] is Verdict.PASS


def test_of_an_engine_elsewhere_the_containers_still_hold_their_ports() -> None:
    other = ContainerFact("i", "web", None, None, "Up", "running", "x:1", (PublishedPort("0.0.0.0", 80, "tcp"),))
    publishing = stack(ports=[{"target": 80, "published": "80"}])
    found = facts(engine=engine(host="tcp://10.0.0.1:2375", containers=(other,)), stack=publishing)
    said_ = {(f.check, f.verdict) for f in Report.from_facts(found).findings if f.check.startswith("port-")}
    assert {("port-free", Verdict.FAIL), ("port-free", Verdict.SKIP), ("port-reserved", Verdict.SKIP)} <= said_


def test_the_engine_s_clock_is_compared_with_the_moment_it_was_asked() -> None:
    late = replace(facts().host, time_s=1795465790.0 + 30)
    assert said(facts(host=late))["engine-clock"] is Verdict.WARN
    assert said(facts(host=late, engine=engine(asked_s=1795465790.0)))["engine-clock"] is Verdict.PASS


def test_a_rehearsal_is_not_asked_for_the_toolkit() -> None:
    assert ids(facts()) - ids(facts(rehearsal=True)) >= {"gpu-toolkit", "gpu-cgroup"}


@pytest.mark.parametrize(("required", "stops"), [(True, True), (False, False)])
def test_an_unread_fact_skips_the_checks_that_need_it_with_the_reason(required: bool, stops: bool) -> None:
    why = Unknown("networks: no answer within 10 s", "look at `docker info`", required)
    found = facts(engine=engine(networks=why))
    skips = [f for f in Report.from_facts(found).findings if f.verdict is Verdict.SKIP]
    assert {f.check for f in skips} == {
        "network-unique",
        "network-foreign",
        "network-subnet",
        "network-bridge",
        "external-present",
    }
    assert {(f.found, f.remedy, f.stops) for f in skips} == {(why.reason, why.remedy, stops)}


def test_whatever_is_missing_no_check_crashes() -> None:
    sound, why = facts(), Unknown("no", "")
    machines = [
        facts(host=replace(sound.host, memory=why, sockets=why, daemon=why, disk_use=why)),
        facts(files=why, compose=why, model=why, hub=why),
        facts(inventory=Unknown("no driver", "install it")),
        facts(engine=engine(containers=why, images=why, networks=why, volumes=why)),
    ]
    for machine in machines:
        assert CRASHED not in said(machine)
