"""Speaks to one registry about one repository, by the OCI distribution API and without any login."""

from __future__ import annotations

import contextlib
import json
import platform
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any, NoReturn
from urllib.parse import urlsplit

import requests
import urllib3

from opskit.engine.manifest import ACCEPT, Answer, goarch, parse_challenge, parse_layers, parse_platforms
from opskit.engine.reference import HUB

LATE = "no answer in time"

_MOST_BYTES = 4 * 1024**2
"""A registry need take no larger manifest (distribution-spec)."""

_CONNECTIONS = 8


class RefusedError(Exception):
    """A registry's answer that is not the wanted one."""

    def __init__(self, answer: Answer, reason: str) -> None:
        super().__init__(reason)
        self.answer = answer
        self.reason = reason


def open_session() -> requests.Session:
    """Connections for all images of a registry, used again and again: each new one costs 30 ms of TLS alone."""
    session = requests.Session()
    session.auth = lambda request: request  # else requests takes a login from ~/.netrc
    for scheme in ("http://", "https://"):
        session.mount(scheme, requests.adapters.HTTPAdapter(pool_maxsize=_CONNECTIONS, pool_block=True))
    return session


class Talk:
    """A conversation: the token it was given, and the moment at which it must be over."""

    def __init__(self, session: requests.Session, registry: str, repository: str, deadline: float) -> None:
        self._session = session
        self._url = f"{_address(registry)}/v2/"
        self._repository = repository
        self._deadline = deadline
        self._headers = {"Accept": ACCEPT}

    def look(self) -> None:
        """Whether a registry is there at all; one that asks for a login is.

        Raises:
            RefusedError: it takes no requests, or what answers there is none.
        """
        with self._send("GET", self._url) as reply:
            if reply.status_code == requests.codes.too_many_requests:
                _refuse(reply)
            if reply.status_code not in {requests.codes.ok, requests.codes.unauthorized}:
                raise RefusedError(Answer.UNREACHABLE, f"{self._url} answers HTTP {reply.status_code}")

    def find(self, version: str) -> tuple[str, int | None]:
        """Look a tag or digest up by HEAD, which Docker Hub does not count as a pull.

        Returns:
            Its digest, empty where the registry does not say, and how many pulls are left, where it counts them.

        Raises:
            RefusedError: it is not there, or not for us.
        """
        with self._ask("HEAD", version) as reply:
            left = reply.headers.get("RateLimit-Remaining", "").partition(";")[0]
            digest = reply.headers.get("Docker-Content-Digest", version if ":" in version else "")
        if left == "0":
            raise RefusedError(Answer.LIMITED, "no pull is left from here")
        return digest, int(left) if left.isdecimal() else None

    def read_layers(self, version: str) -> Mapping[str, int]:
        """Compressed bytes by layer of the image for this machine's processor.

        Raises:
            RefusedError: it is not there for this processor, or what comes is no manifest.
        """
        manifest = self._read(version)
        platforms = parse_platforms(manifest)
        if platforms is not None:
            mine = goarch(platform.machine())
            if mine not in platforms:
                there = ", ".join(sorted(platforms)) or "none"
                raise RefusedError(Answer.ABSENT, f"not made for linux/{mine}; made for: {there}")
            manifest = self._read(platforms[mine])
        layers = parse_layers(manifest)
        if layers is None:
            raise RefusedError(Answer.UNKNOWN, "its manifest names no layers with their sizes")
        return layers

    def _read(self, version: str) -> Any:  # noqa: ANN401  whatever JSON holds
        with self._ask("GET", version) as reply:
            return self._read_json(reply)

    @contextlib.contextmanager
    def _ask(self, method: str, version: str) -> Iterator[requests.Response]:
        reply = self._send(method, f"{self._url}{self._repository}/manifests/{version}")
        if reply.status_code == requests.codes.unauthorized:
            reply.close()
            if "Authorization" not in self._headers:
                token = self._read_token(reply.headers.get("WWW-Authenticate", ""))
                self._headers["Authorization"] = f"Bearer {token}"
            reply = self._send(method, reply.url)  # behind a redirect the token is for that host
        with reply:
            if not reply.ok:
                _refuse(reply)
            yield reply

    def _read_token(self, header: str) -> str:
        challenge = parse_challenge(header)
        if challenge is None:
            raise RefusedError(Answer.LOGIN, "nothing is given without a login")
        params = {"scope": challenge.get("scope", f"repository:{self._repository}:pull")}
        if "service" in challenge:
            params["service"] = challenge["service"]
        with self._send("GET", challenge["realm"], params) as reply:
            if not reply.ok:
                _refuse(reply)
            said = self._read_json(reply)
        token = said.get("token") or said.get("access_token") if isinstance(said, dict) else None
        if not isinstance(token, str):
            raise RefusedError(Answer.UNKNOWN, "its token server gives no token")
        return token

    def _send(self, method: str, url: str, params: Mapping[str, str] | None = None) -> requests.Response:
        left = max(0.05, self._deadline - time.monotonic())
        return self._session.request(method, url, params, headers=self._headers, stream=True, timeout=left)

    def _read_json(self, reply: requests.Response) -> Any:  # noqa: ANN401  whatever JSON holds
        body = b""
        for piece in reply.iter_content(64 * 1024):
            body += piece
            if time.monotonic() > self._deadline:
                raise RefusedError(Answer.UNKNOWN, LATE)
            if len(body) > _MOST_BYTES:
                raise RefusedError(Answer.UNKNOWN, f"its answer is longer than {_MOST_BYTES} bytes")
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise RefusedError(Answer.UNKNOWN, "its answer is damaged: no JSON") from None


def _refuse(reply: requests.Response) -> NoReturn:
    code = reply.status_code
    if code == requests.codes.too_many_requests:
        raise RefusedError(Answer.LIMITED, "too many requests from here (HTTP 429)")
    if code == requests.codes.not_found:
        raise RefusedError(Answer.ABSENT, "no such tag")
    if code in {requests.codes.unauthorized, requests.codes.forbidden}:
        raise RefusedError(Answer.LOGIN, "private, or not there")
    raise RefusedError(Answer.UNKNOWN, f"HTTP {code}")


def _address(registry: str) -> str:
    """Where a registry is; one on this machine is spoken to without TLS, as the Engine may."""
    host = urlsplit(f"//{registry}").hostname or ""
    with contextlib.suppress(ValueError):
        host = "localhost" if ip_address(host).is_loopback else host
    return f"{'http' if host == 'localhost' else 'https'}://{'registry-1.docker.io' if registry == HUB else registry}"


def explain(error: BaseException) -> str:
    """Why nothing came, in words: the cause lies below what requests raises, and below its retries."""
    through = "the proxy: " if isinstance(error, requests.exceptions.ProxyError) else ""
    words, cause = _name(error) or str(error) or type(error).__name__, error
    while (below := cause.__cause__ or cause.__context__) is not None:
        cause = below
        words = _name(cause) or words
    return through + words


def _name(cause: BaseException) -> str:
    if isinstance(cause, socket.gaierror):
        return "no name server answers" if cause.errno == socket.EAI_AGAIN else "no such host"
    if isinstance(cause, ssl.SSLError):
        return f"TLS: {getattr(cause, 'verify_message', '') or cause.reason}"
    if isinstance(cause, TimeoutError):
        return LATE
    if isinstance(cause, urllib3.exceptions.IncompleteRead):
        return "its answer was cut off"
    return (cause.strerror or "").lower() if isinstance(cause, OSError) else ""
