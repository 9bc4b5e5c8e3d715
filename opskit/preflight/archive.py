"""Facts as JSON, for the record: what was judged once can be judged again; pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from opskit.compose.faults import Failure
from opskit.compose.model import Stack, parse_stack
from opskit.errors import ConfigError
from opskit.preflight.facts import Facts

SCHEMA = 1
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
    try:
        facts = _adapter().validate_json(json.dumps(said), strict=True)
        return facts if raw is None else replace(facts, stack=parse_stack(raw))
    except ValidationError as error:
        faults = [f"{where}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        raise ConfigError("\n".join(faults)) from None
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise ConfigError(f"{where}: resolved: found no model as Compose prints it ({error!r})") from None


@cache
def _adapter() -> TypeAdapter[Facts]:
    return TypeAdapter(Facts)


def _redacted(value: Any, redact: Callable[[str], str]) -> Any:  # noqa: ANN401  JSON is any
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: _redacted(item, redact) for key, item in value.items()}
    return [_redacted(item, redact) for item in value] if isinstance(value, list) else value
