"""Asks the hub a model would be downloaded from: whether it answers, and whether it gives that model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

import requests
import urllib3

_ASK_S = 3.0
_HUB = "https://huggingface.co"
_LOGIN = re.compile(r"(?<=//)[^/]*@")
"""User and password in an address: for nobody to read."""
_BAD_TOKEN = "Invalid credentials in Authorization header"  # noqa: S105  what the hub says of one
_DISABLED = "Access to this resource is disabled."

Refusal = Literal["", "unknown", "gated", "disabled", "bad token", "forbidden"]
"""Why a hub does not give a model; empty where it does."""


@dataclass(frozen=True, slots=True)
class Hub:
    """What a hub said.

    Attributes:
        address: of the hub, without a login.
        silent: why it cannot be asked; empty where it answered.
        refusal: why it does not give the model; empty where it does, and where it cannot be asked.
        token: whether it was shown HF_TOKEN.
    """

    address: str
    silent: str = ""
    refusal: Refusal = ""
    token: bool = False


def read_hub(model: str, environment: Mapping[str, str | None]) -> Hub:
    """Ask for the model's config.json, as the model server itself begins.

    Args:
        model: its name on the hub.
        environment: of the model server: HF_ENDPOINT names another hub, HF_TOKEN opens what is not for everybody.
    """
    url, token = environment.get("HF_ENDPOINT") or _HUB, environment.get("HF_TOKEN") or ""
    address = _LOGIN.sub("", url).rstrip("/")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        said = requests.head(
            f"{url.rstrip('/')}/{quote(model)}/resolve/main/config.json",
            headers=headers,
            timeout=_ASK_S,
            allow_redirects=False,
        )
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
        return Hub(address, f"{address}: {type(error).__name__}", token=bool(token))
    if said.status_code == requests.codes.too_many_requests or said.status_code >= requests.codes.server_error:
        return Hub(address, f"{address}: HTTP {said.status_code}", token=bool(token))
    code, words = (said.headers.get(f"X-Error-{name}", "") for name in ("Code", "Message"))
    return Hub(address, refusal=parse_refusal(said.status_code, code, words), token=bool(token))


def parse_refusal(status: int, code: str, message: str) -> Refusal:
    """Read an answer of the hub.

    Args:
        status: of HTTP.
        code: its header X-Error-Code.
        message: its header X-Error-Message.

    Source: huggingface_hub 2.4.0 `hf_raise_for_status`: 401 is said of what is unknown, private or gated alike.
    """
    if code == "GatedRepo":
        return "gated"
    if message == _DISABLED:
        return "disabled"
    if message == _BAD_TOKEN:
        return "bad token"
    if code == "RepoNotFound" or status == requests.codes.unauthorized:
        return "unknown"
    return "forbidden" if status == requests.codes.forbidden else ""
