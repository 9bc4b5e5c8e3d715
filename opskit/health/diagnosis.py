"""A NEVER, or a WAITING at the deadline, to a named failure with evidence and remedy; pure."""

from __future__ import annotations

import re

from opskit.compose.faults import Failure
from opskit.engine.model import Evidence
from opskit.health.causes import find_cause
from opskit.health.readiness import ServiceWord

_EXIT_CODES = {
    125: "the container could not be created",
    126: "the command may not be executed",
    127: "the command was not found in the image",
    134: "aborted (SIGABRT)",
    137: "killed (SIGKILL)",
    139: "segmentation fault (SIGSEGV)",
    143: "ended by SIGTERM",
}

_REMEDIES = {
    "crash_loop": "fix what the log says, then launch again; `{logs}` shows all of it",
    "exited": "fix what the log says; a service that is meant to end needs the label `opskit.role: oneshot`, or a "
    "dependent with `condition: service_completed_successfully`",
    "oneshot_failed": "fix what the log says, then launch again: one-shots run again at each launch",
    "oom_killed": "raise the service's memory limit, or make it need less; `docker stats` shows what it takes",
    "unhealthy": "see the probe's output; `{logs}` shows the service's own words",
    "paused": "`docker unpause {container}`, then launch again",
    "absent": "`docker compose -p {project} up -d {service}` says more",
    "removed": "launch again: that makes it again; it was removed while the launch waited for it",
    "stopped": "launch again: that starts it; it was stopped or killed from outside, and the Engine leaves it so",
    "timeout": "see its log (`{logs}`); if it only needs longer, launch again with a longer deadline_s: what is up "
    "stays up",
}


_SHOWN = 20
"""Lines of a log that are shown; the cause is looked for in more."""
_SENTENCES = {
    "absent": "Compose ended, and made no container for it",
    "unhealthy": "unhealthy: its health check failed as often as `retries` allows",
}
_REFUSED = re.compile(r"connection refused|could(?: not|n't) connect", re.IGNORECASE)


def is_refused(evidence: Evidence) -> bool:
    """Whether the last probe met a port that nothing listens on."""
    return any(_REFUSED.search(line) for line in evidence.probe)


def diagnose(
    word: ServiceWord, evidence: Evidence, *, project: str, waited_s: float, port: int | None = None, cause: str = ""
) -> Failure:
    """Name what keeps a service from being ready.

    Args:
        word: its judgement; a WAITING one means that the deadline came first.
        evidence: of the container the word is about.
        project: its Compose project, for the command that shows its log.
        waited_s: seconds since the launch began, for the message of a timeout.
        port: the one its health check asks.
        cause: the service that it fails because of, whose own failure comes before this one.
    """
    kind = word.kind or ("crash_loop" if word.deaths else "timeout")
    logs = f"docker compose -p {project} logs {word.service}"
    names = {
        "logs": logs,
        "project": project,
        "service": word.service,
        "container": (word.container or "CONTAINER")[:12],
    }
    sentence, remedy = _sentence(word, kind, waited_s), _REMEDIES[kind].format(**names)
    shown = evidence.log[-_SHOWN:]
    known = find_cause((*evidence.log, *evidence.probe))
    told_more = word.deaths > 0 or (known is not None and not known[0].general)  # than that it does not listen yet
    ports = evidence.listening
    if ports is not None and port is not None and port not in ports and (ports or not told_more):
        places = ", ".join(map(str, ports)) or "no port at all"
        sentence = f"{sentence}: it listens on {places}, the contract wants {port}"
        remedy = f"let its image listen on {port}: see docs/images.md; `{logs}` shows the service's own words"
    elif known:
        found, told = known
        sentence = f"{sentence}; probable cause: {found.cause}"
        remedy = f"{found.remedy}; `{logs}` shows all of its log"
        shown = shown if told in shown or told in evidence.probe else (told, "…", *shown)
    if cause:
        sentence, remedy = (
            f"waits for {cause}: {sentence}",
            f"bring {cause} up first: its failure is before this one",
        )
    return Failure(
        kind=kind,
        service=word.service,
        message=f"{word.service}: {sentence}",
        evidence=(
            *((f"the Engine: {evidence.error}",) if evidence.error else ()),
            *(f"probe: {line}" for line in evidence.probe),
            *(f"log: {line}" for line in shown),
        ),
        remedy=remedy,
    )


def _sentence(word: ServiceWord, kind: str, waited_s: float) -> str:
    code = "" if word.exit_code is None else f"exit code {word.exit_code}"
    if word.exit_code in _EXIT_CODES:
        code += f", {_EXIT_CODES[word.exit_code]}"
    if kind == "crash_loop":
        return f"crash loop: died {word.deaths} times since the launch began ({code})"
    if kind == "oom_killed":
        return f"killed for memory: it went over its memory limit ({code})"
    if kind in {"exited", "oneshot_failed"}:
        return f"{'one-shot failed' if kind == 'oneshot_failed' else 'exited'} ({code})"
    if kind in {"paused", "removed", "stopped"}:
        return f"{kind} from outside{f' ({code})' if code else ''}"
    if kind in _SENTENCES:
        return _SENTENCES[kind]
    return f"not ready after {waited_s:.0f} s; last state: {word.state}{f' ({code})' if code else ''}"


def cancelled(project: str) -> Failure:
    """The operator ended the launch."""
    return Failure(
        "cancelled",
        None,
        "interrupted; Compose was ended, and what was started is still there",
        (),
        f"launch again to go on, or `docker compose -p {project} down` to undo it",
    )


def volume_differs(volume: str) -> Failure:
    """Compose keeps a volume whose options the files have changed."""
    return Failure(
        "volume_differs",
        None,
        f"volume {volume} is there with other options than the files say, and Compose keeps it as it is",
        (),
        f"take the change of the files back; or copy its data, `docker volume rm {volume}`, and launch again",
    )


def engine_lost(error: Exception) -> Failure:
    """The Engine does not answer any more."""
    return Failure(
        "engine_unreachable",
        None,
        "the Docker Engine went away during the launch",
        (f"{type(error).__name__}: {error}",),
        "start it (`systemctl start docker`), then launch again: what was created is taken up again",
    )
