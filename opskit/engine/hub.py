"""Asks the hub a model would be downloaded from."""

from __future__ import annotations

import os
import re

import requests
import urllib3

_ASK_S = 3.0
_LOGIN = re.compile(r"(?<=//)[^/]*@")
"""User and password in an address: nobody's to read."""


def read_hub() -> str:
    """Why the Hugging Face hub cannot be reached; empty where it can. HF_ENDPOINT names another one."""
    url = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    try:
        requests.head(url, timeout=_ASK_S, allow_redirects=False)
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
        return f"{_LOGIN.sub('', url)}: {type(error).__name__}"
    return ""
