"""Brings a project up and waits until it is ready or never will be: the one place that waits."""

from __future__ import annotations

import queue
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import requests

from opskit.compose.client import Project, read_events
from opskit.compose.faults import Failure, failure_of, service_of
from opskit.compose.model import Stack
from opskit.engine.client import read_listening
from opskit.engine.deployed import read_users
from opskit.engine.events import EventPump, read_clock, read_container, read_containers, read_evidence
from opskit.engine.model import Evidence
from opskit.health.again import may_go_on
from opskit.health.diagnosis import cancelled, diagnose, engine_lost, is_refused, volume_differs
from opskit.health.images import STALL_S, bring_images
from opskit.health.outcome import Outcome, ServiceChanged, Sink, guard
from opskit.health.readiness import MAX_DEATHS, STABLE_S, ServiceNeed, ServiceWord, Tracker, Word
from opskit.health.roots import rank
from opskit.health.telling import Teller

if TYPE_CHECKING:
    from docker import DockerClient

    from opskit.process import Running

_TICK_S = 0.1
_LOOK_S = 2.0
"""Seconds between two full looks: what an event lost is seen then."""
_CANCEL_S = 10.0
_AGAIN_S = 0.5
_SERVICE = re.compile(r"service:(.+):(\d+)")
_BEGUN = frozenset({"Creating", "Recreate", "Starting"})
_DIFFERENT = re.compile(r"Volume \"([^\"]+)\" exists but doesn't match configuration")
_NETWORK = re.compile(r"network (\S+)(?: id ([0-9a-f]{64}))? has active endpoints")  # Engine 28 names no id
_WRITTEN = 12
"""Lines that are no event, kept for a failure: a build's steps write them."""


def needs_of(stack: Stack) -> Mapping[str, ServiceNeed]:
    """What each service must reach, from the model and the labels opskit.role, .max_deaths and .stable_s."""
    needs = {}
    for service in stack.services:
        if service.provided:
            continue
        needs[service.name] = ServiceNeed(
            service.name,
            replicas=service.replicas,
            ending=stack.ending(service),
            max_deaths=service.labels.max_deaths or MAX_DEATHS,
            stable_s=STABLE_S if service.labels.stable_s is None else service.labels.stable_s,
        )
    return needs


def launch(
    project: Project,
    stack: Stack,
    client: DockerClient,
    *,
    deadline_s: float,
    sink: Sink,
    stall_s: float = STALL_S,
    clock: Callable[[], float] = time.monotonic,
    restart: tuple[str, ...] = (),
    converged: bool = False,
) -> Outcome:
    """Start `up -d` and wait until every service is ready, one never will be, or the deadline comes.

    Events wake it and looks decide. Nothing is raised for a fault of the project; Ctrl-C ends Compose and comes back
    as the failure `cancelled`. What is up stays up, for a look or a second launch.

    Args:
        project: what to run Compose on.
        stack: the services that are waited for.
        client: of the Engine that judges.
        deadline_s: seconds until a service that is not ready is called late, counted from when its images are there.
        sink: called with every event of the launch.
        stall_s: seconds without a byte after which the pull of an image is given up.
        clock: seconds, monotonic.
        restart: services to restart, in place of `up`.
        converged: there is nothing for Compose to do: it is not started, and what runs is waited for.

    Raises:
        EngineUnavailableError: the Engine went before the launch began.
    """
    return _Launch(project, stack, client, deadline_s, guard(sink), clock, restart, stall_s, converged).run()


