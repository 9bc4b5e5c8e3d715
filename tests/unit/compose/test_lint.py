from __future__ import annotations

import pytest

from opskit.errors import ConfigError
from opskit.lint.lint import RULES, LintFault
from tests.judged import faults, places, sound

OPEN = {"ports": [{"target": 80, "published": "80"}]}
REASON = "users on the network come by it"
LATEST = "services:\n  web:\n    image: redis:latest\n"


def accepting(rule: str, reason: str = REASON) -> dict[str, dict[str, str]]:
    return {"labels": {f"opskit.accept.{rule}": reason}}


def test_a_sound_stack_has_no_fault() -> None:
    assert faults({"web": sound()}) == ()


def test_every_rule_has_a_sentence() -> None:
    assert all(sentence.endswith(".") for sentence in RULES.values())


def test_a_fault_names_its_place_what_was_found_what_was_wanted_and_what_to_do() -> None:
    (fault,) = faults({"web": sound(mem_limit=None)})
    assert fault == LintFault(
        rule="memory-limit-missing",
        place="services/web/deploy/resources/limits",
        message="found no memory limit; wanted a memory limit",
        remedy="set deploy.resources.limits.memory to what it needs under load",
        accepted=None,
    )
    assert str(fault).startswith("services/web/deploy/resources/limits: found no memory limit; wanted")


def test_a_fault_accepted_with_a_reason_is_returned_with_it() -> None:
    (fault,) = faults({"web": sound(**OPEN, **accepting("port-open"))})
    assert (fault.rule, fault.accepted) == ("port-open", REASON)


def test_an_acceptance_counts_for_its_own_service_and_rule_only() -> None:
    found = faults({"web": sound(**OPEN, **accepting("port-open")), "other": sound(**OPEN, mem_limit=None)})
    assert [fault.place for fault in found if fault.rule == "port-open" and not fault.accepted] == [
        "services/other/ports/0"
    ]
    assert [fault.accepted for fault in found if fault.rule == "memory-limit-missing"] == [None]


def test_an_acceptance_without_a_reason_is_a_fault() -> None:
    found = {fault.rule: fault for fault in faults({"web": sound(**OPEN, **accepting("port-open", " "))})}
    assert found.keys() == {"port-open", "accept-unexplained"}
    assert found["accept-unexplained"].place == "services/web/labels/opskit.accept.port-open"


def test_an_acceptance_of_no_rule_is_a_fault_that_names_the_nearest() -> None:
    (fault,) = faults({"web": sound(**accepting("port-opened"))})
    assert (fault.rule, fault.remedy) == ("accept-unknown", "write one of port-open")


def test_a_fault_of_an_acceptance_cannot_be_accepted() -> None:
    assert places("accept-unknown", {"web": sound(**accepting("accept-stale"))})


def test_an_acceptance_that_nothing_needs_is_a_fault() -> None:
    assert places("accept-stale", {"web": sound(**accepting("port-open"))})
    assert not places("accept-stale", {"web": sound(**OPEN, **accepting("port-open"))})


def test_an_acceptance_of_what_nobody_looked_at_is_not_stale() -> None:
    web = sound(**accepting("host-path-missing"))
    assert not places("accept-stale", {"web": web}, present=None)
    assert places("accept-stale", {"web": web}, present={})


@pytest.mark.parametrize(
    "labels", ['{opskit.accept.image-floating: "try it"}', '["opskit.accept.image-floating=try it"]']
)
def test_a_fault_of_a_text_is_accepted_where_the_text_is(labels: str) -> None:
    (fault,) = faults(text=f"{LATEST}    labels: {labels}\n")
    assert (fault.place, fault.accepted) == ("c.yml: line 3", "try it")


def test_a_fault_of_a_text_is_not_accepted_by_another_service() -> None:
    text = f'{LATEST}  other:\n    labels: {{opskit.accept.image-floating: "try it"}}\n'
    assert [(f.rule, f.accepted) for f in faults(text=text)] == [("image-floating", None), ("accept-stale", None)]


def test_a_fault_between_two_services_is_accepted_by_either() -> None:
    local = {"ports": [{"target": 80, "published": "80", "host_ip": "127.0.0.1"}]}
    (fault,) = faults({"one": sound(**local, **accepting("port-published-twice")), "two": sound(**local)})
    assert fault.accepted == REASON


def test_a_text_that_is_no_yaml_is_named() -> None:
    with pytest.raises(ConfigError, match=r"c\.yml: cannot be read as YAML"):
        faults(text="a: [")
