from __future__ import annotations

import pytest

from opskit.engine.usage import DiskUse, KindUse
from opskit.host.model import Disk, Memory
from opskit.preflight.checks.host import (
    check_disk_free,
    check_disk_inodes,
    check_disk_reclaimable,
    check_disk_writable,
    check_memory_available,
    check_memory_swap,
    check_memory_total,
)
from opskit.preflight.finding import Verdict
from opskit.quantity import gib
from tests.facts import memory

GIB = 1024**3
ENOUGH = 19 * GIB  # 20 GiB less 5 %


@pytest.mark.parametrize(
    ("found", "verdict"), [(ENOUGH - 1, Verdict.FAIL), (ENOUGH, Verdict.PASS), (20 * GIB, Verdict.PASS)]
)
def test_the_host_has_the_need_less_what_the_kernel_keeps(found: int, verdict: Verdict) -> None:
    (finding,) = check_memory_total(memory(found), 20 * GIB)
    assert (finding.check, finding.verdict) == ("memory-total", verdict)


def test_a_host_of_24_gib_as_linux_reports_it_is_enough_for_24() -> None:
    (finding,) = check_memory_total(memory(25_274_793_984), 24 * GIB)
    assert (finding.verdict, finding.found) == (Verdict.PASS, "23.5 GiB")


@pytest.mark.parametrize(("found", "verdict"), [(ENOUGH - 1, Verdict.WARN), (ENOUGH, Verdict.PASS)])
def test_too_little_free_memory_is_a_warning(found: int, verdict: Verdict) -> None:
    (finding,) = check_memory_available(memory(found), 20 * GIB, running=False)
    assert (finding.check, finding.verdict) == ("memory-available", verdict)
    assert bool(finding.remedy) is (verdict is Verdict.WARN)


def test_free_memory_is_not_judged_while_the_environment_holds_it() -> None:
    (finding,) = check_memory_available(memory(1), 20 * GIB, running=True)
    assert finding.verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("free", "verdict"),
    [(2 * GIB - 1, Verdict.FAIL), (2 * GIB, Verdict.WARN), (20 * GIB - 1, Verdict.WARN), (20 * GIB, Verdict.PASS)],
)
def test_disk_below_two_gib_fails_and_below_twenty_warns(free: int, verdict: Verdict) -> None:
    (finding,) = check_disk_free({"/var/lib/docker": Disk(free, None)})
    assert (finding.verdict, finding.subject) == (verdict, "/var/lib/docker")


def test_each_path_is_judged_and_one_that_cannot_be_read_stops_nothing() -> None:
    unread, full = check_disk_free({"/a": None, "/b": Disk(5, None)}, least_bytes=6, ease_bytes=7)
    assert (unread.verdict, unread.stops, full.verdict) == (Verdict.SKIP, False, Verdict.FAIL)


def test_one_byte_short_never_reads_as_enough() -> None:
    assert [gib(count) for count in (20 * GIB, 20 * GIB - 1, 0)] == ["20.0 GiB", "19.9 GiB", "0.0 GiB"]


@pytest.mark.parametrize(
    ("share", "verdict"),
    [(0.05, Verdict.PASS), (0.049, Verdict.WARN), (0.01, Verdict.WARN), (0.0099, Verdict.FAIL), (None, Verdict.PASS)],
)
def test_few_file_entries_warn_and_none_fail(share: float | None, verdict: Verdict) -> None:
    (finding,) = check_disk_inodes({"/var/lib/docker": Disk(1, share)})
    assert finding.verdict is verdict


@pytest.mark.parametrize(("free", "verdict"), [(5, Verdict.PASS), (4, Verdict.WARN)])
def test_a_host_that_lives_off_its_swap_is_a_warning(free: int, verdict: Verdict) -> None:
    assert [f.verdict for f in check_memory_swap(Memory(9, 9, 10, free))] == [verdict]
    assert [f.verdict for f in check_memory_swap(Memory(9, 9, 0, 0))] == [Verdict.PASS]


def test_what_cannot_be_written_fails_each_with_its_own_remedy() -> None:
    disks = {"/a": Disk(1, None), "/b": Disk(1, None, read_only=True), "/c": None}
    (finding,) = check_disk_writable({"/a": disks["/a"], "/c": None}, {"/a": True})
    assert finding.verdict is Verdict.PASS
    full, closed = check_disk_writable(disks, {"/a": False, "/b": False})
    assert [(f.verdict, f.subject) for f in (full, closed)] == [(Verdict.FAIL, "/b"), (Verdict.FAIL, "/a")]
    assert "remount" in full.remedy
    assert closed.remedy == "`sudo chown -R $USER /a`"


@pytest.mark.parametrize(("free", "verdict"), [(30, Verdict.PASS), (31, Verdict.WARN), (None, Verdict.SKIP)])
def test_more_than_thirty_percent_of_waste_is_a_warning(free: int | None, verdict: Verdict) -> None:
    (finding,) = check_disk_reclaimable(DiskUse((KindUse("images", 100, free),)))
    assert finding.verdict is verdict
    assert not finding.stops
    assert [f.verdict for f in check_disk_reclaimable(None)] == [Verdict.SKIP]
