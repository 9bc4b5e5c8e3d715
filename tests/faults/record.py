# ruff: noqa: T201  a program that prints
"""Records what an Engine shows during launches: `PYTHONPATH=. python tests/faults/record.py`, DOCKER_HOST names it.

One file a case in tests/data/events/<Engine's version>: a line for each thing that the launch's tracker was given, as the
Engine sent it, less what nobody reads. tests/unit/health/test_recorded.py plays them back.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from opskit.engine import events
from opskit.engine.client import connect
from opskit.engine.model import ContainerEvent, ContainerState
from opskit.health import waiting
from opskit.health.readiness import ServiceWord, Tracker
from opskit.launch import launch_project
from opskit.paths import STATE
from opskit.rehearsal.engine import ensure_engine
from opskit.rehearsal.images import ensure_images
from tests.faults.cases import Case, cases
from tests.faults.run import clean, shell

FOLDER = Path(__file__).parents[1] / "data/events"
RECORDED = (
    "environment, restart no", "scale down, restart no", "dependent restarts, restart no", "network options, restart no",
    "environment, restart always", "healthy at the third probe", "crash loop", "tries of on-failure used up",
    "exits with 0, nothing waits for it", "unhealthy", "one-shot that is waited for", "one-shot that fails",
    "out of memory", "stopped by hand before", "killed by hand before", "removed by hand before", "paused by hand before",
    "a crash loop that was there before",
)  # fmt: skip
_STATE = ("Status", "ExitCode", "OOMKilled", "StartedAt", "FinishedAt", "Error")
_LABELS = ("service", "container-number", "oneoff", "project")

lines: list[dict[str, Any]] = []
sources: list[tuple[object, dict[str, Any]]] = []


def keeping(parse: Callable[[dict[str, Any]], Any], shorten: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """A parser that remembers what it read."""

    def read(data: dict[str, Any]) -> object:
        sources.append((value := parse(data), shorten(data)))
        return value

    return read


def source(value: object) -> dict[str, Any]:
    return next(data for parsed, data in sources if parsed is value)


def labels(data: dict[str, str]) -> dict[str, str]:
    kept = {f"com.docker.compose.{name}" for name in _LABELS}
    return {name: value for name, value in data.items() if name in kept or name.startswith("opskit.")}


def short_container(data: dict[str, Any]) -> dict[str, Any]:
    state = {name: data["State"].get(name) for name in _STATE}
    if health := data["State"].get("Health"):
        state["Health"] = {"Status": health["Status"]}
    return {
        "Id": data["Id"],
        "Name": data["Name"],
        "Created": data["Created"],
        "RestartCount": data.get("RestartCount", 0),
        "State": state,
        "HostConfig": {"RestartPolicy": data["HostConfig"].get("RestartPolicy")},
        "Config": {"Labels": labels(data["Config"]["Labels"])},
    }


def short_event(data: dict[str, Any]) -> dict[str, Any]:
    attributes = data["Actor"]["Attributes"]
    kept = {name: attributes[name] for name in ("exitCode", "signal", "execDuration") if name in attributes}
    actor = {"ID": data["Actor"]["ID"], "Attributes": {**labels(attributes), **kept}}
    return {"Type": data["Type"], "Action": data["Action"], "Actor": actor, "timeNano": data["timeNano"]}


class Recording(Tracker):
    """A tracker that writes down what it is given."""

    def observe(self, states: Iterable[ContainerState], now: float) -> None:
        seen = tuple(states)
        lines.append({"at": now, "look": [source(state) for state in seen]})
        Tracker.observe(self, seen, now)

    def update(self, state: ContainerState, now: float) -> None:
        lines.append({"at": now, "container": source(state)})
        Tracker.update(self, state, now)

    def feed(self, event: ContainerEvent, now: float) -> None:
        lines.append({"at": now, "event": source(event)})
        Tracker.feed(self, event, now)

    def settle(self, now: float) -> None:
        lines.append({"at": now, "compose": "ended"})
        Tracker.settle(self, now)

    def unsettle(self) -> None:
        lines.append({"compose": "started again"})
        Tracker.unsettle(self)

    def words(self, now: float) -> tuple[ServiceWord, ...]:
        if "judged" in lines[-1]:
            lines.pop()
        lines.append({"judged": now})
        return Tracker.words(self, now)


def begin(needs: Any, clock_s: float | None) -> Recording:
    lines.append({"clock_s": clock_s, "needs": [asdict(need) for need in needs.values()]})
    return Recording(needs, clock_s)


def record(case: Case, box: str, host: str) -> bool:
    """Run a case and write what its launch saw; false where the word was not the right one."""
    project, environ = f"opskit-fault-{uuid.uuid4().hex[:6]}", {**os.environ, "DOCKER_HOST": host}
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "compose.yml"
        try:
            if case.before:
                file.write_text(case.before.replace("BOX", box))
                launch_project(file, project, deadline_s=18, engine_host=host)
            if case.between:
                shell(case.between, project, environ)
            file.write_text(case.text.replace("BOX", box))
            lines.clear()
            sources.clear()
            outcome = launch_project(file, project, deadline_s=60, engine_host=host)
        finally:
            clean(project, environ)
    first = outcome.failures[0] if outcome.failures else None
    if (first.kind if first else "") != case.kind:
        return False
    client = connect(host)
    folder = FOLDER / re.match(r"\d+\.\d+", client.version()["Version"])[0]  # type: ignore[index]
    folder.mkdir(parents=True, exist_ok=True)
    head = {
        "case": case.name,
        "kind": case.kind,
        "service": case.service if case.kind else None,
        "engine": client.version()["Version"],
    }
    text = "\n".join(json.dumps(line) for line in (head, *lines)) + "\n"
    (folder / f"{re.sub(r'[^a-z0-9]+', '-', case.name)}.jsonl").write_text(text.replace(project, "project"))
    return True


def main() -> int:
    host = os.environ.get("DOCKER_HOST") or ensure_engine(STATE, say=print).host
    box = ensure_images(connect(host), ["nginx"], cache=STATE / "cache", say=print)["nginx"]
    events.parse_event = keeping(events.parse_event, short_event)
    events.parse_container = keeping(events.parse_container, short_container)
    vars(waiting)["Tracker"] = begin
    chosen = [case for case in cases() if case.name in RECORDED]
    wrong = [case.name for case in chosen if not record(case, box, host)]
    print(f"{len(chosen) - len(wrong)} recorded; wrong: {wrong or 'none'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
