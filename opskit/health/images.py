"""Brings the images of a project onto the Engine before anything is created: a phase with a clock of its own."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opskit.compose.faults import Failure, failure_of
from opskit.compose.model import Stack
from opskit.engine.pulling import Pulling
from opskit.engine.pulls import read_image
from opskit.health.outcome import PullProgress, Sink
from opskit.quantity import decimal

if TYPE_CHECKING:
    from docker import DockerClient

STALL_S = 120.0
"""Without a byte for so long a pull is given up."""
AT_ONCE = 3
"""Images pulled at once; the Engine limits the layers of each."""
BACKOFF_S = (2.0, 5.0, 15.0)
"""Seconds before a registry that is busy or stumbles is asked again."""
_RETRIED = re.compile(
    r"toomanyrequests|(?:HTTP status: |parsing HTTP )(?:429|5\d\d)|unexpected EOF|connection reset|"
    r"TLS handshake timeout|i/o timeout"
)
_TICK_S = 0.1
_TELL_S = 2.0
_KEPT_S = 15.0
"""Seconds that a rate is taken over."""


@dataclass(frozen=True, slots=True)
class Missing:
    """An image that a launch pulls: for which platform, where one is asked for, and for which it is here already."""

    platform: str | None = None
    here: str = ""


def missing_images(client: DockerClient, stack: Stack) -> dict[str, Missing]:
    """The images that a launch pulls, by name."""
    usual = os.environ.get("DOCKER_DEFAULT_PLATFORM")
    missing = {}
    for service in stack.services:
        if not service.image or not service.pulled or not service.replicas or service.image in missing:
            continue
        platform = service.raw.get("platform") or usual
        found = read_image(client, service.image)
        here = f"{found.get('Os')}/{found.get('Architecture')}" if found else ""
        if not found or (platform and here != "/".join(platform.split("/")[:2])):
            missing[service.image] = Missing(platform, here)
    return missing


def bring_images(
    client: DockerClient, stack: Stack, sink: Sink, *, stall_s: float = STALL_S, backoff_s: Iterable[float] = BACKOFF_S
) -> tuple[Failure, ...]:
    """Pull what is missing and wait for it, however long it takes while bytes come.

    Args:
        client: of the Engine, which pulls by its own proxy and mirrors; docker-py adds the user's login.
        stack: the project.
        sink: told the progress every two seconds, and when something is tried again.
        stall_s: a pull without a step forward for so many seconds is given up.
        backoff_s: seconds to wait before each further try, where the registry is busy (429) or fails (5xx).

    Returns:
        A failure per image that cannot be had, with the services that want it; empty where all are there.
    """
    missing = missing_images(client, stack)
    return _Images(client, stack, sink, stall_s, tuple(backoff_s), missing).bring() if missing else ()


@dataclass(slots=True)
class _Images:
    client: DockerClient
    stack: Stack
    sink: Sink
    stall_s: float
    backoff_s: tuple[float, ...]
    missing: dict[str, Missing]
    pulls: dict[str, Pulling] = field(default_factory=dict)
    tries: dict[str, int] = field(default_factory=dict)
    again: dict[str, float] = field(default_factory=dict)
    """When an image is tried again, by its name."""
    failures: dict[str, Failure] = field(default_factory=dict)
    samples: list[tuple[float, int]] = field(default_factory=list)

    def bring(self) -> tuple[Failure, ...]:
        told, note = 0.0, ""
        while True:
            now = time.monotonic()
            note = self._judge(now) or note
            self._begin(now)
            if now - told >= _TELL_S or not self._going:
                self.sink(self._progress(now, note))
                told, note = now, ""
            if not self._going or (self.failures and not self._moving):
                return tuple(self.failures.values())
            time.sleep(_TICK_S)

    @property
    def _moving(self) -> list[Pulling]:
        return [pull for name, pull in self.pulls.items() if not pull.ended and name not in self.failures]

    @property
    def _going(self) -> bool:
        """Whether something is pulled, or will be."""
        begun = self.pulls.keys() | self.failures.keys()
        return bool(self._moving or self.again or self.missing.keys() - begun)

    def _begin(self, now: float) -> None:
        waiting = [name for name in self.missing if name not in self.pulls and name not in self.failures]
        due = [name for name, when in self.again.items() if now >= when]
        for name in (*due, *waiting)[: max(0, AT_ONCE - len(self._moving))]:
            self.again.pop(name, None)
            self.pulls[name] = pull = Pulling(name, self.missing[name].platform)
            pull.start(self.client)

    def _judge(self, now: float) -> str:
        """Take what ended or stalled; returns what to tell of it."""
        note = ""
        for name, pull in list(self.pulls.items()):
            if name in self.failures or name in self.again:
                continue
            if not pull.ended and now - pull.moved >= self.stall_s:
                got, whole = pull.bytes
                text = f"no byte for {self.stall_s:.0f} s, at {decimal(got)} of {decimal(whole)}"
                self.failures[name] = self._failure(name, "pull_stalled", text, _STALLED)
            elif pull.ended and pull.error:
                note = self._refused(name, pull.error, now)
        return note

    def _refused(self, name: str, error: str, now: float) -> str:
        failure = failure_of(error, project=self.stack.project)
        tried = self.tries.get(name, 0)
        if _RETRIED.search(error) and tried < len(self.backoff_s):
            self.tries[name] = tried + 1
            self.again[name] = now + self.backoff_s[tried]
            return f"{name}: {failure.message}; asked again in {self.backoff_s[tried]:.0f} s"
        self.failures[name] = self._failure(name, failure.kind, failure.message, failure.remedy)
        return ""

    def _failure(self, name: str, kind: str, text: str, remedy: str) -> Failure:
        services = [service.name for service in self.stack.services if service.image == name]
        missing = self.missing[name]
        if missing.here:
            text = f"it is here for {missing.here} and wanted for {missing.platform}, which cannot be had: {text}"
            kind, remedy = "image_platform", _OTHER
        tried = f" ({self.tries[name] + 1} tries)" if name in self.tries else ""
        return Failure(kind, services[0], f"{', '.join(services)}: image {name}: {text}{tried}", (), remedy)

    def _progress(self, now: float, note: str) -> PullProgress:
        got = sum(pull.bytes[0] for pull in self.pulls.values())
        whole = sum(pull.bytes[1] for pull in self.pulls.values())
        self.samples = [*(sample for sample in self.samples if now - sample[0] <= _KEPT_S), (now, got)]
        since, before = self.samples[0]
        rate = (got - before) / (now - since) if now > since else 0.0
        ready = sum(pull.ended and not pull.error for pull in self.pulls.values())
        return PullProgress(ready, len(self.missing), got, whole, max(0.0, rate), note)


_OTHER = "take an image made for that processor, or drop `platform` of the service (or DOCKER_DEFAULT_PLATFORM)"
_STALLED = "launch again: the Engine takes the pull up where it is; see the way to the registry (`docker pull` by hand)"
