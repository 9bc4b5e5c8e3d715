"""Check of other launches; pure."""

from __future__ import annotations

from opskit.preflight.finding import Finding, Verdict


def check_launch_free(lock: str, project: str) -> tuple[Finding, ...]:
    """Nobody else launches this project just now: two at once leave two networks of one name.

    Args:
        lock: who does, in words; empty where nobody does.
        project: its name.
    """
    wanted = "one launch at a time"
    if not lock:
        return (Finding("launch-free", Verdict.PASS, project, "none in progress", wanted),)
    remedy = "wait for its end, or end that process"
    return (Finding("launch-free", Verdict.FAIL, project, f"one in progress: {lock}", wanted, remedy),)
