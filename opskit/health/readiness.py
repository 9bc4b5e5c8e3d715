"""Observations to a word per service: waiting, ready, or never with its kind; pure, the clock is passed in."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from opskit.compose.model import Ending
from opskit.engine.model import ContainerEvent, ContainerState

MAX_DEATHS = 3
"""Deaths since the launch began after which a service that restarts is called a crash loop."""

GRACE_S = 60.0
"""How long a container that this launch did not start may be unhealthy once Compose was done for the first time."""

STABLE_S = 4.0
"""How long a container without a health check must run before it is believed."""

LONGEST_STABLE_S = 60.0
"""How long it must at most, where it died before: twice as long as it lived until now."""

EVENT_S = 2.0
"""How long the event of an end may come after the end itself was seen: of what was there before the launch, it tells
whether Compose stopped it."""

OOM_S = 1.0
"""How long the Engine may take to say that a death by SIGKILL was for memory: containerd tells the two apart."""

ENDED_S = 5.0
"""How long a container that the Engine restarts may be ended before it is clear that it will not be."""


class Word(Enum):
    """What is so of a service: late (WAITING) and impossible (NEVER) are different answers."""

    WAITING = "waiting"
    READY = "ready"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class ServiceNeed:
    """What a service must reach; see `Ending` for what its end means."""

    service: str
    replicas: int = 1
    ending: Ending = Ending.NEVER
    max_deaths: int = MAX_DEATHS
    stable_s: float = STABLE_S


@dataclass(frozen=True, slots=True)
class ServiceWord:
    """The judgement of one service: `state` is the word for people, `kind` names the failure of a NEVER."""

    service: str
    word: Word
    state: str
    kind: str | None = None
    exit_code: int | None = None
    deaths: int = 0
    container: str | None = None
    started: bool = True
    """Whether it was started in this launch."""

    @property
    def counts(self) -> bool:
        """Whether it can have failed in this launch: what was not started cannot, but what is paused stays so."""
        return self.started or self.kind == "paused"


_Say = Callable[..., ServiceWord]
_ENDED = frozenset({"exited", "dead"})
_SIGKILLED = 137
_NO_END = frozenset({1, 10, 12, 17, 18, 23, 28})
"""Signals that are sent for another purpose than an end: HUP, USR1, USR2, CHLD, CONT, URG, WINCH."""


@dataclass(slots=True)
class _Seen:
    """What is known of one container since the launch began."""

    state: ContainerState
    base_restarts: int
    since: float
    """When it last began to run or was ended, as far as this launch knows."""
    deaths: int = 0
    last_exit: int | None = None
    oom: bool = False
    unhealthy: bool = False
    killed: bool = False
    """It was sent a signal from outside: by Compose, which replaces or removes it, or by a person."""
    untold: float = -math.inf
    """When it was seen ended, where it was there before the launch and no event had told of it yet."""
    started: bool = False
    stable_s: float = 0.0
    """What it must run at least, whatever its service asks for: it died before."""
    stale: bool = False
    """It had ended before the launch began; that says nothing until `up` is done with it."""

    @property
    def all_deaths(self) -> int:
        return max(self.deaths, self.state.restart_count - self.base_restarts)


@dataclass(slots=True)
class Tracker:
    """Reduces snapshots and events of one project to a word per service.

    Inspect decides and events add what inspect forgets: the exit code of a death before the last restart, an
    out-of-memory kill, an `unhealthy` between two looks. Unhealthy counts from inspect only while running: the Engine
    shows it for stopping containers too.
    """

    needs: Mapping[str, ServiceNeed]
    clock_s: float | None = None
    """What the Engine's clock said at the first snapshot; None takes what runs by then as if it always had."""
    _seen: dict[str, _Seen] = field(default_factory=dict)
    _first: bool = True
    _settled: bool = False
    _done: float = math.inf
    """When Compose was done for the first time."""
    _removed: set[str] = field(default_factory=set)

    def observe(self, states: Iterable[ContainerState], now: float) -> None:
        """Take a full snapshot; containers that are not in it are gone."""
        current = {state.id: state for state in states}
        for gone in self._seen.keys() - current.keys():
            self._forget(gone)
        for state in current.values():
            self._note(state, now, fresh=not self._first)
        self._first = False

    def update(self, state: ContainerState, now: float) -> None:
        """Take one look at one container."""
        self._note(state, now, fresh=True)

    def _note(self, state: ContainerState, now: float, *, fresh: bool) -> None:
        seen = self._seen.get(state.id)
        if seen is None:
            self._seen[state.id] = _Seen(state, 0, now, started=True) if fresh else self._found(state, now)
            return
        if state.status == "running" and (
            seen.state.status != "running" or seen.state.restart_count != state.restart_count
        ):
            seen.since = now
        if state.status in _ENDED and seen.state.status not in _ENDED:
            seen.since = now
            if not seen.started and seen.last_exit is None:
                seen.untold = now
        if state.health == "healthy":
            seen.unhealthy = False
        seen.state = state
        seen.stale = seen.stale and state.status in _ENDED

    def _found(self, state: ContainerState, now: float) -> _Seen:
        """One that was there when the launch began: its age counts, and how long it lived before each old restart."""
        age_s = LONGEST_STABLE_S
        if self.clock_s is not None and state.started_s is not None:
            age_s = max(0.0, self.clock_s - state.started_s)
        stable_s = min(LONGEST_STABLE_S, 2 * state.earlier_life_s)
        return _Seen(state, state.restart_count, now - age_s, stable_s=stable_s, stale=state.status in _ENDED)

    def _forget(self, identity: str) -> None:
        seen = self._seen.pop(identity, None)
        if seen is not None and self._settled:
            self._removed.add(seen.state.service)

    def settle(self, now: float) -> None:
        """Take every container as it is: Compose is done and will start nothing more.

        One that is unhealthy for want of what has only now been started or replaced gets GRACE_S to find it.
        """
        self._settled = True
        self._done = min(self._done, now)

    def unsettle(self) -> None:
        """Compose was started again: what it stops now it will start."""
        self._settled = False

    def feed(self, event: ContainerEvent, now: float) -> None:
        """Take one event; of a container not yet seen it waits for the look that follows."""
        seen = self._seen.get(event.id)
        if seen is None:
            return
        if event.action == "kill":
            seen.killed = event.signal not in _NO_END
        elif event.action == "die":
            seen.deaths += not seen.killed
            seen.last_exit = event.exit_code
            seen.since, seen.untold = now, -math.inf
        elif event.action == "oom":
            seen.oom = True
        elif event.action == "start":
            seen.since, seen.started, seen.killed = now, True, False
        elif event.action == "health_status":
            seen.unhealthy = event.health == "unhealthy"
        elif event.action == "destroy":
            self._forget(event.id)

    def words(self, now: float) -> tuple[ServiceWord, ...]:
        """The judgement of every needed service, in the order of the needs."""
        return tuple(self._judge(need, now) for need in self.needs.values())

    def _judge(self, need: ServiceNeed, now: float) -> ServiceWord:
        grace = now < self._done + GRACE_S
        seen = self._newest(need.service)
        words = [_judge_container(one, need, now, settled=self._settled, grace=grace) for one in seen]
        for word in words:
            if word.word is Word.NEVER:
                return word
        ready = [word for word in words if word.word is Word.READY]
        if need.replicas and len(ready) >= need.replicas:
            return ready[0]
        if need.replicas == 0:
            return ServiceWord(need.service, Word.READY, "scaled to 0")
        waiting = [word for word in words if word.word is Word.WAITING]
        if waiting:
            return waiting[0]
        if need.service in self._removed or (self._settled and not words):
            gone = "removed" if need.service in self._removed else "absent"
            return ServiceWord(need.service, Word.NEVER, gone, gone, started=gone == "removed")
        return ServiceWord(need.service, Word.WAITING, "absent" if not words else "scaling")

    def _newest(self, service: str) -> Iterable[_Seen]:
        """The newest container of each number: an older one of the same number is being replaced."""
        newest: dict[str, _Seen] = {}
        for seen in self._seen.values():
            if seen.state.service == service:
                other = newest.get(seen.state.number)
                if other is None or other.state.created_s <= seen.state.created_s:
                    newest[seen.state.number] = seen
        return newest.values()


