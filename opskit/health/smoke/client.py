"""HTTP for the probes, and what they keep of each step; standard library alone, since they also run in a container."""

from __future__ import annotations

import contextlib
import http.client
import json
import secrets
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

_LONGEST = 300
"""Characters of an answer that are kept as evidence."""


class Fault(Exception):  # noqa: N818  a kind of answer, no error of the program
    """What is wrong with a service: a stable word, and what was seen and wanted."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


@dataclass(frozen=True)
class Reply:
    """An answer; `seconds` until its first line, where it was streamed."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes
    seconds: float

    def json(self) -> Any:  # noqa: ANN401  JSON is any
        """The body as JSON.

        Raises:
            Fault: it is none.
        """
        try:
            return json.loads(self.body)
        except ValueError:
            raise Fault("bad_answer", f"found {self}; wanted JSON") from None

    def __str__(self) -> str:
        words = " ".join(self.body.decode("utf-8", "replace").split())
        return f"status {self.status}: {words[:_LONGEST]}" if words else f"status {self.status}"


@dataclass
class Steps:
    """What a probe did, step by step with milliseconds, and what it could not take away again."""

    done: list[tuple[str, int]] = field(default_factory=list)
    at: str = ""
    left: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """One step; where it fails, its name says where."""
        self.at = name
        began = time.monotonic()
        yield
        self.done.append((name, round((time.monotonic() - began) * 1000)))

    @contextlib.contextmanager
    def removing(self, what: str, remove: Callable[[], None]) -> Iterator[None]:
        """Take something away again at the end, also after a failure, and keep its name where that fails."""
        try:
            yield
        finally:
            try:
                remove()
            except Fault as fault:
                self.left.append(f"{what} ({fault})")


def mark() -> str:
    """A name that nothing else has."""
    return f"opskit-smoke-{secrets.token_hex(6)}"


def ask(
    method: str,
    url: str,
    body: object = None,
    headers: Mapping[str, str] | None = None,
    *,
    timeout_s: float = 10.0,
    stream: bool = False,
) -> Reply:
    """Send one request, by no proxy, and follow no redirection.

    Args:
        method: such as GET.
        url: an http or https address; a certificate is not looked at, that is for preflight.
        body: bytes as they are; anything else is sent as JSON; None for no body.
        headers: sent with it.
        timeout_s: of each wait for the service.
        stream: the first line is waited for, and its time kept.

    Raises:
        Fault: there was no answer, or not in time.
    """
    address = urlsplit(url)
    sent = dict(headers or {})
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
        sent.setdefault("Content-Type", "application/json")
    host, port = address.hostname or "", address.port
    link = (
        http.client.HTTPSConnection(host, port, timeout=timeout_s, context=any_certificate())
        if address.scheme == "https"
        else http.client.HTTPConnection(host, port, timeout=timeout_s)
    )
    began = time.monotonic()
    try:
        target = address.path + (f"?{address.query}" if address.query else "")
        link.request(method, target or "/", body, sent)
        answer = link.getresponse()
        first = answer.readline() if stream else b""
        seconds = time.monotonic() - began
        return Reply(answer.status, answer.headers, first + answer.read(), seconds)
    except TimeoutError:
        raise Fault("no_answer", f"{method} {url}: no answer within {timeout_s:g} s") from None
    except (OSError, http.client.HTTPException) as error:
        raise Fault("no_answer", f"{method} {url}: {error or type(error).__name__}") from None
    finally:
        link.close()


def any_certificate() -> ssl.SSLContext:
    """TLS to an address of this machine or project, which no certificate is made for: whether it answers is asked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # loads no authorities: none is asked
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def want(reply: Reply, *statuses: int, kind: str = "bad_answer") -> Reply:
    """Refuse an answer of another status; 401 and 403 are a wrong key, unless they are what is wanted.

    Raises:
        Fault: the status is another.
    """
    if reply.status in statuses:
        return reply
    if reply.status in {401, 403}:
        kind = "wrong_key"
    raise Fault(kind, f"found {reply}; wanted status {' or '.join(map(str, statuses))}")


def want_refused(reply: Reply, what: str) -> None:
    """A request that no key or a wrong one came with is refused.

    Raises:
        Fault: it was let in, or answered otherwise.
    """
    if reply.status < HTTPStatus.MULTIPLE_CHOICES:
        raise Fault("unguarded", f"found {reply} {what}; wanted status 401 or 403")
    if reply.status not in {401, 403}:
        raise Fault("bad_answer", f"found {reply} {what}; wanted status 401 or 403")


def bearer(key: str) -> Mapping[str, str]:
    """The header that shows a key."""
    return {"Authorization": f"Bearer {key}"}
