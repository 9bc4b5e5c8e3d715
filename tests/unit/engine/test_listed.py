"""What the Engine's list alone may answer: never a word that a look at the container would change."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opskit.engine.listed import parse_listed
from opskit.engine.model import ContainerState
from opskit.health.readiness import Word
from opskit.health.standing import stand

NOW = 2_000_000_000.0


def human(seconds: float) -> str:
    """A duration as go-units prints it. Source: github.com/docker/go-units, HumanDuration."""
    minutes, hours = int(seconds / 60), int(seconds / 3600 + 0.5)
    steps = (
        (seconds < 1, "Less than a second"), (int(seconds) == 1, "1 second"), (seconds < 60, f"{int(seconds)} seconds"),
        (minutes == 1, "About a minute"), (minutes < 60, f"{minutes} minutes"), (hours == 1, "About an hour"),
        (hours < 48, f"{hours} hours"), (hours < 24 * 7 * 2, f"{hours // 24} days"),
        (hours < 24 * 30 * 2, f"{hours // 24 // 7} weeks"), (hours < 24 * 365 * 2, f"{hours // 24 // 30} months"),
    )  # fmt: skip
    return next((text for holds, text in steps if holds), f"{int(seconds / 3600 / 24 / 365)} years")


def entry(age_s: float, up: str, *, state: str = "running") -> dict[str, Any]:
    labels = {"com.docker.compose.service": "web", "com.docker.compose.container-number": "2"}
    created = int(NOW - age_s)
    return {"Id": "c" * 64, "Names": ["/p-web-2"], "Labels": labels, "State": state, "Status": up, "Created": created}


@given(st.integers(2, 10**8), st.floats(0, 1), st.integers(0, 500), st.sampled_from(["", "healthy"]))
def test_the_list_never_hides_a_crash_loop(age_s: int, share: float, restarts: int, health: str) -> None:
    up_s = age_s * share
    listed = parse_listed(entry(age_s, f"Up {human(up_s)}" + (f" ({health})" if health else "")), now_s=NOW)
    looked = ContainerState(
        "c" * 64, "web", "running", health or None, restart_count=restarts, created_s=NOW - age_s, started_s=NOW - up_s
    )
    if listed is not None:
        words = {stand([state], [], env="dev", now_s=NOW)[0].word for state in (listed, looked)}
        assert words == {Word.READY}


@pytest.mark.parametrize("up_s", [5, 61, 119, 3599, 3600, 5399, 5400, 86400, 9 * 86400, 40 * 86400, 400 * 86400, 10**8])
def test_one_that_never_restarted_needs_no_look(up_s: int) -> None:
    listed = parse_listed(entry(up_s, f"Up {human(up_s)} (healthy)"), now_s=NOW)
    assert listed is not None
    assert (listed.health, listed.number, listed.service) == ("healthy", "2", "web")
    assert listed.up in human(up_s) or listed.up in {"1 minute", "1 hour"}


@pytest.mark.parametrize(
    ("up", "state"),
    [
        ("Up 9 minutes (unhealthy)", "running"),
        ("Up 9 minutes (health: starting)", "running"),
        ("Up 9 minutes (Paused)", "paused"),
        ("Restarting (1) 2 seconds ago", "restarting"),
        ("Exited (137) 9 minutes ago", "exited"),
        ("Created", "created"),
        ("Up 9 minuten", "running"),
    ],
)
def test_whatever_is_not_well_is_looked_at(up: str, state: str) -> None:
    assert parse_listed(entry(600, up, state=state), now_s=NOW) is None
