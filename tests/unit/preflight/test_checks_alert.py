from __future__ import annotations

import pytest

from opskit.compose.model import Stack, parse_stack
from opskit.preflight.checks.alert import check_alert_receiver
from opskit.preflight.finding import Verdict


def stack(*names: str, url: str | None = None) -> Stack:
    services = {name: {"image": name} for name in names}
    if "alertmanager" in services and url is not None:
        services["alertmanager"] = {"image": "alertmanager", "environment": {"ALERT_WEBHOOK_URL": url}}  # type: ignore[dict-item]
    return parse_stack({"name": "p", "services": services})


@pytest.mark.parametrize(
    ("asked", "verdict", "found"),
    [
        (stack("prometheus", "alertmanager", url="https://example.org/secret"), Verdict.PASS, "an address is set"),
        (stack("prometheus", "alertmanager", url=""), Verdict.WARN, "no one is told"),
        (stack("prometheus", "alertmanager"), Verdict.WARN, "no one is told"),
        (stack("prometheus"), Verdict.WARN, "no Alertmanager"),
        (stack("prometheus", "alertmanager", url="hooks.example.org/secret"), Verdict.FAIL, "would not start"),
    ],
)
def test_alerts_that_reach_no_one_are_told_of_and_no_address_is_shown(
    asked: Stack, verdict: Verdict, found: str
) -> None:
    (finding,) = check_alert_receiver(asked, ".env.production")
    assert finding.verdict is verdict
    assert found in finding.found
    assert (verdict is Verdict.PASS) == (finding.remedy == "")
    assert "secret" not in repr(finding)


def test_a_stack_without_prometheus_has_no_alerts_to_tell_of() -> None:
    assert check_alert_receiver(stack("redis"), ".env.development") == ()
