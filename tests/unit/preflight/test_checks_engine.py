from __future__ import annotations

import pytest

from opskit.host.model import Daemon
from opskit.preflight.checks.engine import (
    check_engine_cgroup,
    check_engine_clock,
    check_engine_files,
    check_engine_local,
    check_engine_reachable,
    check_engine_security,
    check_engine_storage,
    check_engine_version,
)
from opskit.preflight.finding import Verdict
from opskit.unknown import Unknown
from tests.facts import engine, stack


def test_an_engine_that_answers_passes_with_its_version_and_address() -> None:
    (finding,) = check_engine_reachable(engine())
    assert (finding.verdict, finding.found) == (Verdict.PASS, "Engine 28.2.2 (API 1.50) at unix:///d.sock")


def test_one_that_does_not_fails_with_cause_and_remedy_apart() -> None:
    (finding,) = check_engine_reachable(Unknown("Docker Engine at x: permission denied", "log in again"))
    assert finding.verdict is Verdict.FAIL
    assert (finding.found, finding.remedy) == ("Docker Engine at x: permission denied", "log in again")


@pytest.mark.parametrize(
    ("driver", "verdict"), [("overlay2", Verdict.PASS), ("overlayfs", Verdict.PASS), ("vfs", Verdict.WARN)]
)
def test_a_storage_driver_that_copies_whole_images_is_a_warning(driver: str, verdict: Verdict) -> None:
    (finding,) = check_engine_storage(engine(storage_driver=driver))
    assert finding.verdict is verdict
    assert bool(finding.remedy) is (verdict is Verdict.WARN)


@pytest.mark.parametrize(("host", "verdict"), [("unix:///x", Verdict.PASS), ("tcp://10.0.0.1:2375", Verdict.WARN)])
def test_an_engine_elsewhere_is_a_warning(host: str, verdict: Verdict) -> None:
    (finding,) = check_engine_local(engine(host=host))
    assert finding.verdict is verdict


@pytest.mark.parametrize(
    ("now_s", "verdict"), [(1795465795.0, Verdict.PASS), (1795465795.1, Verdict.WARN), (1795465784.9, Verdict.WARN)]
)
def test_a_clock_more_than_five_seconds_off_is_a_warning(now_s: float, verdict: Verdict) -> None:
    (finding,) = check_engine_clock(engine(time="2026-11-23T20:29:50.000000000Z"), now_s)
    assert finding.verdict is verdict
    assert [f.verdict for f in check_engine_clock(engine(time="2026-11-23T20:29:50Z"), 1795465790)] == [Verdict.PASS]
    assert [f.verdict for f in check_engine_clock(engine(time=None), 0)] == [Verdict.SKIP]


@pytest.mark.parametrize(
    "time",
    ["2026-11-23T22:29:50.123456789+02:00", "2026-11-23T15:59:50.5-04:30", "2026-11-23T20:29:50.12345678Z"],
)
def test_an_engine_tells_its_time_in_its_own_zone_with_as_many_digits_as_it_needs(time: str) -> None:
    (finding,) = check_engine_clock(engine(time=time), 1795465790.0)
    assert finding.verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("api", "verdict"), [("1.44", Verdict.PASS), ("1.43", Verdict.WARN), ("1.40", Verdict.WARN), ("1.39", Verdict.FAIL)]
)
def test_an_old_engine_warns_and_an_ancient_one_fails(api: str, verdict: Verdict) -> None:
    (finding,) = check_engine_version(engine(api_version=api))
    assert finding.verdict is verdict


@pytest.mark.parametrize(
    ("words", "mounts", "verdict"),
    [(("name=selinux",), 1, Verdict.WARN), (("name=selinux",), 0, Verdict.PASS), (("name=apparmor",), 1, Verdict.PASS)],
)
def test_selinux_and_a_bind_mount_are_a_warning(words: tuple[str, ...], mounts: int, verdict: Verdict) -> None:
    bind = {"type": "bind", "source": "/a", "target": "/a"}
    (finding,) = check_engine_security(engine(security=words), stack(volumes=[bind] * mounts))
    assert finding.verdict is verdict


@pytest.mark.parametrize(("version", "verdict"), [("1", Verdict.WARN), ("2", Verdict.PASS), ("", Verdict.PASS)])
def test_the_first_version_of_control_groups_is_a_warning(version: str, verdict: Verdict) -> None:
    assert [f.verdict for f in check_engine_cgroup(engine(cgroup_version=version))] == [verdict]


@pytest.mark.parametrize(("limit", "verdict"), [(10032, Verdict.PASS), (10031, Verdict.WARN)])
def test_redis_wants_its_clients_and_thirty_two_files_more(limit: int, verdict: Verdict) -> None:
    assert [f.verdict for f in check_engine_files(stack(), Daemon(7, 1.0, limit))] == [verdict]


@pytest.mark.parametrize("daemon", [None, Daemon(7, 1.0, None)])
def test_open_files_are_not_judged_where_they_are_not_known_or_the_service_says_its_own(daemon: Daemon | None) -> None:
    assert check_engine_files(stack(), daemon) == ()
    own = stack(ulimits={"nofile": {"soft": 20000, "hard": 20000}})
    assert check_engine_files(own, Daemon(7, 1.0, 1)) == ()
    assert check_engine_files(stack(image="oliver006/redis_exporter:v1"), Daemon(7, 1.0, 1)) == ()
