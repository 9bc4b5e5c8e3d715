"""What is told apart between two runs: what a run was made from and what came of it, as flat text; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_OF_RUN = ("host", "who", "rehearsal", "engine_id", "ended_by")
_TROUBLE = frozenset({"WARN", "FAIL"})


def flatten(record: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, str]:
    """Everything of a run that another of the same kind should share, by a name for it.

    Args:
        record: its record.json.
        facts: its facts, where it kept any: the model as Compose resolved it, and where it runs.
    """
    outcome = record.get("outcome") or {}
    return {
        **{name: str(record[name]) for name in _OF_RUN if record.get(name) is not None},
        **dict(_flat(record.get("files") or {}, "files")),
        **dict(_flat(record.get("effective") or record.get("parameters") or {}, "parameter")),
        **dict(_flat(record.get("versions") or {}, "version")),
        **{f"image {row['Image']}": row["ImageID"] for row in record.get("containers") or ()},
        **{
            f"finding {row['check']} {row['subject']}": f"{row['verdict']}: {row['found']}"
            for row in record.get("findings") or ()
            if row["verdict"] in _TROUBLE
        },
        **{f"service {row['service']}": row["word"] for row in outcome.get("services") or ()},
        **{f"failure of {f.get('service') or 'the launch'}": f["message"] for f in outcome.get("failures") or ()},
        **dict(_flat((facts.get("placement") or {}).get("mode"), "gpu mode")),
        **dict(_flat((facts.get("resolved") or {}).get("services") or {}, "compose")),
    }


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[tuple[str, str, str], ...]:
    """Name, before, after of what differs, in the order of the earlier; empty text for what one of them lacks."""
    names = dict.fromkeys((*before, *after))
    return tuple((n, before.get(n, ""), after.get(n, "")) for n in names if before.get(n) != after.get(n))


def _flat(value: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _flat(part, f"{path}.{name}")
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _flat(part, f"{path}.{index}")
    elif value is not None:
        yield path, str(value)
