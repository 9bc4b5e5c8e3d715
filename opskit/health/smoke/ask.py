"""Asks the services of a project that was launched: all at once, each bounded in time, from where its users are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opskit.compose.model import Stack
from opskit.engine.client import begin_inside, take_answer
from opskit.engine.events import read_evidence
from opskit.engine.facts import read_container_facts
from opskit.errors import NotReadError
from opskit.health.smoke.client import mark
from opskit.health.smoke.plan import MOUNTED, Probe
from opskit.health.smoke.probe import COMMAND, VARIABLE, pack, run_probe
from opskit.health.smoke.result import Result, fill, judge_log, parse_result
from opskit.health.smoke.sql import REDIS_WORDS, judge_redis, judge_sql, sql_words
from opskit.reading import Reading
from opskit.secrets.value import Secret

if TYPE_CHECKING:
    from docker import DockerClient

_ASKERS = ("litellm", "multimodal-worker", "retrieval-proxy")
"""Services on both networks whose images have python3, the first that runs is taken."""


@dataclass(frozen=True, slots=True)
class _Asked:
    result: Result
    take: Callable[[Result], Result]


@dataclass(frozen=True, slots=True)
class _Present:
    """The project's containers by service: ids of those that run, what the Engine says of each, and who asks."""

    running: Mapping[str, str]
    statuses: Mapping[str, str]
    asker: str | None


def read_mounted(stack: Stack) -> Mapping[str, str]:
    """The texts of MOUNTED, by their place in the container; one that is not mounted or not readable is left out."""
    places = {place: service for service, place in MOUNTED}
    mounts = [m for s in stack.services for m in s.mounts if places.get(m.target) == s.name and m.kind == "bind"]
    return {m.target: Path(m.source).read_text(encoding="utf-8") for m in mounts if Path(m.source).is_file()}


def ask_services(client: DockerClient, project: str, probes: Iterable[Probe]) -> tuple[Result, ...]:
    """Run the probes, all at once; returns a result for each, in their order.

    Args:
        client: the Engine's connection.
        project: the Compose project.
        probes: as planned.
    """
    facts = read_container_facts(client, project)
    running = {fact.service or "": fact.id for fact in facts if fact.state == "running"}
    asker = next((name for name in _ASKERS if name in running), None)
    present = _Present(running, {fact.service or "": fact.status for fact in facts}, asker)
    asked = [_begin(client, probe, present) for probe in probes]
    return tuple(one.take(one.result) for one in asked)


def _begin(client: DockerClient, probe: Probe, present: _Present) -> _Asked:
    result = Result(probe.service, probe.subject)
    why = _why_not(probe, present)
    if why is not None:
        return _Asked(replace(result, kind=why[0], text=why[1]), _same)
    values = {name: v.reveal() if isinstance(v, Secret) else v for name, v in probe.values.items()}
    if probe.check == "log":
        return _Asked(
            replace(result, place="its log"), partial(judge_log, read_evidence(client, present.running[probe.service]))
        )
    if probe.check in {"sql", "redis"}:
        return _own_client(client, probe, result, present.running[probe.service], values)
    if probe.here:
        return _here(probe, replace(result, place="this machine"), values)
    environment = {VARIABLE: pack(probe.check, values)}
    asker = present.running[present.asker or ""]
    reading = begin_inside(client, asker, COMMAND, timeout_s=probe.within_s, environment=environment)
    return _Asked(replace(result, place=present.asker or ""), lambda known: parse_result(known, take_answer(reading)))


def _why_not(probe: Probe, present: _Present) -> tuple[str, str] | None:
    """Why a service is not asked, as a stable word and a sentence; None where it is."""
    if probe.check == "none":
        return "no_check", ""
    if probe.service not in present.running:
        status = present.statuses.get(probe.service)
        return "not_running", f"found {f'a container that is {status!r}' if status else 'none'}; wanted one that runs"
    missing = ", ".join(name for name, value in probe.values.items() if value is None)
    if missing:
        return "secret_missing", f"found no value for its {missing} in the env file; wanted one"
    if present.asker is None and not (probe.here or probe.check in {"sql", "redis", "log"}):
        return "not_asked", f"found none of {', '.join(_ASKERS)} running; wanted one to ask from"
    return None


def _same(result: Result) -> Result:
    return result


def _here(probe: Probe, result: Result, values: Mapping[str, Any]) -> _Asked:
    reading = Reading(probe.subject, partial(run_probe, probe.check, values), timeout_s=probe.within_s)

    def take(known: Result) -> Result:
        try:
            return fill(known, reading.result())
        except NotReadError as error:
            return replace(known, kind="no_answer", text=str(error))

    return _Asked(result, take)


def _own_client(
    client: DockerClient, probe: Probe, result: Result, container: str, environment: Mapping[str, str]
) -> _Asked:
    words = sql_words(probe.role) if probe.role else REDIS_WORDS
    given = {**environment, "KEY": mark(), "PGCONNECT_TIMEOUT": "5"}
    reading = begin_inside(client, container, words, timeout_s=probe.within_s, environment=given)

    def take(known: Result) -> Result:
        answer = take_answer(reading)
        verdict = judge_sql(probe.role, answer) if probe.role else judge_redis(answer)
        if verdict.kind:
            return replace(known, kind=verdict.kind, text=verdict.text)
        return replace(known, done=((probe.summary, round(reading.seconds * 1000)),))

    return _Asked(replace(result, place=probe.service), take)
