"""Ask whether the services do what their users need: after a launch, and whenever it is wanted."""

from __future__ import annotations

import time

from opskit.audit.journal import Journal, phase
from opskit.engine.facts import EngineFacts
from opskit.errors import LaunchFailedError
from opskit.health.outcome import describe
from opskit.health.smoke.ask import ask_services, read_mounted
from opskit.health.smoke.plan import Given, plan_probes
from opskit.health.smoke.result import Result, failures_of, row_of
from opskit.runbook.on_stack import OnStack
from opskit.show.tables import Table
from opskit.target.target import Target

SLOW_S = 60.0
"""An answer of the model that comes later is called slow; on a CPU a first one takes half of it."""
_PATIENCE = 3.0
"""How many times longer it is waited for, so that slow and silent are told apart."""


class Smoke(OnStack):
    """The smoke checks of an environment that is up.

    Args:
        env: name or alias of an environment.
        overlays: as it was started with.
        slow_s: an answer of the model that comes later is called slow.
        rehearse: as in `Start`.

    Raises:
        UsageError: no such environment or overlay, or it has no stack of its own.
    """

    def __init__(self, *, env: str, overlays: str = "", slow_s: float = SLOW_S, rehearse: str | bool = "no") -> None:
        super().__init__(env, overlays, rehearse)
        self.slow_s = slow_s

    def services(self) -> Table:
        """Ask every service by its own protocol.

        Raises:
            LaunchFailedError: one does not do its work; names it, what was seen and what to do.
            OpskitError: nothing of the environment is up.
        """
        self.refuse_absent()
        return check_services(self.target, self.journal, slow_s=self.slow_s)


def check_services(target: Target, journal: Journal, *, slow_s: float = SLOW_S) -> Table:
    """Ask the services of an environment that is up, and tell the journal.

    Args:
        target: the environment as it was launched.
        journal: told the results.
        slow_s: an answer of the model that comes later is called slow.

    Raises:
        LaunchFailedError: a service does not do its work.
        OpskitError: there is no Engine or no model of the project to go by.
    """
    began = time.monotonic()
    with phase(journal, "smoke"):
        results = _ask(target, slow_s)
    seconds = time.monotonic() - began
    project = target.project.name
    failures = failures_of(results, project=project)
    journal.write("smoke", rows=results, failures=failures, seconds=round(seconds, 3))
    if failures:
        raise LaunchFailedError("\n".join((f"{project} is up, but does not do its work:", *describe(failures))))
    asked = sum(result.kind != "no_check" for result in results)
    title = f"Smoke: {asked} checks of {project} passed in {seconds:.1f} s"
    columns = ("service", "result", "ms", "steps, each in ms", "asked from")
    return Table(title, columns, [row_of(result) for result in results], target.facts.rehearsal)


def given_of(target: Target, slow_s: float = SLOW_S) -> Given:
    """What the probes of an environment are planned with."""
    (_, stack), engine = target.opened(), target.facts.engine
    return Given(
        secrets=target.secrets,
        texts=read_mounted(stack),
        local=isinstance(engine, EngineFacts) and engine.local,
        rehearsal=target.facts.rehearsal,
        slow_s=slow_s,
        patience_s=_PATIENCE * slow_s,
    )


def _ask(target: Target, slow_s: float) -> tuple[Result, ...]:
    client, stack = target.opened()
    redact = target.redact()
    results = ask_services(client, target.project.name, plan_probes(stack, given_of(target, slow_s)))
    return tuple(result.redacted(redact) for result in results)
