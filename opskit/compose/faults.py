"""An error text of Compose or the Engine to a named fault with its remedy; pure, first hit wins."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from opskit.compose.fault_texts import FAULTS
from opskit.plain import plain_lines


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a project, or one service of it, is not up.

    Attributes:
        kind: a stable word, such as `crash_loop`, `port_in_use` or `timeout`.
        service: the service it is about; None where it is about the whole project.
        evidence: what was seen, line by line: last log lines, probe output, the tool's own words.
        remedy: what to do, with a command where there is one.
    """

    kind: str
    service: str | None
    message: str
    evidence: tuple[str, ...]
    remedy: str

    def redacted(self, redact: Callable[[str], str]) -> Failure:
        """The same without what must not be shown: Compose quotes the values that it refuses."""
        return replace(self, message=redact(self.message), evidence=tuple(map(redact, self.evidence)))


def classify(message: str) -> tuple[str, str]:
    """The fault's kind and remedy; `unknown` where no pattern knows the text."""
    for kind, pattern, remedy in FAULTS:
        if re.search(pattern, message, re.MULTILINE):
            return kind, remedy
    return "unknown", "read the message; `docker compose logs` may say more"


def failure_of(message: str, *, project: str, services: tuple[str, ...] = (), lines: Iterable[str] = ()) -> Failure:
    """Name the fault in a Compose error text, and the service it is about where the text names one.

    Args:
        message: the error.
        project: whose.
        services: of the project.
        lines: what came before it that is no event, such as what a build's steps wrote.
    """
    written = plain_lines(lines)
    kind, remedy = classify("\n".join((message, *written)))
    return Failure(
        kind, _service_in(message, project, services), "\n".join(plain_lines(message.splitlines())), written, remedy
    )


def _service_in(message: str, project: str, services: tuple[str, ...]) -> str | None:
    named = service_of(message, project, services)
    if named:
        return named
    for service in sorted(services, key=len, reverse=True):
        name = re.escape(service)
        if re.search(rf'services?[ .:/"]+{name}\b|service "{name}"', message):
            return service
    found = re.search(r'services[./]([A-Za-z0-9._-]+?)[./:]|service "([^"]+)"', message)
    return (found.group(1) or found.group(2)) if found else None


def service_of(text: str, project: str, services: Iterable[str]) -> str | None:
    """The service whose container a text names by Compose's rule, `<project>-<service>-<number>`."""
    for service in sorted(services, key=len, reverse=True):
        if re.search(rf"\b{re.escape(project)}[-_]{re.escape(service)}[-_]\d+\b", text):
            return service
    return None
