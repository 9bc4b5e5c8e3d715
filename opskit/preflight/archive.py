"""Facts as JSON, for the record: what was judged once can be judged again; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from opskit.compose.faults import Failure
from opskit.compose.model import Stack, parse_stack
from opskit.errors import ConfigError
from opskit.preflight.facts import Facts

SCHEMA = 2
"""Version of the JSON form; a change of a field's meaning counts it up, a new field with a default does not."""

_ELSEWHERE = Failure("resolved", None, "", (), "")
"""Stands for a stack that was resolved: it is kept as Compose printed it."""


def to_json(facts: Facts, redact: Callable[[str], str] = str) -> str:
    """Write facts as one JSON object; `redact` is applied to every text in it."""
    resolved = isinstance(facts.stack, Stack)
    said = _adapter().dump_python(replace(facts, stack=_ELSEWHERE) if resolved else facts, mode="json")
    raw = facts.stack.raw if isinstance(facts.stack, Stack) else None
    return json.dumps(_redacted({"schema": SCHEMA, **said, "resolved": raw}, redact), indent=1)


def facts_from_json(text: str, where: str = "facts") -> Facts:
    """Read what `to_json` wrote, also what an older opskit wrote: what that did not know has its default.

    Args:
        text: the JSON.
        where: its path, for the message.

    Raises:
        ConfigError: it is damaged, or a newer opskit wrote it; every fault is in the message, with its place.
    """
    try:
        said: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{where}: found no JSON: {error}; wanted the facts that a preflight recorded") from None
    schema = said.pop("schema", None) if isinstance(said, dict) else None
    if type(schema) is not int or not 1 <= schema <= SCHEMA:
        raise ConfigError(f"{where}: found schema {schema}; wanted 1 to {SCHEMA}; read it by the opskit of then")
    raw = said.pop("resolved", None)
    said = _from_first(said) if schema == 1 else said
    try:
        facts = _adapter().validate_json(json.dumps(said), strict=True)
        return facts if raw is None else replace(facts, stack=parse_stack(raw))
    except ValidationError as error:
        places = {_place(fault["loc"]): fault["msg"] for fault in error.errors() if "Unknown" not in fault["loc"]}
        raise ConfigError("\n".join(f"{where}: {place}: {text}" for place, text in places.items())) from None
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise ConfigError(f"{where}: resolved: found no model as Compose prints it ({error!r})") from None


def _place(location: tuple[str | int, ...]) -> str:
    """Where a fault is, without pydantic's names of the types that it tried: `host.memory.total_bytes`."""
    return ".".join(str(part) for part in location if re.fullmatch(r"[a-z0-9_.-]+", str(part)))


def _from_first(record: dict[str, Any]) -> dict[str, Any]:
    """What schema 1 wrote in the form of 2: a sentence or null, with its reason in `unread`, becomes an Unknown."""
    reasons = record.pop("unread", None) or {}

    def unknown(text: str) -> dict[str, Any]:
        reason, _, remedy = text.partition(" Remedy: ")
        return {"reason": reason.rstrip("."), "remedy": remedy.rstrip("."), "required": False}

    def given(owner: Any, *names: str) -> None:  # noqa: ANN401  JSON is any
        for name in names if isinstance(owner, dict) else ():
            if owner.get(name) is None:
                owner.pop(name, None)
            if name in reasons:
                owner[name] = reasons[name]

    for name in ("compose", "engine", "model", "hub"):
        if isinstance(record.get(name), str):
            record[name] = unknown(record[name]) if record[name] else {"address": "the hub"}
    host = record.get("host")
    if isinstance(host, dict) and "holders" in host:
        host["sockets"] = host.pop("holders")
        reasons |= {"sockets": reasons["holders"]} if "holders" in reasons else {}
    given(host, "memory", "sockets", "daemon")
    given(record.get("engine"), "containers", "images", "networks", "volumes")
    if "disks" in reasons:
        record["files"] = reasons["disks"]
    return record


@cache
def _adapter() -> TypeAdapter[Facts]:
    return TypeAdapter(Facts)


def _redacted(value: Any, redact: Callable[[str], str]) -> Any:  # noqa: ANN401  JSON is any
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: _redacted(item, redact) for key, item in value.items()}
    return [_redacted(item, redact) for item in value] if isinstance(value, list) else value
