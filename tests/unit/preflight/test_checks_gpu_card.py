from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opskit.gpu.model import Gpu, Inventory, Pair
from opskit.gpu.placement import Placement
from opskit.preflight.checks.gpu import (
    check_gpu_device,
    check_gpu_driver,
    check_gpu_equal,
    check_gpu_mig,
    check_gpu_peer,
    check_gpu_process,
    check_gpu_width,
)
from opskit.preflight.finding import Verdict
from opskit.unknown import Unknown
from tests.facts import GIB, stack

NONE = Unknown("no driver", "install it")
DUAL = Placement("dual", "m.yml", ("GPU-0", "GPU-1"), 2, {}, ())
SINGLE = Placement("single", "s.yml", ("GPU-0",), 1, {}, ())
CPU = Placement("cpu", "c.yml", (), 1, {}, ())


def cards(*changes: dict[str, Any], driver: str = "575.57.08", **pair: Any) -> Inventory:
    """A card for each; they are alike but for the changes."""
    alike = Gpu(0, name="NVIDIA GeForce RTX 3090", memory_total_bytes=24 * GIB, mig=False)
    gpus = tuple(replace(alike, index=at, uuid=f"GPU-{at}", **change) for at, change in enumerate(changes))
    return Inventory(driver, None, None, gpus, (), (Pair(0, 1, "PHB", **pair),), "nvml")


@pytest.mark.parametrize(
    ("other", "verdict"),
    [({}, Verdict.PASS), ({"name": "RTX 3080"}, Verdict.WARN), ({"memory_total_bytes": 12 * GIB}, Verdict.WARN)],
)
def test_unequal_cards_that_share_a_model_are_a_warning(other: dict[str, Any], verdict: Verdict) -> None:
    assert [f.verdict for f in check_gpu_equal(DUAL, cards({}, other))] == [verdict]
    assert check_gpu_equal(SINGLE, cards({}, other)) == ()


@pytest.mark.parametrize(("mig", "verdict"), [(True, Verdict.WARN), (False, Verdict.PASS), (None, Verdict.PASS)])
def test_a_card_in_instances_is_a_warning_with_the_command_that_joins_it(mig: bool | None, verdict: Verdict) -> None:
    (finding,) = check_gpu_mig(SINGLE, cards({}, {"mig": mig}))
    assert finding.verdict is verdict
    assert verdict is Verdict.PASS or finding.remedy == "`sudo nvidia-smi -i 1 -mig 0`"


@pytest.mark.parametrize(("width", "verdict"), [(16, Verdict.PASS), (8, Verdict.WARN)])
def test_fewer_lanes_than_the_card_is_made_for_are_a_warning(width: int, verdict: Verdict) -> None:
    found = check_gpu_width(SINGLE, cards({"pcie_width": width, "pcie_width_max": 16}))
    assert [(f.verdict, f.found, f.wanted) for f in found] == [(verdict, f"x{width}", "x16")]
    assert check_gpu_width(SINGLE, cards({"pcie_width_max": 16})) == ()


@pytest.mark.parametrize(
    ("name", "nvlinks", "read", "count"),
    [("NVIDIA GeForce RTX 4090", 0, "OK", 1), ("NVIDIA GeForce RTX 4090", 0, "CNS", 0),
     ("NVIDIA GeForce RTX 3090", 4, "OK", 0), ("NVIDIA L40S", 0, "OK", 0)],
)  # fmt: skip
def test_peer_access_that_geforce_claims_without_nvlink_is_a_warning(
    name: str, nvlinks: int, read: str, count: int
) -> None:
    found = check_gpu_peer(DUAL, cards({"name": name}, {"name": name}, nvlinks=nvlinks, p2p_read=read))
    assert [f.verdict for f in found] == [Verdict.WARN] * count


