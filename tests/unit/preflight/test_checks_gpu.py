from __future__ import annotations

from dataclasses import replace

import pytest

from opskit.gpu.model import Gpu, Inventory, NvLink, Pair
from opskit.gpu.placement import place
from opskit.host.model import Daemon
from opskit.preflight.checks.gpu import check_gpu_cgroup, check_gpu_link, check_gpu_present, check_gpu_toolkit
from opskit.preflight.finding import Finding, Verdict
from opskit.unknown import Unknown
from tests.facts import engine

OVERLAYS = {"dual": "multi.yml", "single": "single.yml"}
NONE = Unknown("no NVIDIA driver answers", "install the driver")


def inventory(count: int, nvlinks: int | None = 4) -> Inventory:
    gpus = tuple(Gpu(index, uuid=f"GPU-{index}", name="RTX 3090", memory_total_bytes=24) for index in range(count))
    pairs = tuple(Pair(a, b, "PHB", nvlinks) for a in range(count) for b in range(a + 1, count))
    return Inventory("550.1", None, None, gpus, (), pairs, "recorded")


def present(mode: str, there: Inventory | Unknown) -> Finding:
    (finding,) = check_gpu_present(place(mode, there, OVERLAYS), there, OVERLAYS)  # type: ignore[arg-type]
    return finding


@pytest.mark.parametrize(
    ("mode", "count", "verdict"),
    [
        ("dual", 2, Verdict.PASS),
        ("dual", 1, Verdict.FAIL),
        ("single", 1, Verdict.PASS),
        ("single", 0, Verdict.FAIL),
        ("auto", 2, Verdict.PASS),
        ("auto", 1, Verdict.PASS),
        ("auto", 0, Verdict.FAIL),
    ],
)
def test_dual_wants_two_gpus_and_single_one(mode: str, count: int, verdict: Verdict) -> None:
    finding = present(mode, inventory(count))
    assert finding.verdict is verdict
    assert bool(finding.remedy) is (verdict is Verdict.FAIL)


def test_what_was_found_is_named_with_its_source() -> None:
    assert present("dual", inventory(2)).found == "2 x RTX 3090 (recorded)"


def test_no_driver_fails_with_its_reason_and_remedy() -> None:
    finding = present("dual", NONE)
    assert (finding.verdict, finding.found, finding.remedy) == (Verdict.FAIL, NONE.reason, NONE.remedy)


@pytest.mark.parametrize("mode", ["auto", "cpu"])
def test_a_mode_without_a_compose_file_fails_and_the_modes_with_one_are_named(mode: str) -> None:
    finding = present(mode, NONE)
    assert (finding.verdict, finding.found) == (Verdict.FAIL, "mode cpu; no NVIDIA driver answers")
    assert "(dual, single)" in finding.wanted


def test_nothing_is_said_where_no_gpu_is_needed() -> None:
    assert check_gpu_present(place("auto", NONE, {}), NONE, {}) == ()


@pytest.mark.parametrize(
    ("nvlinks", "verdict", "found"),
    [(4, Verdict.PASS, "4 NVLinks"), (1, Verdict.PASS, "1 NVLinks"), (0, Verdict.WARN, "no NVLink (PHB)"), (None, Verdict.SKIP, "cannot be read")],
)  # fmt: skip
def test_two_gpus_without_nvlink_are_a_warning(nvlinks: int | None, verdict: Verdict, found: str) -> None:
    there = inventory(2, nvlinks)
    (finding,) = check_gpu_link(place("dual", there, OVERLAYS), there)
    assert (finding.verdict, finding.found, finding.stops) == (verdict, found, False)


@pytest.mark.parametrize(("mode", "there"), [("single", inventory(2)), ("dual", inventory(1)), ("dual", NONE)])
def test_a_link_is_judged_between_two_gpus_only(mode: str, there: Inventory | Unknown) -> None:
    assert check_gpu_link(place(mode, there, OVERLAYS), there) == ()


@pytest.mark.parametrize(
    ("runtimes", "hook", "verdict"),
    [
        (["runc", "nvidia"], None, Verdict.PASS),
        (["runc"], "/usr/bin/nvidia-ctk", Verdict.PASS),
        (["runc"], None, Verdict.FAIL),
    ],
)
def test_an_engine_without_the_toolkit_fails(runtimes: list[str], hook: str | None, verdict: Verdict) -> None:
    placement, there = place("single", inventory(1), OVERLAYS), engine(runtimes=frozenset(runtimes))
    assert [f.verdict for f in check_gpu_toolkit(placement, there, hook, 1.0, None)] == [verdict]
    assert check_gpu_toolkit(place("cpu", inventory(1), OVERLAYS), there, hook, 1.0, None) == ()


@pytest.mark.parametrize(("installed_s", "verdict"), [(10.0, Verdict.PASS), (10.1, Verdict.FAIL)])
def test_a_toolkit_younger_than_the_engine_s_process_is_not_known_to_it(installed_s: float, verdict: Verdict) -> None:
    placement, runc = place("single", inventory(1), OVERLAYS), engine(runtimes=frozenset({"runc"}))
    hook, daemon = "/usr/bin/nvidia-container-runtime-hook", Daemon(7, 10.0, None)
    (finding,) = check_gpu_toolkit(placement, runc, hook, installed_s, daemon)
    assert finding.verdict is verdict
    assert verdict is Verdict.PASS or finding.remedy == "`sudo systemctl restart docker`"


def test_cdi_devices_speak_for_themselves_and_a_hook_here_says_nothing_of_an_engine_elsewhere() -> None:
    placement, there = place("single", inventory(1), OVERLAYS), engine(runtimes=frozenset({"runc"}))
    cdi = replace(there, cdi_devices=("nvidia.com/gpu=0", "vendor.com/x=1"))
    assert [f.found for f in check_gpu_toolkit(placement, cdi, None, None, None)] == ["1 CDI devices"]
    (away,) = check_gpu_toolkit(placement, replace(there, host="tcp://10.0.0.1:2375"), "/usr/bin/nvidia-ctk", 1.0, None)
    assert (away.verdict, away.stops) == (Verdict.SKIP, False)


@pytest.mark.parametrize(("idle", "verdict"), [(0, Verdict.PASS), (2, Verdict.WARN)])
def test_a_bridge_with_idle_links_is_a_warning(idle: int, verdict: Verdict) -> None:
    there = inventory(2, 4 - idle)
    links = tuple(NvLink(0, n, "inactive" if n < idle else "active") for n in range(4))
    (finding,) = check_gpu_link(place("dual", there, OVERLAYS), replace(there, links=links))
    assert finding.verdict is verdict
    assert verdict is Verdict.PASS or finding.found == "2 of 4 NVLinks"


@pytest.mark.parametrize(("driver", "verdict"), [("systemd", Verdict.WARN), ("cgroupfs", Verdict.PASS)])
def test_the_systemd_driver_may_lose_gpus(driver: str, verdict: Verdict) -> None:
    assert [
        f.verdict for f in check_gpu_cgroup(place("single", inventory(1), OVERLAYS), engine(cgroup_driver=driver))
    ] == [verdict]
    assert check_gpu_cgroup(place("cpu", inventory(1), OVERLAYS), engine(cgroup_driver=driver)) == ()
