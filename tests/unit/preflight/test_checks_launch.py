from __future__ import annotations

from opskit.preflight.checks.engine import check_launch_free
from opskit.preflight.finding import Verdict


def test_a_launch_in_progress_fails_and_its_holder_is_named() -> None:
    (finding,) = check_launch_free("pid 7, user ada, since noon", "multimodal-staging")
    assert (finding.verdict, finding.found) == (Verdict.FAIL, "one in progress: pid 7, user ada, since noon")
    assert [f.verdict for f in check_launch_free("", "multimodal-staging")] == [Verdict.PASS]
