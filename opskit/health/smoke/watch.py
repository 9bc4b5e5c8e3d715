"""Probes of pages, routes, Prometheus, Alertmanager and Elasticsearch; standard library alone."""

from __future__ import annotations

import base64
import socket
import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from opskit.health.smoke.client import Fault, Reply, Steps, ask, mark, want

_LOOK_S, _ALERT_S = 0.5, 10.0
_DEAD = frozenset({502, 503, 504})
_REALM = 'realm="stack"'
_OWN_PAGE = b"<center>nginx"
"""What only a page that nginx itself makes holds; its name in a header says nothing, that is on every answer."""


def check_page(steps: Steps, *, url: str, holds: str = "") -> None:
    """A page answers, and holds what it should."""
    with steps.step(holds or "page"):
        reply = want(ask("GET", url), 200)
        if holds not in reply.body.decode("utf-8", "replace"):
            raise Fault("not_ready", f"found no {holds!r} in {url}; wanted it")


def check_port(steps: Steps, *, host: str, port: int) -> None:
    """A port takes a connection."""
    with steps.step("port"):
        try:
            socket.create_connection((host, port), 5).close()
        except OSError as error:
            raise Fault("no_answer", f"{host}:{port}: {error}") from None


def check_nginx(steps: Steps, *, url: str, routes: Sequence[Sequence[Any]], key: str) -> None:
    """Every location reaches its service, or answers what the file says; those with a key lead nowhere without it.

    Args:
        steps: what was done.
        url: of nginx.
        routes: path, the status that the file itself answers with (None where it passes the request on), and whether
            it asks for the key.
        key: STACK_API_KEY.
    """
    for path, status, keyed in routes:
        with steps.step(path):
            if keyed:
                want(ask("GET", f"{url}{path}", timeout_s=15), 401, kind="open_route")
            reply = ask("GET", f"{url}{path}", headers={"X-API-Key": key} if keyed else None, timeout_s=15)
            if (
                keyed
                and reply.status == HTTPStatus.UNAUTHORIZED
                and _REALM in reply.headers.get("WWW-Authenticate", "")
            ):
                raise Fault("wrong_key", f"{path}: found {reply}; wanted nginx to take STACK_API_KEY")
            if status is not None:
                want(reply, status)
            elif reply.status in _DEAD or (reply.status == HTTPStatus.NOT_FOUND and _OWN_PAGE in reply.body):
                raise Fault("dead_route", f"{path}: found {reply}; wanted an answer of the service behind it")


def check_prometheus(steps: Steps, *, url: str, alertmanager: bool, wait_s: float) -> None:
    """Every target of every job is up, and Alertmanager, where there is one, is told alerts.

    Args:
        steps: what was done.
        url: of Prometheus.
        alertmanager: whether the project has one.
        wait_s: how long a target may take to be scraped; a scrape comes every 15 s.
    """
    with steps.step("targets"):
        end = time.monotonic() + wait_s
        while not (targets := _targets(url)) or any(t["health"] != "up" for t in targets):
            if time.monotonic() > end:
                down = [_target(t) for t in targets if t["health"] != "up"] or ["found no target"]
                raise Fault("target_down", "; ".join(down))
            time.sleep(_LOOK_S)
    if alertmanager:
        with steps.step("Alertmanager"):
            reply = want(ask("GET", f"{url}/api/v1/alertmanagers"), 200)
            if not reply.json()["data"]["activeAlertmanagers"]:
                raise Fault("no_alertmanager", f"found {reply}; wanted an active Alertmanager")


def _targets(url: str) -> list[Mapping[str, Any]]:
    targets: list[Mapping[str, Any]] = want(ask("GET", f"{url}/api/v1/targets?state=active"), 200).json()["data"][
        "activeTargets"
    ]
    return targets


def _target(target: Mapping[str, Any]) -> str:
    labels = target["labels"]
    return f"{labels['job']} at {labels['instance']} is {target['health']}: {target['lastError'] or 'not scraped yet'}"


def check_alertmanager(steps: Steps, *, url: str, fire: bool) -> None:
    """Alertmanager answers; in a rehearsal an alert is fired, seen, and resolved."""
    with steps.step("status"):
        want(ask("GET", f"{url}/api/v2/status"), 200)
    if not fire:
        return
    name = mark()
    with steps.removing(f"alert {name}", lambda: _post(url, name, 0)), steps.step("alert fired"):
        _post(url, name, 300)
        _seen(url, name, count=1)
    with steps.step("alert resolved"):
        _seen(url, name, count=0)


def _post(url: str, name: str, seconds: float) -> None:
    """Say that an alert ends so many seconds from now."""
    end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))
    alert = {"labels": {"alertname": "OpskitSmoke", "mark": name}, "endsAt": end}
    want(ask("POST", f"{url}/api/v2/alerts", [alert]), 200)


def _seen(url: str, name: str, *, count: int) -> None:
    end = time.monotonic() + _ALERT_S
    while True:
        reply = want(ask("GET", f"{url}/api/v2/alerts?filter=mark%3D%22{name}%22"), 200)
        if len(reply.json()) == count:
            return
        if time.monotonic() > end:
            raise Fault("alert_lost", f"found {reply}; wanted {count} alert(s) of that mark")
        time.sleep(_LOOK_S)


def check_elasticsearch(steps: Steps, *, url: str, password: str, nginx: str, wait_s: float) -> None:
    """A line of nginx's log is found in Elasticsearch.

    Args:
        steps: what was done.
        url: of Elasticsearch.
        password: of its user `elastic`.
        nginx: address of nginx; empty where there is none.
        wait_s: how long the line may take through Filebeat and Logstash.
    """
    headers = {"Authorization": f"Basic {base64.b64encode(f'elastic:{password}'.encode()).decode()}"}
    with steps.step("login"):
        want(ask("GET", f"{url}/_cluster/health", None, headers), 200)
    if not nginx:
        return
    name = mark()
    with steps.step("log line through filebeat and logstash"):
        ask("GET", f"{nginx}/{name}")
        query = {"query": {"match_phrase": {"message": name}}}
        end = time.monotonic() + wait_s
        while not _hits(reply := ask("POST", f"{url}/logs-*/_search", query, headers)):
            if time.monotonic() > end:
                raise Fault("log_lost", f"found {reply} after {wait_s:g} s; wanted the line of /{name}")
            time.sleep(_LOOK_S)


def _hits(reply: Reply) -> list[Any]:
    hits: list[Any] = want(reply, 200).json()["hits"]["hits"]
    return hits
