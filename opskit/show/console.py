"""A run as a terminal shows it: the journal's events as they come, one line each."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any

from opskit.plain import plain_text
from opskit.show.run import DONE

_LOOK_S = 0.2
_STANDING = frozenset({"facts", "findings"})
"""Kinds that a run writes at each look; what is as it was is not told again."""
_MARKS = {"ready": "✔", "waiting": "·", "never": "✘"}


class Console:
    """Follows a run's journal and prints it; a service gets a line when it changes, not when it is looked at."""

    def __init__(self, read: Callable[[int], Sequence[Mapping[str, Any]]], out: IO[str] = sys.stdout) -> None:
        self.out = out
        self._read = read
        self._seen = 0
        self._told: dict[str, Sequence[str]] = {}

    def follow(self, ended: threading.Event) -> None:
        """Print events as they come until `ended`, and what came by then."""
        while not ended.wait(_LOOK_S):
            self._look()
        self._look()

    def _look(self) -> None:
        for event in self._read(self._seen):
            self._seen += 1
            lines = lines_of(event)
            if event["kind"] in _STANDING:
                if lines == self._told.get(event["kind"]):
                    continue
                self._told[event["kind"]] = lines
            for line in lines:
                print(plain_text(line), file=self.out, flush=True)


def lines_of(event: Mapping[str, Any]) -> Sequence[str]:
    """The lines a person sees of one event; none of most."""
    draw = _LINES.get(event["kind"])
    return draw(event) if draw else ()


def _note(event: Mapping[str, Any]) -> Sequence[str]:
    return (str(event["text"]),)


def _facts(event: Mapping[str, Any]) -> Sequence[str]:
    return ("REHEARSAL: stand-ins and recorded GPUs; nothing here is production",) if event["rehearsal"] else ()


def _service(event: Mapping[str, Any]) -> Sequence[str]:
    return (f"{event['seconds']:7.1f} s  {_MARKS[event['word']]} {event['service']:<20} {event['state']}",)


def _outcome(event: Mapping[str, Any]) -> Sequence[str]:
    if "stopped" in event and not event["failures"]:
        gone = f"{len(event['stopped'])} container(s) removed" if event["stopped"] else "nothing was up"
        return (f"{gone}; {len(event['volumes'])} volume(s) kept",)
    if not event.get("ok") or "created" not in event:
        return ()
    what = f"{event['created']} container(s) created" if event["created"] else "nothing was recreated"
    return (f"every service is up after {event['seconds']:.1f} s ({what})",)


def _ended(event: Mapping[str, Any]) -> Sequence[str]:
    word = DONE.get(event["act"])
    return (f"{word} in {event['seconds']:.1f} s",) if event["ok"] and word else ()


def _endpoints(event: Mapping[str, Any]) -> Sequence[str]:
    width = max((len(row["title"]) for row in event["rows"]), default=0)
    return [f"  {row['title']:<{width}}  {row['url']}  {row['answer'] or ''}".rstrip() for row in event["rows"]]


def _gpus(event: Mapping[str, Any]) -> Sequence[str]:
    return _findings(event, "GPUs") if event["findings"] else ()


def _smoke(event: Mapping[str, Any]) -> Sequence[str]:
    rows = event["rows"]
    width = max((len(row["subject"]) for row in rows), default=0)
    wrong = sum(row["kind"] not in {"", "no_check"} for row in rows)
    wide = max((len(_word(row)) for row in rows), default=0)
    told = [
        f"  {_word(row):<{wide}}  {row['subject']:<{width}}  {_ms(row['done']):>9}  "
        + (row["text"] or ", ".join(name for name, _ in row["done"]))
        for row in rows
    ]
    return [f"smoke: {len(rows) - wrong} of {len(rows)} well, in {event['seconds']:.1f} s", *told]


def _word(row: Mapping[str, Any]) -> str:
    return str(row["kind"]) or "ok"


def _ms(done: Sequence[tuple[str, int]]) -> str:
    return f"{sum(ms for _, ms in done)} ms" if done else ""


def _findings(event: Mapping[str, Any], word: str = "preflight") -> Sequence[str]:
    findings = event["findings"]
    counts = {verdict: sum(f["verdict"] == verdict for f in findings) for verdict in ("FAIL", "SKIP", "WARN", "PASS")}
    summary = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    told = [
        f"  {f['verdict']:<4} {f['check']:<18} {f['subject']}: found {f['found']}; wanted {f['wanted']}. {f['remedy']}"
        for f in findings
        if f["verdict"] != "PASS"
    ]
    return [f"{word}: {summary}", *told]


_LINES: Mapping[str, Callable[[Mapping[str, Any]], Sequence[str]]] = {
    "note": _note,
    "pull": _note,
    "facts": _facts,
    "service": _service,
    "outcome": _outcome,
    "ended": _ended,
    "endpoints": _endpoints,
    "findings": _findings,
    "gpus": _gpus,
    "smoke": _smoke,
}
