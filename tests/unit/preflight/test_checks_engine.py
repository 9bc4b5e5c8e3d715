from __future__ import annotations

import pytest

from opskit.engine.facts import EngineFacts
from opskit.preflight.checks_engine import check_engine_reachable, check_engine_storage
from opskit.preflight.finding import Verdict


def engine(driver: str = "overlay2") -> EngineFacts:
    return EngineFacts("unix:///d.sock", "28.2.2", "1.50", driver, "/var/lib/docker", 1, 1, (), frozenset(), ())


def test_an_engine_that_answers_passes_with_its_version_and_address() -> None:
    (finding,) = check_engine_reachable(engine())
    assert (finding.verdict, finding.found) == (Verdict.PASS, "Engine 28.2.2 (API 1.50) at unix:///d.sock")


def test_one_that_does_not_fails_with_cause_and_remedy_apart() -> None:
    (finding,) = check_engine_reachable("Docker Engine at x: permission denied. Remedy: log in again.")
    assert finding.verdict is Verdict.FAIL
    assert (finding.found, finding.remedy) == ("Docker Engine at x: permission denied", "log in again")


def test_a_cause_without_remedy_still_gets_one() -> None:
    (finding,) = check_engine_reachable("gone")
    assert finding.remedy


@pytest.mark.parametrize(
    ("driver", "verdict"), [("overlay2", Verdict.PASS), ("overlayfs", Verdict.PASS), ("vfs", Verdict.WARN)]
)
def test_a_storage_driver_that_copies_whole_images_is_a_warning(driver: str, verdict: Verdict) -> None:
    (finding,) = check_engine_storage(engine(driver))
    assert finding.verdict is verdict
    assert bool(finding.remedy) is (verdict is Verdict.WARN)