@pytest.mark.parametrize(("held", "verdict"), [(GIB // 4, Verdict.WARN), (GIB // 4 - 1, Verdict.PASS)])
def test_a_program_that_holds_memory_is_named_with_its_pid_and_how_much(held: int, verdict: Verdict) -> None:
    (finding,) = check_gpu_process(SINGLE, cards({"processes": ((7, held), (8, None))}), {7: "python3"}, running=False)
    assert finding.verdict is verdict
    assert verdict is Verdict.PASS or (finding.found, finding.remedy) == (
        "python3 (pid 7) 0.2 GiB",
        "`ps -o pid,user,cgroup,args -p 7` says whose it is; stop its container, or end it",
    )


def test_one_that_may_not_be_known_is_named_by_its_pid_and_our_own_are_no_others() -> None:
    there = cards({"processes": ((7, GIB),)})
    (finding,) = check_gpu_process(SINGLE, there, {}, running=False)
    assert finding.found == "a process (pid 7) 1.0 GiB"
    assert [f.verdict for f in check_gpu_process(SINGLE, there, {}, running=True)] == [Verdict.PASS]
    assert check_gpu_process(SINGLE, cards({}), {}, running=False) == ()


@pytest.mark.parametrize(
    ("ids", "verdict"),
    [(["GPU-0"], Verdict.PASS), (["1"], Verdict.PASS), (["2"], Verdict.FAIL), (["GPU-x"], Verdict.FAIL)],
)
def test_an_id_that_is_no_card_of_this_machine_fails(ids: list[str], verdict: Verdict) -> None:
    device = {"driver": "nvidia", "device_ids": ids, "capabilities": ["gpu"]}
    asking = stack(deploy={"resources": {"reservations": {"devices": [device]}}})
    assert [f.verdict for f in check_gpu_device(asking, cards({}, {}))] == [verdict]
    assert check_gpu_device(asking, NONE) == ()


GEFORCE, TESLA = "NVIDIA GeForce RTX 3090", "NVIDIA A10G"


@pytest.mark.parametrize(
    ("tag", "card", "driver", "verdict"),
    [
        ("v0.30.0", GEFORCE, "580.65.06", Verdict.PASS),
        ("v0.30.0", GEFORCE, "579.99", Verdict.FAIL),
        ("v0.30.0", TESLA, "580.65.06", Verdict.PASS),
        ("v0.30.0", TESLA, "579.99", Verdict.FAIL),
        ("v0.29.0-cu130", GEFORCE, "579.99", Verdict.FAIL),
        ("v0.29.0-cu129", GEFORCE, "575.51.03", Verdict.PASS),
        ("v0.29.0-cu129", GEFORCE, "574.99", Verdict.FAIL),
        ("v0.29.0-cu129-ubuntu2404", GEFORCE, "570.211.01", Verdict.FAIL),
        ("v0.29.0-cu128", GEFORCE, "570.26", Verdict.PASS),
        ("v0.29.0-cu128", GEFORCE, "569.99", Verdict.FAIL),
        ("v0.29.0-cu129", TESLA, "525.60.13", Verdict.PASS),
        ("v0.29.0-cu129", TESLA, "524.99", Verdict.FAIL),
        ("v0.29.0-cu129", None, "525.60.13", Verdict.PASS),
    ],
)
def test_the_driver_must_be_new_enough_for_the_cuda_in_the_image_and_a_geforce_needs_the_minor_s_own(
    tag: str, card: str | None, driver: str, verdict: Verdict
) -> None:
    image = f"vllm/vllm-openai:{tag}"
    serving = stack().__class__("p", (replace(stack().services[0], name="vllm", image=image),), {})
    findings = check_gpu_driver(serving, SINGLE, cards({"name": card}, driver=driver))
    assert [f.verdict for f in findings] == [verdict]
    assert check_gpu_driver(serving, CPU, cards({}, driver=driver)) == ()


def test_the_remedy_of_an_old_driver_names_the_package_and_the_way_without_it() -> None:
    serving = stack().__class__("p", (replace(stack().services[0], name="vllm", image="vllm/vllm-openai:v0.30.0"),), {})
    (finding,) = check_gpu_driver(serving, SINGLE, cards({"name": GEFORCE}, driver="535.288.01"))
    assert (finding.found, finding.wanted) == ("driver 535.288.01", "580 or newer, for CUDA 13")
    assert "nvidia-driver-580" in finding.remedy
    assert "VLLM_IMAGE" in finding.remedy
    assert "docs/images.md" in finding.remedy


def test_without_cards_none_of_them_says_anything() -> None:
    assert [check(DUAL, NONE) for check in (check_gpu_equal, check_gpu_mig, check_gpu_width, check_gpu_peer)] == [
        ()
    ] * 4
