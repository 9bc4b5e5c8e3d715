"""A run as a panel shows it: journal events reduce to a state, the state is drawn as HTML; pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from opskit.plain import escape

PRODUCTION = "production"
"""The environment that is asked about twice."""

_COLOURS = {"ready": "#008561", "waiting": "#9c6c00", "never": "#c05500"}
"""Okabe and Ito's green, orange and vermilion, darkened until they read on white (WCAG AA) and on JupyterLab's dark."""

_BADGE = '<b style="background:#e69f00;color:#000;padding:1px 6px;border-radius:3px">REHEARSAL</b> '
_LINK = "color:var(--jp-content-link-color,#1976d2);text-decoration:underline"
_CELL = "padding:1px 14px 1px 0;text-align:left;vertical-align:top"
_BOX = "font-family:var(--jp-ui-font-family,sans-serif);color:var(--jp-ui-font-color1,inherit);line-height:1.5"


_ORDER = {"waiting": 1, "ready": 2}
"""Of a service's words; every other is a failure, and stands first."""

_LAUNCHED = frozenset({"create", "recreate", "restart", "start", "rerun", "keep"})
_PLANNED = {"word": "waiting", "state": "planned", "seconds": None}
DONE = {"start": "READY", "stop": "STOPPED"}
"""The word for an act that ended well."""

# kind of event -> field of the state, key of the event
_FIELDS = {
    "phase_started": ("phase", "phase"),
    "facts": ("rehearsal", "rehearsal"),
    "note": ("note", "text"),
    "pull": ("phase", "text"),
    "failure": ("failure", "message"),
    "ended": ("ok", "ok"),
    "endpoints": ("endpoints", "rows"),
}


@dataclass(frozen=True, slots=True)
class Action:
    """What a click starts: a recorded run of a notebook.

    Attributes:
        parameters: of the run, as words.
        question: what the button asks before, as its label; empty: the first click starts it.
        effect: what the question says a second click does, as HTML.
        typed: the word to type beside the button as well; empty: none.
    """

    notebook: str
    parameters: Mapping[str, str]
    question: str = ""
    effect: str = ""
    typed: str = ""

    @property
    def command(self) -> str:
        """What starts the same run from a terminal."""
        rest = {name: value for name, value in self.parameters.items() if name != "env"}
        words = (f"-p {name} {shlex.quote(value)}" for name, value in rest.items())
        place = [shlex.quote(self.parameters["env"])] if self.parameters.get("env") else []
        return " ".join(("opskit", self.notebook.replace("_", "-"), *place, *words))


def stop_action(env: str, more: Mapping[str, str]) -> Action:
    """The stop of an environment, asked for twice; production's is typed. `more`: parameters beside `env`."""
    effect = f"to take <b>{escape(env)}</b> down; its data is kept"
    return Action("stop", {"env": env, **more}, f"Take {env} down?", effect, env if env == PRODUCTION else "")


@dataclass(frozen=True, slots=True)
class RunState:
    """What is known of a run from its journal so far.

    Attributes:
        began: Unix seconds of its first event; None before it.
        now: Unix seconds of its last event, or of the clock while it runs.
        services: state word and seconds by service, in the order they were first told.
        unread: lines of the journal that could not be read.
        ok: whether every cell ran to its end; None before the recorder told.
        ended: whether its process has ended.
        stopped: whether the operator asked it to end, here.
        interrupted: whether it was ended by an interrupt, of any user.
        output: the last lines of its process, for one that ended without an outcome.
        usual_s: seconds that earlier launches of it took; None where there was none.
    """

    act: str = "start"
    phase: str = "kernel"
    began: float | None = None
    now: float | None = None
    rehearsal: bool = False
    services: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    ok: bool | None = None
    failure: str | None = None
    endpoints: Sequence[Mapping[str, Any]] = ()
    note: str = ""
    unread: int = 0
    ended: bool = False
    stopped: bool = False
    interrupted: bool = False
    output: tuple[str, ...] = ()
    usual_s: float | None = None
    record: str = ""


def reduce_run(state: RunState, event: Mapping[str, Any]) -> RunState:
    """The state after one more event of the journal; an event it does not know moves only the clock.

    A line that could not be read, and an event without what its kind has, is counted and changes nothing else.
    """
    try:
        return _reduced(state, event)
    except KeyError:
        return replace(state, unread=state.unread + 1)


