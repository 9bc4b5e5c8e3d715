from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from opskit.errors import GateClosedError, UsageError
from opskit.preflight.finding import Finding, Verdict, id_of
from opskit.preflight.registry import CHECK_IDS, refuse_unknown
from opskit.preflight.report import Report, Terms, judge


def finding(verdict: Verdict, check: str = "a-b", *, required: bool = True) -> Finding:
    return Finding(check, verdict, "subject", "this", "that", "do so", required=required)


def says(*verdicts: Verdict) -> tuple[Finding, ...]:
    return tuple(finding(verdict) for verdict in verdicts)


def check_that_raises(text: str) -> tuple[Finding, ...]:
    raise KeyError(text)


def test_the_worst_comes_first() -> None:
    report = judge([lambda: says(Verdict.PASS, Verdict.FAIL), lambda: says(Verdict.WARN, Verdict.SKIP)])
    assert [f.verdict.name for f in report.findings] == ["FAIL", "WARN", "SKIP", "PASS"]


def test_a_check_that_raises_is_shown_and_the_others_still_run() -> None:
    report = judge([partial(check_that_raises, "Driver"), lambda: says(Verdict.PASS)])
    first, second = report.findings
    assert (first.check, first.verdict, first.subject) == ("check-crashed", Verdict.FAIL, "that-raises")
    assert first.found == "KeyError: 'Driver'"
    assert second.verdict is Verdict.PASS


def test_the_gate_stops_once_and_names_every_stopping_finding_with_its_remedy() -> None:
    report = judge([lambda: (finding(Verdict.FAIL, "x-y"), finding(Verdict.SKIP, "s-t"), finding(Verdict.WARN, "w-v"))])
    with pytest.raises(GateClosedError) as caught:
        report.gate()
    lines = str(caught.value).splitlines()
    assert "2 finding(s)" in lines[0]
    assert [line.split("]")[0] for line in lines[1:]] == ["  [x-y", "  [s-t"]
    assert all(line.endswith("Remedy: do so") for line in lines[1:])


def test_a_skip_of_what_is_not_required_and_a_warning_let_pass() -> None:
    Report((finding(Verdict.WARN), finding(Verdict.SKIP, required=False), finding(Verdict.PASS))).gate()


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.SKIP])
def test_an_accepted_fault_is_a_warning_with_a_name_under_it(verdict: Verdict) -> None:
    (accepted,) = judge([lambda: says(verdict)], Terms(("a-b",), "ada")).findings
    assert (accepted.verdict, accepted.accepted_by) == (Verdict.WARN, "ada")


@pytest.mark.parametrize(("verdict", "strict"), [(Verdict.WARN, Verdict.FAIL), (Verdict.PASS, Verdict.PASS), (Verdict.SKIP, Verdict.SKIP)])  # fmt: skip
def test_strictly_a_warning_is_a_fault_unless_it_is_accepted(verdict: Verdict, strict: Verdict) -> None:
    says_so = [lambda: (finding(verdict, required=False),)]
    assert [f.verdict for f in judge(says_so, Terms(strict=True)).findings] == [strict]
    assert judge(says_so, Terms(("a-b",), "ada", strict=True)).stopping == ()


def test_accepting_leaves_what_does_not_stop_and_other_checks_alone() -> None:
    report = judge([lambda: (finding(Verdict.PASS), finding(Verdict.FAIL, "c-d"))], Terms(("a-b",), "ada"))
    assert [(f.verdict, f.accepted_by) for f in report.findings] == [(Verdict.FAIL, None), (Verdict.PASS, None)]


def test_one_finding_of_a_check_is_accepted_by_its_subject() -> None:
    one = finding(Verdict.FAIL)
    other = replace(one, subject="another")
    report = judge([lambda: (one, other)], Terms(("a-b:subject",), "ada"))
    assert [f.subject for f in report.stopping] == ["another"]
    refuse_unknown(["secret-data:GRAFANA_PASSWORD"])
    with pytest.raises(UsageError, match="found secret-date:GRAFANA_PASSWORD"):
        refuse_unknown(["secret-date:GRAFANA_PASSWORD"])


def test_a_check_is_called_after_its_function() -> None:
    assert id_of(partial(check_that_raises, "x")) == "that-raises"


def test_ids_are_stable() -> None:
    assert set(CHECK_IDS) >= {
        "engine-reachable", "engine-storage", "compose-version", "variable-set", "config-valid", "gpu-present", "gpu-link",
        "memory-total", "memory-available", "disk-free", "port-unique", "port-free", "file-present", "image-present",
        "secret-data", "gpu-budget", "check-crashed",
    }  # fmt: skip


def test_a_misspelt_id_is_refused_and_the_nearest_named() -> None:
    refuse_unknown(["port-free", "check-crashed"])
    with pytest.raises(UsageError, match=r"found prot-free, which no check is called. Did you mean port-free\?"):
        refuse_unknown(["memory-total", "prot-free"])