def _judge_container(seen: _Seen, need: ServiceNeed, now: float, *, settled: bool, grace: bool) -> ServiceWord:
    state, deaths = seen.state, seen.all_deaths
    exit_code = seen.last_exit if seen.last_exit is not None else state.exit_code

    def say(word: Word, text: str, kind: str | None = None) -> ServiceWord:
        code = exit_code if deaths or state.status in {*_ENDED, "restarting"} else None
        return ServiceWord(need.service, word, text, kind, code, deaths, state.id, seen.started)

    if state.status in _ENDED and seen.killed:
        return say(Word.NEVER, "stopped", "stopped") if settled else say(Word.WAITING, "stopping")
    oom = seen.oom or state.oom_killed
    dead_s = now - seen.since
    unsure = exit_code == _SIGKILLED and not oom and dead_s < OOM_S and state.status != "running"
    told = not unsure and now - seen.untold >= EVENT_S and (not state.restarts or dead_s >= ENDED_S)
    if state.status in _ENDED and told and (settled or not seen.stale):
        return _judge_end(seen, need, say)
    if state.status == "paused":
        return say(Word.NEVER, "paused", "paused")
    if deaths >= need.max_deaths and not unsure:
        return say(Word.NEVER, *(("out of memory", "oom_killed") if oom else ("crash loop", "crash_loop")))
    if state.status == "running":
        return _judge_running(seen, need, now, say, grace=grace and not seen.started)
    return say(Word.WAITING, f"restarting ({deaths})" if deaths else state.status)


def _judge_end(seen: _Seen, need: ServiceNeed, say: _Say) -> ServiceWord:
    if need.ending is not Ending.NEVER and seen.state.status == "exited" and seen.state.exit_code == 0:
        return say(Word.READY, "completed")
    if seen.oom or seen.state.oom_killed:
        return say(Word.NEVER, "out of memory", "oom_killed")
    if need.ending is Ending.MUST:
        return say(Word.NEVER, "one-shot failed", "oneshot_failed")
    return say(Word.NEVER, "exited", "exited")


def _judge_running(seen: _Seen, need: ServiceNeed, now: float, say: _Say, *, grace: bool) -> ServiceWord:
    health = seen.state.health
    if health == "healthy":
        return say(Word.READY, "healthy")
    if health == "unhealthy" or seen.unhealthy:
        return say(Word.WAITING, "unhealthy") if grace else say(Word.NEVER, "unhealthy", "unhealthy")
    if need.ending is Ending.MUST or health is not None:
        return say(Word.WAITING, "running" if need.ending is Ending.MUST else "starting")
    if now - seen.since >= max(need.stable_s, seen.stable_s):
        return say(Word.READY, "running")
    return say(Word.WAITING, "settling")
