from __future__ import annotations

from typing import Any

from opskit.audit.record import compose_record

START = {"act": "start", "started": 100.0, "versions": {"python": "3.11"}}


def record(*events: dict[str, Any], ended_by: str | None = None) -> dict[str, Any]:
    return compose_record(START, events, ended_by=ended_by, ended=110.0)


def test_a_run_is_ok_where_the_recorder_saw_every_cell_end_whatever_an_operation_wrote() -> None:
    ended = {"kind": "ended", "at": 1, "ok": True}
    assert record(ended)["ok"] is True
    assert record()["ok"] is False
    assert record({"kind": "outcome", "at": 1, "ok": True})["ok"] is False
    assert record({**ended, "ok": False})["ok"] is False


def test_what_was_ended_early_is_never_ok() -> None:
    ended = record({"kind": "ended", "at": 1, "ok": True}, ended_by="DeadKernelError")
    assert (ended["ok"], ended["ended_by"]) == (False, "DeadKernelError")


def test_opskits_own_share_leaves_out_kernel_compose_images_and_containers() -> None:
    phases = {"kernel": 2.0, "images": 1.0, "compose": 3.0, "containers": 1.5, "preflight": 0.4}
    seconds = record(*({"kind": "phase", "phase": name, "seconds": s} for name, s in phases.items()))["seconds"]
    assert seconds == {**phases, "total": 10.0, "opskit": 2.5}


def test_a_phase_run_twice_is_added_up() -> None:
    event = {"kind": "phase", "phase": "plan", "seconds": 0.25}
    assert record(event, event)["seconds"]["plan"] == 0.5


def test_findings_facts_and_rehearsal_are_kept() -> None:
    kept = record(
        {"kind": "facts", "versions": {"engine": "20.10"}, "rehearsal": True},
        {"kind": "findings", "findings": [{"check": "port-free"}]},
        {"kind": "gpus", "findings": [{"check": "gpu-device-given"}]},
    )
    assert kept["versions"] == {"python": "3.11", "engine": "20.10"}
    assert kept["rehearsal"] is True
    assert kept["findings"] == [{"check": "port-free"}]
    assert kept["gpus"] == [{"check": "gpu-device-given"}]