@dataclass(slots=True)
class _Launch:
    project: Project
    stack: Stack
    client: DockerClient
    deadline_s: float
    sink: Sink
    clock: Callable[[], float]
    restart: tuple[str, ...] = ()
    stall_s: float = STALL_S
    converged: bool = False
    began: float = 0.0
    pulled: float | None = None
    """When all images were there: the deadline counts from then."""
    told: dict[str, ServiceChanged] = field(default_factory=dict)
    error: str | None = None
    written: deque[str] = field(default_factory=lambda: deque(maxlen=_WRITTEN))
    created: set[str] = field(default_factory=set)
    compose_seconds: float | None = None
    running: Running | None = None
    begun: dict[str, None] = field(default_factory=dict)
    """Containers that Compose is making or starting."""
    refused: str = ""
    """The container that Compose could not make or start."""
    again: int = 0
    """How often `up` was run again, see `may_go_on`."""
    different: dict[str, None] = field(default_factory=dict)
    """Volumes that are not as the files say, in Compose's words."""

    def run(self) -> Outcome:
        self.began = self.clock()
        try:
            if not self.restart and (
                failures := bring_images(self.client, self.stack, self.sink, stall_s=self.stall_s)
            ):
                return self._outcome(failures)
        except KeyboardInterrupt:
            return self._outcome((cancelled(self.project.name),))
        except requests.exceptions.RequestException as error:
            return self._outcome((engine_lost(error),))
        self.pulled = self.clock()
        tracker = Tracker(needs_of(self.stack), clock_s=read_clock(self.client))
        pump = EventPump(self.client, self.project.name)
        try:
            tracker.observe(read_containers(self.client, self.project.name), self.clock())
            self.running = None if self.converged else self._start()
            return self._wait(tracker, pump)
        except KeyboardInterrupt:
            return self._outcome((cancelled(self.project.name),))
        except (requests.exceptions.RequestException, OSError) as error:
            return self._outcome((engine_lost(error),))
        finally:
            pump.close()
            if self.running is not None and self.running.poll() is None:
                self.running.cancel(grace_s=_CANCEL_S)

    def _start(self) -> Running:
        return self.project.start_restart(self.restart) if self.restart else self.project.start_up()

    @property
    def _rc(self) -> int | None:
        """Compose's exit status: None while it runs, 0 where there was nothing for it to do."""
        return self.running.poll() if self.running else 0

    def _wait(self, tracker: Tracker, pump: EventPump) -> Outcome:
        looked = self.clock()
        teller = Teller(self.client, self.sink, self.began, self.told)
        while True:
            again = self._drain(tracker, pump)
            self._read_compose(tracker)
            now = self.clock()
            if again or now - looked >= _LOOK_S:
                tracker.observe(read_containers(self.client, self.project.name), now)
                looked = now
            words = tracker.words(now)
            failure = self._compose_failure() if self.compose_seconds is not None and self._rc else None
            # Where Compose failed, what this launch never started has not failed in it: Compose's own failure is told.
            never = [word for word in words if word.word is Word.NEVER and (word.counts or failure is None)]
            if failure and not never and may_go_on(self.client, self.stack, failure, self.again):
                time.sleep(min(_AGAIN_S * self.again, _LOOK_S))
                self.again += 1
                tracker.unsettle()
                self.compose_seconds = self.error = None
                self.running = self._start()
                continue
            teller.tell(words, now)
            if never:
                return self._outcome(self._diagnose(never, words, now))
            if failure:
                return self._outcome((failure,))
            if self.compose_seconds is not None and all(word.word is Word.READY for word in words):
                return self._outcome(tuple(map(volume_differs, self.different)))
            if now - (self.pulled or self.began) >= self.deadline_s:
                waiting = [word for word in words if word.word is Word.WAITING]
                return self._outcome(self._diagnose(waiting, words, now))

    def _drain(self, tracker: Tracker, pump: EventPump) -> bool:
        """Take what events there are, waiting a tick for the first; True where a full look is asked for."""
        touched: dict[str, None] = {}
        wait_s, again = _TICK_S, False
        while True:
            try:
                event = pump.queue.get(timeout=wait_s)
            except queue.Empty:
                break
            wait_s = 0.0
            if event is None:
                again = True
                continue
            tracker.feed(event, self.clock())
            touched[event.id] = None
        for identity in touched:
            state = read_container(self.client, identity)
            if state is not None:
                tracker.update(state, self.clock())
        return again

    def _read_compose(self, tracker: Tracker) -> None:
        for event in read_events(self.running, until=0.0) if self.running else ():
            if event.kind == "error" or (event.kind == "raw" and self.error is None):
                self.error = event.verb or self.error
            if event.kind == "raw":
                self.written.append(event.verb)
            self.different |= dict.fromkeys(_DIFFERENT.findall(event.verb))
            if event.kind == "container" and event.verb in {"Created", "Recreated"}:
                self.created.add(event.name)
            if event.kind == "container" and event.verb in _BEGUN:
                self.begun[event.name] = None
            elif event.kind == "container":
                self.begun.pop(event.name, None)
                self.refused = event.name if event.verb == "Error" else self.refused
            elif event.verb == "Error" and (
                match := _SERVICE.fullmatch(event.name)
            ):  # Compose 5, of one it cannot make
                self.refused = f"{self.project.name}-{match[1]}-{match[2]}"
            self.sink(event)
        if self.compose_seconds is None and self._rc is not None:
            self.compose_seconds = self.clock() - self.began
            tracker.observe(read_containers(self.client, self.project.name), self.clock())
            tracker.settle(self.clock())

    def _diagnose(self, failing: list[ServiceWord], words: tuple[ServiceWord, ...], now: float) -> tuple[Failure, ...]:
        evidence = {word.service: self._evidence(word) for word in failing}
        late = all(word.word is Word.WAITING for word in failing)
        ranked = rank(failing, words, self.stack, evidence, late=late)
        return tuple(
            diagnose(
                word,
                evidence.get(word.service) or self._evidence(word),
                project=self.project.name,
                waited_s=now - self.began,
                port=self.stack.service(word.service).probed_port,
                cause=cause,
            )
            for word, cause in ranked
        ) or (self._compose_failure(),)

    def _evidence(self, word: ServiceWord) -> Evidence:
        evidence = read_evidence(self.client, word.container)
        if word.container is None or not is_refused(evidence):
            return evidence
        return replace(evidence, listening=read_listening(self.client, word.container))

    def _compose_failure(self) -> Failure:
        names = tuple(service.name for service in self.stack.services)
        message = self.error or "Compose failed without a word"
        lines = () if message in self.written else self.written
        refused = self.refused or (next(iter(self.begun)) if len(self.begun) == 1 else "")
        failure = failure_of(message, project=self.project.name, services=names, lines=lines)
        if failure.kind == "network_in_use" and (network := _NETWORK.search(failure.message)):
            users = ", ".join(read_users(self.client, network[2] or network[1]))
            stopped = ", ".join(self.stack.on_network(network[1]))
            message = f"{failure.message}: {users} is on it; Compose stopped {stopped} for the change"
            return replace(failure, message=message)
        builds = [service.name for service in self.stack.services if "build" in service.raw]
        if failure.service is None and failure.kind.startswith("build_") and len(builds) == 1:
            return replace(failure, service=builds[0])
        if failure.service is None and (service := service_of(refused, self.project.name, names)):
            return replace(failure, service=service)
        return failure

    def _outcome(self, failures: tuple[Failure, ...]) -> Outcome:
        seconds = self.clock() - self.began
        return Outcome(
            ok=not failures,
            project=self.project.name,
            failures=failures,
            services=tuple(self.told[s.name] for s in self.stack.services if s.name in self.told),
            seconds=round(seconds, 2),
            pull_seconds=round((self.clock() if self.pulled is None else self.pulled) - self.began, 2),
            compose_seconds=round(seconds if self.compose_seconds is None else self.compose_seconds, 2),
            created=len(self.created),
        )