def _reduced(state: RunState, event: Mapping[str, Any]) -> RunState:
    state = replace(state, began=state.began if state.began is not None else event["at"], now=event["at"])
    kind = event["kind"]
    if kind == "service":
        return replace(state, phase="launch", services={**state.services, event["service"]: event})
    if kind == "plan":
        names = [step["name"] for step in event["steps"] if step["kind"] == "container" and step["act"] in _LAUNCHED]
        return replace(state, services={n: {"service": n, **_PLANNED} for n in names}, usual_s=event.get("usual_s"))
    if kind == "outcome":
        ended_by_hand = any(failure.get("kind") == "cancelled" for failure in event.get("failures") or ())
        return replace(state, interrupted=ended_by_hand)
    if kind in _FIELDS:
        name, key = _FIELDS[kind]
        return replace(state, **{name: event[key]})
    return state


def draw_run(state: RunState) -> str:
    """The run as HTML: a line that says how it stands, a row a service, what must be fixed, addresses, the record."""
    parts = [f"<div>{_BADGE if state.rehearsal else ''}{_headline(state)}</div>"]
    if state.note and not (state.ended and state.act == "start"):
        parts.append(f"<div>{escape(state.note)}</div>")
    if state.unread:
        parts.append(f"<div>{state.unread} line(s) of its journal cannot be read and are left out here.</div>")
    if state.services:
        worst_first = sorted(state.services.values(), key=lambda service: _ORDER.get(service["word"], 0))
        rows = "".join(map(_service_row, worst_first))
        parts.append(f"<table>{rows}</table>")
    if state.ended and state.failure:
        parts.append(f'<pre style="white-space:pre-wrap;overflow-wrap:anywhere">{escape(state.failure)}</pre>')
    elif state.ended and state.ok is None:
        parts.append(f'<pre style="white-space:pre-wrap">{escape(chr(10).join(state.output))}</pre>')
    if state.endpoints:
        parts.append(_draw_endpoints(state.endpoints))
    if state.record:
        parts.append(f"<div>The record: <code>{escape(state.record)}</code></div>")
    return f'<div style="{_BOX}">{"".join(parts)}</div>'


def _headline(state: RunState) -> str:
    seconds = f"{(state.now or 0) - (state.began or 0):.0f} s"
    if not state.ended:
        ready = sum(service["word"] == "ready" for service in state.services.values())
        count = f", {ready} of {len(state.services)} services ready" if state.services else ""
        usual = "" if state.usual_s is None else f"; earlier launches took {state.usual_s:.0f} s"
        return f"<b>Running</b>: {escape(state.phase)}{count} ({seconds}{usual})"
    if state.ok:
        word = DONE.get(state.act, "DONE")
        return f'<b style="color:{_COLOURS["ready"]}">✔ {word}</b> in {seconds}'
    by_hand = state.stopped or state.interrupted
    word = "■ STOPPED BY YOU" if state.stopped else "■ STOPPED" if by_hand else "✘ FAILED"
    colour = _COLOURS["waiting" if by_hand else "never"]
    return f'<b style="color:{colour}">{word}</b> after {seconds}'


def _service_row(service: Mapping[str, Any]) -> str:
    colour = _COLOURS.get(service["word"], "inherit")
    seconds = "" if service["seconds"] is None else f"{service['seconds']:.1f} s"
    return (
        f'<tr><td style="{_CELL}">{escape(service["service"])}</td>'
        f'<td style="{_CELL};color:{colour};font-weight:bold">{escape(service["word"])}</td>'
        f'<td style="{_CELL}">{escape(service["state"])}</td>'
        f'<td style="{_CELL};text-align:right">{seconds}</td></tr>'
    )


def _draw_endpoints(rows: Sequence[Mapping[str, Any]]) -> str:
    """What people open, then folded what programs use, and how both are reached from another machine."""
    pages, others = [r for r in rows if r.get("page")], [r for r in rows if not r.get("page")]
    shown = "".join(map(_endpoint_row, pages))
    folded = "".join(map(_endpoint_row, others))
    parts = [f"<table>{shown}</table>"] if pages else []
    if others:
        title = f"{len(others)} addresses of programs"
        parts.append(f"<details><summary>{title}</summary><table>{folded}</table></details>")
    ports = [port for row in pages if (port := urlsplit(row["page"]).port) and "//127.0.0.1:" in row["page"]]
    if ports:
        tunnel = escape(" ".join(f"-L {port}:127.0.0.1:{port}" for port in ports))
        told = f"<code>ssh -N {tunnel} USER@HOST</code>, then the same addresses"
        parts.append(f"<details><summary>From another machine</summary>{told}</details>")
    return "".join(parts)


def _endpoint_row(row: Mapping[str, Any]) -> str:
    url = escape(row.get("page") or row["url"])
    shown = (
        f'<a href="{url}" target="_blank" rel="noopener" style="{_LINK}">{url}</a>'
        if url.startswith(("http://", "https://"))
        else url
    )
    title, answer = escape(row["title"]), escape(row["answer"] or "")
    return f'<tr><td style="{_CELL}">{title}</td><td style="{_CELL}">{shown}</td><td style="{_CELL}">{answer}</td></tr>'
