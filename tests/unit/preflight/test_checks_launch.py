from __future__ import annotations

from opskit.preflight.checks.engine import check_launch_free
from opskit.preflight.finding import Verdict

ON = ("multimodal-staging", "", "staging")


def test_a_launch_in_progress_fails_and_its_holder_is_named() -> None:
    (finding,) = check_launch_free("pid 7, user ada, since noon", *ON)
    assert (finding.verdict, finding.found) == (Verdict.FAIL, "one in progress: pid 7, user ada, since noon")
    assert [f.verdict for f in check_launch_free("", *ON)] == [Verdict.PASS]


def test_an_upgrade_that_was_interrupted_is_told_with_the_way_on_and_the_way_back() -> None:
    (finding,) = check_launch_free("", "multimodal-staging", "57fc732e864d", "staging")
    assert (finding.verdict, finding.found) == (
        Verdict.WARN,
        "an upgrade from release 57fc732e864d was interrupted",
    )
    assert "`opskit rollback staging` goes back, `opskit upgrade staging` goes on" in finding.remedy
    assert "-p confirm multimodal-staging" in finding.remedy
