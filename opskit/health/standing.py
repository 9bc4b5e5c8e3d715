"""How the containers of an environment stand, without a launch: a word each, and what brings it back; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from opskit.engine.model import ContainerState
from opskit.health.readiness import MAX_DEATHS, Word

_LOOP_LIVES = 2.0
"""A container that was restarted is believed once it runs longer than so many of its earlier lives."""
_RESTART, _START = "`opskit restart {env} {service}{more}`", "`opskit start {env}{more}`"
_FIX = f"fix what its log says (`opskit logs {{env}} {{service}}{{more}}`), then {_RESTART}"


@dataclass(frozen=True, slots=True)
class Standing:
    """One container, or a service that has none.

    Attributes:
        word: READY, WAITING or NEVER, which here means: not by itself.
        state: the word for people.
        since_s: seconds since the epoch from which it is so; None where nothing tells.
        up: how long it has run, in the Engine's words, where that is all that is known.
        remedy: what brings it back; empty where it is well.
        container: its id; empty where there is none.
    """

    service: str
    word: Word
    state: str
    since_s: float | None = None
    remedy: str = ""
    container: str = ""
    up: str = ""


def stand(
    states: Iterable[ContainerState], expected: Iterable[str], *, env: str, now_s: float, more: str = ""
) -> tuple[Standing, ...]:
    """Judge what is there, and what should be and is not.

    Args:
        states: the project's containers.
        expected: its services by the files.
        env: the environment, for the commands of the remedies.
        now_s: the Engine's clock, in seconds since the epoch.
        more: parameters for those commands, such as ` -p rehearse yes`.
    """
    names = {"env": env, "more": more}
    known = tuple(states)
    missing = sorted(set(expected) - {state.service for state in known})
    standing = [_stand(state, names, now_s) for state in sorted(known, key=lambda state: (state.service, state.number))]
    remedy = _START.format(**names)
    return (*standing, *(Standing(name, Word.NEVER, "missing: it has no container", remedy=remedy) for name in missing))


def _stand(state: ContainerState, names: Mapping[str, str], now_s: float) -> Standing:
    started = state.started_s or state.created_s
    word, text, since, remedy = _judge(state, started, now_s)
    return Standing(
        state.service,
        word,
        text,
        None if state.up else since,
        remedy.format(**names, service=state.service, container=state.id[:12]),
        state.id,
        state.up,
    )


_Judgement = tuple[Word, str, float | None, str]


def _judge(state: ContainerState, started: float, now_s: float) -> _Judgement:
    if state.status in {"exited", "dead"}:
        return _ended(state)
    if state.status == "restarting":
        return _restarting(state)
    if state.status == "paused":
        return Word.NEVER, "paused", started, "`docker unpause {container}`"
    if state.status == "created":
        why = f"never started: {state.error}" if state.error else "never started"
        return Word.NEVER, why, state.created_s, _START
    return _running(state, started, now_s)


def _running(state: ContainerState, started: float, now_s: float) -> _Judgement:
    if state.health == "unhealthy":
        return Word.NEVER, "unhealthy", started, _FIX
    if state.health == "starting":
        return Word.WAITING, "starting", started, ""
    if state.restart_count >= MAX_DEATHS and now_s - started < _LOOP_LIVES * state.earlier_life_s:
        return Word.NEVER, f"crash loop: restarted {state.restart_count} times", state.created_s, _FIX
    return Word.READY, state.health or state.status, started, ""


def _restarting(state: ContainerState) -> _Judgement:
    if state.restart_count < MAX_DEATHS:
        return Word.WAITING, f"restarting ({state.restart_count})", state.ended_s, ""
    text = f"crash loop: restarted {state.restart_count} times, last with exit code {state.exit_code}"
    return Word.NEVER, text, state.created_s, _FIX


def _ended(state: ContainerState) -> _Judgement:
    code = f"exit code {state.exit_code}"
    if state.oom_killed:
        return Word.NEVER, f"out of memory ({code})", state.ended_s, "raise its memory limit, then " + _RESTART
    if state.exit_code == 0 and state.may_end:
        return Word.READY, "completed", state.ended_s, ""
    if state.error:
        return Word.NEVER, f"not started: {state.error}", state.ended_s, _START
    if state.restarts:  # the Engine restarts it after any end of its own
        return Word.NEVER, f"stopped or killed from outside ({code})", state.ended_s, _RESTART
    return Word.NEVER, f"exited ({code})", state.ended_s, _RESTART
