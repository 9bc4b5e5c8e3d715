"""Probes of the model server, of the gateway before it and of the chat; standard library alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus

from opskit.health.smoke.client import Fault, Reply, Steps, ask, bearer, mark, want, want_refused

_QUESTION = [{"role": "user", "content": "Answer with one word: is it light at noon?"}]
_TOKENS = 8


def check_vllm(steps: Steps, *, url: str, key: str, model: str) -> None:
    """The model server lists the model that it serves, to who has the key alone."""
    with steps.step("model list"):
        _listed(want(ask("GET", f"{url}/v1/models", None, bearer(key)), 200), model)
    with steps.step("refused without a key"):
        want_refused(ask("GET", f"{url}/v1/models"), "without a key")


def check_litellm(steps: Steps, *, url: str, key: str, model: str, slow_s: float, patience_s: float) -> None:
    """The gateway lists the model and completes a text with it; refused without the key."""
    with steps.step("refused without a key"):
        want_refused(ask("GET", f"{url}/v1/models"), "without a key")
    with steps.step("model list"):
        reply = ask("GET", f"{url}/v1/models", None, bearer(key))
        if "No connected db" in str(reply):  # what it says of a key that is not the master key, without its database
            raise Fault("wrong_key", f"found {reply}; wanted status 200")
        _listed(want(reply, 200), model)
    with steps.step("completion"):
        body = {"model": model, "messages": _QUESTION, "max_tokens": _TOKENS}
        reply = ask("POST", f"{url}/v1/chat/completions", body, bearer(key), timeout_s=patience_s)
        choices = want(reply, 200).json()["choices"]
        if not isinstance(choices[0]["message"]["content"], str):
            raise Fault("bad_answer", f"found {reply}; wanted a message")
        _in_time(reply, slow_s)


def check_openwebui(
    steps: Steps,
    *,
    url: str,
    email: str,
    password: str,
    model: str,
    closed: bool,
    slow_s: float,
    patience_s: float,
) -> None:
    """Sign in as the administrator, find the model and chat with it as the page does; a stranger cannot sign up.

    A session_id makes it the page's kind of request, to which the page's tools are added; without a chat_id no chat is
    kept.

    Args:
        steps: what was done.
        url: of the page.
        email: of the administrator.
        password: likewise.
        model: the one that is served.
        closed: whether strangers must be refused.
        slow_s: a first word that comes later is called slow.
        patience_s: how long it is waited for.
    """
    with steps.step("sign in"):
        reply = ask("POST", f"{url}/api/v1/auths/signin", {"email": email, "password": password})
        if reply.status == HTTPStatus.BAD_REQUEST:  # what it answers to a wrong password
            raise Fault("wrong_key", f"found {reply}; wanted the administrator let in")
        headers = bearer(want(reply, 200).json()["token"])
    with steps.step("model list"):
        _listed(want(ask("GET", f"{url}/api/models", None, headers, timeout_s=30), 200), model)
    with steps.step("chat, first word"):
        body = {"model": model, "messages": _QUESTION, "stream": True, "session_id": mark(), "max_tokens": _TOKENS}
        reply = ask("POST", f"{url}/api/chat/completions", body, headers, timeout_s=patience_s, stream=True)
        if not _words(want(reply, 200).body.decode("utf-8", "replace").splitlines()):
            raise Fault("bad_answer", f"found {reply}; wanted a streamed answer")
        _in_time(reply, slow_s)
    if closed:
        with steps.step("stranger refused"):
            _refuses_strangers(url)


def _refuses_strangers(url: str) -> None:
    """Ask for an account with an address that can be none: it is judged after whether strangers are let in at all."""
    stranger = {"name": "opskit smoke", "email": "opskit-smoke", "password": mark()}
    reply = ask("POST", f"{url}/api/v1/auths/signup", stranger)
    if reply.status != HTTPStatus.FORBIDDEN:  # what it answers where nobody may sign up
        raise Fault("sign_up_open", f"found {reply}; wanted status 403")


def _listed(reply: Reply, model: str) -> None:
    names = [entry["id"] for entry in reply.json()["data"]]
    if model not in names:
        raise Fault("model_missing", f"found {', '.join(names) or 'no model'}; wanted {model}")


def _words(lines: Iterable[str]) -> str:
    """The text of a streamed answer."""
    parts = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    choices: list[Mapping[str, Mapping[str, str]]] = [c for part in parts for c in part.get("choices") or ()]
    return "".join((choice.get("delta") or {}).get("content") or "" for choice in choices)


def _in_time(reply: Reply, slow_s: float) -> None:
    if reply.seconds > slow_s:
        raise Fault("slow", f"found an answer after {reply.seconds * 1000:.0f} ms; wanted it within {slow_s:g} s")
