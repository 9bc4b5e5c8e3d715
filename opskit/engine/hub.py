"""Asks the hub a model would be downloaded from."""

from __future__ import annotations

import os

import requests

_ASK_S = 3.0


def read_hub() -> str:
    """Why the Hugging Face hub cannot be reached; empty where it can. HF_ENDPOINT names another one."""
    url = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    try:
        requests.head(url, timeout=_ASK_S, allow_redirects=False)
    except requests.exceptions.RequestException as error:
        return f"{url}: {type(error).__name__}"
    return ""
