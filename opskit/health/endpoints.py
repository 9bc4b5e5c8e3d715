"""Asks the published addresses of a project whether they answer: the last look before they are shown to a person."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from opskit.compose.model import Port, Stack
from opskit.health.smoke.client import any_certificate

_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One published port.

    Attributes:
        url: what is asked.
        page: what people open in a browser; empty where there is nothing to see.
        answer: the HTTP status or the error; None where it was not asked.
    """

    service: str
    title: str
    url: str
    page: str = ""
    answer: str | None = None


def endpoints_of(stack: Stack) -> tuple[Endpoint, ...]:
    """Every labelled published port, those with a page first; the published side of the port, never the container's."""
    rows = []
    for port in stack.ports:
        label = stack.service(port.service).labels.ports.get(port.target)
        if label is not None:
            page = url_of(label.scheme, label.page, port) if label.page else ""
            rows.append(Endpoint(port.service, label.title, url_of(label.scheme, label.path, port), page))
    return tuple(sorted(rows, key=lambda row: not row.page))


def url_of(scheme: str, path: str, port: Port) -> str:
    """Where a published port is reached from this machine; path `-` has none."""
    return f"{scheme}://{host_of(port.host_ip)}:{port.published}{'' if path == '-' else path}"


def host_of(address: str) -> str:
    """The host in a URL by which a port that is published at an address is reached from this machine."""
    host = "127.0.0.1" if address in {"0.0.0.0", "::", ""} else address  # noqa: S104  any is reached by local
    return f"[{host}]" if ":" in host else host


def read_answers(endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    """GET every http and https endpoint, all at once; the others come back unasked."""
    with ThreadPoolExecutor(max_workers=16) as pool:
        return tuple(pool.map(_ask, endpoints))


def _ask(endpoint: Endpoint) -> Endpoint:
    if not endpoint.url.startswith(("http://", "https://")):
        return endpoint
    try:
        with urllib.request.urlopen(endpoint.url, timeout=_TIMEOUT_S, context=any_certificate()) as reply:  # noqa: S310
            answer = f"{reply.status} {reply.reason}"
    except urllib.error.HTTPError as error:
        answer = f"{error.code} {error.reason}"
    except (OSError, ValueError) as error:
        answer = f"no answer: {error}"
    return replace(endpoint, answer=answer)
