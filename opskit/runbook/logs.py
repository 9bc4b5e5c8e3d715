"""Show an environment's log lines."""

from __future__ import annotations

import queue
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from opskit.compose.source import read_source
from opskit.engine.facts import ContainerFact, read_container_facts
from opskit.environments import find_environment, read_environments
from opskit.errors import UsageError
from opskit.paths import COMPOSE, ENVIRONMENTS, ROOT, STATE
from opskit.plain import plain_line
from opskit.rehearsal.engine import open_engine
from opskit.runbook.parameters import Operation
from opskit.secrets.store import read_hidden, read_secrets
from opskit.secrets.value import make_redact
from opskit.show.tables import Table

if TYPE_CHECKING:
    from docker import DockerClient

_AGO = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Logs(Operation):
    """The log lines of an environment's containers, without any secret; nothing is changed.

    Args:
        env: name or alias of an environment.
        service: one service; empty means all.
        lines: of each container, the last ones.
        since: only lines of the last `90s`, `10m`, `2h` or `1d`, or since a time such as 2026-11-27T09:30 (UTC).
        grep: only lines in which this stands.
        rehearse: look on the rehearsal's engine, where there is one.

    Raises:
        UsageError: no such environment or time, or the service has no container; the message names those there are.
    """

    def __init__(
        self,
        *,
        env: str,
        service: str = "",
        lines: int = 50,
        since: str = "",
        grep: str = "",
        rehearse: str | bool = "no",
    ) -> None:
        super().__init__(rehearse)
        environment = find_environment(read_environments(ENVIRONMENTS), env).rehearsed(self.rehearse)
        self.project = environment.project
        self.lines, self.grep = lines, grep
        self.since_s = read_time(since, now_s=time.time())
        self._client: DockerClient = open_engine(STATE, rehearse=self.rehearse)
        facts = read_container_facts(self._client, self.project)
        chosen = [fact for fact in facts if not service or fact.service == service]
        if service and not chosen:
            there = ", ".join(sorted({fact.service or fact.name for fact in facts})) or "none: it is not up"
            raise UsageError(
                f"service: found {service!r}, which has no container in {self.project}; there are {there}."
            )
        self._containers = sorted(chosen, key=lambda fact: fact.name)
        secrets = read_secrets(ROOT / environment.env_file)
        self._redact = make_redact(read_hidden(secrets, read_source(COMPOSE.glob("*.yml")).used))

    def table(self) -> Table:
        """The last lines of each container, oldest first."""
        rows = []
        for fact in self._containers:
            said = self._client.api.logs(fact.id, tail=self.lines, since=self.since_s).decode("utf-8", "replace")
            rows += [(self._name(fact), line) for line in self._shown(said.splitlines())]
        which = f"the last {self.lines} lines of each" + (f" that have {self.grep!r}" if self.grep else "")
        return Table(f"{self.project}: {which}", ("container", "line"), rows, self.rehearse)

    def follow(self, show: Callable[[str], object] = print) -> None:
        """Show lines as they come, those of `table` first, until it is interrupted or every container has ended."""
        told: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        for fact in self._containers:
            threading.Thread(target=self._read, args=(fact, told.put), daemon=True).start()
        running = len(self._containers)
        while running:
            line = told.get()
            if line is None:
                running -= 1
            else:
                show(line)

    def _read(self, fact: ContainerFact, tell: Callable[[str | None], None]) -> None:
        """Tell the lines of one container; None once it has ended, or its log can be read no longer."""
        try:
            stream = self._client.api.logs(fact.id, tail=self.lines, since=self.since_s, stream=True, follow=True)
            for line in self._shown(_split(stream)):
                tell(f"{self._name(fact)}  {line}")
        except OSError as error:
            tell(f"{self._name(fact)}  (its log ended: {error})")
        finally:
            tell(None)

    def _name(self, fact: ContainerFact) -> str:
        return fact.name.removeprefix(f"{self.project}-")

    def _shown(self, lines: Iterable[str]) -> Iterator[str]:
        """The lines that were asked for, without secrets and without what would move a terminal's cursor."""
        return (line for line in map(plain_line, map(self._redact, lines)) if self.grep in line)


def read_time(word: str, *, now_s: float) -> int | None:
    """Seconds since the epoch that `since` stands for; None where it is empty.

    Raises:
        UsageError: it is neither a length of time nor a time.
    """
    if not word:
        return None
    if ago := _AGO.fullmatch(word):
        return int(now_s - float(ago[1]) * _UNITS[ago[2]])
    try:
        when = datetime.fromisoformat(word)
    except ValueError:
        raise UsageError(f"since: found {word!r}; wanted such as 10m, 2h, 1d, or 2026-11-27T09:30 (UTC).") from None
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())


def _split(stream: Iterable[bytes]) -> Iterator[str]:
    """Whole lines of a stream that comes in pieces."""
    rest = b""
    for piece in stream:
        *lines, rest = (rest + piece).split(b"\n")
        yield from (line.decode("utf-8", "replace") for line in lines)
    if rest:
        yield rest.decode("utf-8", "replace")
