"""What fails because of another service comes after that: root causes first; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from opskit.compose.model import Stack
from opskit.engine.model import Evidence
from opskit.health.readiness import ServiceWord, Word

_NOT_REACHED = re.compile(
    r"refused|resol|not found|unreachable|timed? ?out|unavailable|bad gateway|ENOTFOUND|EAI_AGAIN|no such host"
    r"|name or service not known|bad address|can't connect|cannot connect|could not connect|failed to connect",
    re.IGNORECASE,
)


def rank(
    failing: Sequence[ServiceWord],
    words: Iterable[ServiceWord],
    stack: Stack,
    evidence: Mapping[str, Evidence],
    *,
    late: bool,
) -> tuple[tuple[ServiceWord, str], ...]:
    """The services that fail, roots first, each with the service that it fails because of; empty for a root.

    A service fails because of one it depends on, or that its log says it does not reach, where that one is in trouble
    itself; that one is added where it was not among those that fail yet.

    Args:
        failing: what a launch ends for.
        words: of every service.
        stack: the project.
        evidence: of those that fail, by service.
        late: whether the deadline came: then what is not ready yet is in trouble too.
    """
    by_service = {word.service: word for word in words}
    trouble = {name for name, word in by_service.items() if _in_trouble(word, late=late)}
    causes: dict[str, str] = {}
    pending = [word.service for word in failing]
    while pending:
        name = pending.pop()
        if name not in causes:
            causes[name] = _cause(name, stack, evidence.get(name, Evidence()), trouble)
            pending += [causes[name]] if causes[name] else []
    order = {service.name: position for position, service in enumerate(stack.services)}
    names = sorted(causes, key=lambda name: (_depth(name, causes), order.get(name, 0)))
    return tuple((by_service[name], causes[name]) for name in names)


def _in_trouble(word: ServiceWord, *, late: bool) -> bool:
    return word.word is Word.NEVER or (word.word is Word.WAITING and (late or word.deaths > 0))


def _cause(name: str, stack: Stack, evidence: Evidence, trouble: set[str]) -> str:
    service = stack.find(name)
    depends = [other for other in service.depends_on if other in trouble] if service else []
    if depends:
        return depends[0]
    told = [line for line in (*evidence.log, *evidence.probe) if _NOT_REACHED.search(line)]
    named = [other for other in trouble - {name} if any(re.search(rf"\b{re.escape(other)}\b", line) for line in told)]
    return min(named, key=len, default="")


def _depth(name: str, causes: Mapping[str, str]) -> int:
    """How many causes stand before it; two that name each other count as far as the first repeat."""
    seen = {name}
    while (name := causes.get(name, "")) and name not in seen:
        seen.add(name)
    return len(seen)
