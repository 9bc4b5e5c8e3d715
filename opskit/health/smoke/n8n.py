"""Probe of n8n: a workflow with a webhook is made, called and taken away again; standard library alone."""

from __future__ import annotations

import time
from collections.abc import Mapping
from http import HTTPStatus

from opskit.health.smoke.client import Fault, Steps, ask, mark, want

_SOON_S = 10.0
"""A webhook is there once the workflow is active; some versions publish it a moment later."""


def check_n8n(steps: Steps, *, url: str, email: str, password: str) -> None:
    """Log in as the owner, make a workflow with a webhook, activate, call, deactivate and delete it.

    Source: the REST controllers of n8n 2.41.1, workflows.controller and auth.controller.
    """
    with steps.step("readiness"):
        want(ask("GET", f"{url}/healthz/readiness"), 200, kind="not_ready")
    with steps.step("login"):
        body = {"emailOrLdapLoginId": email, "password": password}
        reply = want(ask("POST", f"{url}/rest/login", body), 200)
        headers = {"Cookie": reply.headers["Set-Cookie"].split(";")[0]}
    name = mark()
    flow = f"{url}/rest/workflows"
    with steps.step("workflow made"):
        made = want(ask("POST", flow, _workflow(name), headers), 200).json()["data"]
        flow += f"/{made['id']}"
    with steps.removing(f"workflow {name}", lambda: _remove(flow, headers)):
        with steps.step("activated"):
            want(ask("POST", f"{flow}/activate", {"versionId": made["versionId"]}, headers), 200)
        with steps.step("webhook"):
            _call(f"{url}/webhook/{name}", name)
        with steps.step("deactivated"):
            want(ask("POST", f"{flow}/deactivate", {}, headers), 200)
            _closed(f"{url}/webhook/{name}")


def _workflow(name: str) -> Mapping[str, object]:
    """One node, which answers with what it was called with; nothing of the call is kept."""
    webhook = {
        "id": name,
        "name": "Webhook",
        "type": "n8n-nodes-base.webhook",
        "typeVersion": 2,
        "position": [0, 0],
        "webhookId": name,
        "parameters": {"httpMethod": "POST", "path": name, "responseMode": "lastNode", "options": {}},
    }
    keep = {"saveDataSuccessExecution": "none", "saveDataErrorExecution": "none", "saveManualExecutions": False}
    return {"name": name, "nodes": [webhook], "connections": {}, "settings": keep}


def _call(address: str, text: str) -> None:
    end = time.monotonic() + _SOON_S
    while (reply := ask("POST", address, {"mark": text})).status == HTTPStatus.NOT_FOUND and time.monotonic() < end:
        time.sleep(0.25)
    if reply.status != HTTPStatus.OK or text not in reply.body.decode("utf-8", "replace"):
        raise Fault("webhook_off", f"found {reply}; wanted the workflow's answer to its webhook")


def _closed(address: str) -> None:
    end = time.monotonic() + _SOON_S
    while (reply := ask("POST", address, {})).status != HTTPStatus.NOT_FOUND and time.monotonic() < end:
        time.sleep(0.25)
    if reply.status != HTTPStatus.NOT_FOUND:
        raise Fault("bad_answer", f"found {reply} from the webhook of a workflow that is off; wanted status 404")


def _remove(flow: str, headers: Mapping[str, str]) -> None:
    """A workflow must be archived before it can be deleted, which also turns it off."""
    ask("POST", f"{flow}/archive", {}, headers)
    want(ask("DELETE", flow, None, headers), 200)
