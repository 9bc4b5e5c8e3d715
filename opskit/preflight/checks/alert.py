"""Checks of whether an alert reaches an operator; pure."""

from __future__ import annotations

from collections.abc import Mapping

from opskit.compose.model import Stack
from opskit.preflight.finding import Finding, Verdict

_VARIABLE = "ALERT_WEBHOOK_URL"


def check_alert_receiver(stack: Stack, env_file: str) -> tuple[Finding, ...]:
    """Where Prometheus watches the stack, someone is told what it finds: Alertmanager has an address to tell.

    Args:
        stack: nothing is said of one without Prometheus; the address is never shown.
        env_file: where it can be written down.
    """
    if stack.find("prometheus") is None:
        return ()
    alertmanager = stack.find("alertmanager")
    environment: Mapping[str, str | None] = (alertmanager.raw.get("environment") or {}) if alertmanager else {}
    url = environment.get(_VARIABLE) or ""
    verdict, found, remedy = Verdict.PASS, "an address is set", ""
    if alertmanager is None:
        verdict, found = Verdict.WARN, "no Alertmanager: alerts are shown by Prometheus and nowhere else"
        remedy = "add the service alertmanager of compose/services/monitoring.yml"
    elif not url:
        verdict, found = Verdict.WARN, f"{_VARIABLE} is empty: alerts are kept and shown, and no one is told"
        remedy = f"add a line {_VARIABLE}=https://… to {env_file}: a webhook of your chat, mail or paging service"
    elif not url.startswith(("http://", "https://")):
        verdict, found = Verdict.FAIL, f"{_VARIABLE} is no http:// or https:// address; Alertmanager would not start"
        remedy = f"give {_VARIABLE} in {env_file} a whole address, or leave it empty"
    return (Finding("alert-receiver", verdict, "alertmanager", found, "a webhook that is told", remedy),)
