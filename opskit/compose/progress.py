"""A line of Compose's `--progress json` to an event; pure, for the schemas of v2 and v5."""

from __future__ import annotations

import json
from dataclasses import dataclass

_V5_STATUSES = frozenset({"Working", "Done", "Warning", "Error"})
_PULL_VERBS = frozenset({"Pulling", "Pulled", "Skipped", "Error"})
_KINDS = frozenset({"container", "network", "volume", "image", "config", "secret"})


@dataclass(frozen=True, slots=True)
class ComposeEvent:
    """One thing Compose said.

    Attributes:
        kind: container, network, volume, image, layer, config, secret, service; `error` for the last word of a failed
            command; `warning` for a logged one; `raw` for a line that is not JSON.
        name: the resource's name as Compose prints it; empty for error, warning and raw.
        verb: what happens to it, in Compose's word: Creating, Started, Pulled…; the whole text otherwise.
        detail: what came beside the verb, such as bytes pulled.
    """

    kind: str
    name: str
    verb: str
    detail: str = ""


def parse_progress(line: str) -> ComposeEvent:
    """Read one stderr line of a command run with `--progress json`; an unknown form is passed on, never refused.

    Source: Compose v2.29 to v2.40 put the verb in `status` (for pulls in `text`), v5 in `text` with `status` one of
    Working, Done, Warning, Error. A failed command ends with `{"error":true,"message":…}` in both; a cancelled one
    leaves the message out.
    """
    try:
        data = json.loads(line)
    except ValueError:
        return ComposeEvent("raw", "", line)
    if not isinstance(data, dict):
        return ComposeEvent("raw", "", line)
    if data.get("error") is True:
        return ComposeEvent("error", "", str(data.get("message", "")))
    if "level" in data and "msg" in data:
        return ComposeEvent("warning", "", str(data["msg"]))
    return _resource(data)


def _resource(data: dict[str, object]) -> ComposeEvent:
    status, text = str(data.get("status", "")), str(data.get("text", ""))
    verb_in_text = bool(text) and (status in _V5_STATUSES or text in _PULL_VERBS)
    verb, detail = (text, status) if verb_in_text else (status or text, "" if not status else text)
    if status in _V5_STATUSES and verb_in_text:
        detail = str(data.get("details", ""))
        if status == "Error" and verb != "Error":
            verb, detail = "Error", verb
    kind, name = _kind_and_name(str(data.get("id", "")), parent=data.get("parent_id"), verb=verb)
    return ComposeEvent(kind, name, verb, "" if detail.startswith("[") else detail)


def _kind_and_name(identity: str, *, parent: object, verb: str) -> tuple[str, str]:
    first, _, rest = identity.partition(" ")
    if rest and first.lower() in _KINDS:
        name = rest.strip('"')
        return (first.lower(), name) if not parent else ("layer", name)
    if parent:
        return "layer", identity
    return ("image" if verb in _PULL_VERBS else "service"), identity
