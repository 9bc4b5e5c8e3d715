from __future__ import annotations

import pytest

from opskit.engine.facts import EngineFacts
from opskit.preflight.checks_engine import (
    check_engine_clock,
    check_engine_local,
    check_engine_reachable,
    check_engine_storage,
)
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


@pytest.mark.parametrize(("host", "verdict"), [("unix:///x", Verdict.PASS), ("tcp://10.0.0.1:2375", Verdict.WARN)])
def test_an_engine_elsewhere_is_a_warning(host: str, verdict: Verdict) -> None:
    (finding,) = check_engine_local(host)
    assert finding.verdict is verdict


@pytest.mark.parametrize(
    ("now_s", "verdict"), [(1795465795.0, Verdict.PASS), (1795465795.1, Verdict.WARN), (1795465784.9, Verdict.WARN)]
)
def test_a_clock_more_than_five_seconds_off_is_a_warning(now_s: float, verdict: Verdict) -> None:
    (finding,) = check_engine_clock("2026-11-23T20:29:50.000000000Z", now_s)
    assert finding.verdict is verdict
    assert [f.verdict for f in check_engine_clock("2026-11-23T20:29:50Z", 1795465790)] == [Verdict.PASS]
    assert [f.verdict for f in check_engine_clock(None, 0)] == [Verdict.SKIP]
