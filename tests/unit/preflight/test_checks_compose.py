from __future__ import annotations

import pytest

from opskit.compose.faults import Failure
from opskit.compose.model import Compose, parse_stack
from opskit.preflight.checks.compose import check_compose_version, check_config_valid, check_variable_set
from opskit.preflight.finding import Verdict
from opskit.unknown import Unknown


@pytest.mark.parametrize(
    ("version", "verdict"),
    [((2, 19, 9), Verdict.FAIL), ((2, 20, 0), Verdict.PASS), ((2, 20, 1), Verdict.PASS), ((5, 0, 0), Verdict.PASS), ((1, 29, 2), Verdict.FAIL)],
)  # fmt: skip
def test_compose_must_be_2_20_or_newer(version: tuple[int, int, int], verdict: Verdict) -> None:
    (finding,) = check_compose_version(Compose(("docker", "compose"), version), (2, 20, 0))
    assert (finding.verdict, finding.wanted) == (verdict, "Compose 2.20.0 or newer")
    assert ".".join(map(str, version)) in finding.found


def test_no_compose_fails_with_what_was_seen_and_what_to_install() -> None:
    (finding,) = check_compose_version(Unknown("`docker compose`: no answer", "install it"), (2, 20, 0))
    assert (finding.verdict, finding.found) == (Verdict.FAIL, "`docker compose`: no answer")
    assert finding.remedy == "install it"


def test_files_that_do_not_resolve_fail_with_compose_s_own_words() -> None:
    (finding,) = check_config_valid(Failure("config_invalid", None, "the files are not valid", ("yaml: line 2: oops",), "fix it"))  # fmt: skip
    assert (finding.verdict, finding.remedy) == (Verdict.FAIL, "fix it")
    assert (finding.found, finding.evidence) == ("the files are not valid", ("yaml: line 2: oops",))


def test_files_that_resolve_pass() -> None:
    (finding,) = check_config_valid(parse_stack({"name": "p", "services": {"a": {}, "b": {}}}))
    assert (finding.verdict, finding.found) == (Verdict.PASS, "2 services")


def test_each_variable_without_a_value_is_a_finding_of_its_own() -> None:
    findings = check_variable_set({"B": False, "C": True, "A": False}, ".env.staging")
    assert [(f.subject, f.verdict) for f in findings] == [("A", Verdict.FAIL), ("B", Verdict.FAIL)]
    assert "A=… to .env.staging" in findings[0].remedy


@pytest.mark.parametrize("demanded", [{}, {"A": True}])
def test_all_set_is_one_pass(demanded: dict[str, bool]) -> None:
    assert [f.verdict for f in check_variable_set(demanded, ".env.x")] == [Verdict.PASS]
