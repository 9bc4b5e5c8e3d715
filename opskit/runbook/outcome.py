"""How a launch or a restart ended: in the record, as a table, or as what failed."""

from __future__ import annotations

from opskit.audit.journal import Journal, plain
from opskit.errors import LaunchFailedError
from opskit.health.outcome import Outcome, describe
from opskit.show.tables import Table


def keep_outcome(journal: Journal, outcome: Outcome) -> None:
    """Put an outcome without any secret in the run's record."""
    journal.write("phase", phase="compose", seconds=outcome.compose_seconds)
    journal.write("phase", phase="containers", seconds=round(outcome.seconds - outcome.compose_seconds, 3))
    journal.write("outcome", **plain(outcome))


def outcome_table(outcome: Outcome, word: str, env: str, *, rehearsal: bool) -> Table:
    """Each service with its state, and when it was ready. `env` is the environment's name.

    Raises:
        LaunchFailedError: not everything came to ready; names each failure, its evidence and its remedy.
    """
    if not outcome.ok:
        raise LaunchFailedError(describe_failures(outcome, f"opskit bundle {env}{' --rehearse' * rehearsal}"))
    rows = [(s.service, s.state, f"{s.seconds:.1f}") for s in outcome.services]
    return Table(f"{outcome.project} {word}", ("service", "state", "ready after (s)"), rows, rehearsal)


def describe_failures(outcome: Outcome, bundle: str) -> str:
    """Every failure with what was seen and what to do; what is up stays up, and that is said too."""
    lines = [f"{outcome.project} did not come to ready ({outcome.seconds:.0f} s):", *describe(outcome.failures)]
    ready = sum(service.word == "ready" for service in outcome.services)
    lines.append(f"{ready} of {len(outcome.services)} services are ready; what is up stays up, and nothing was lost.")
    lines.append(f"`{bundle}` puts into one file what a colleague needs to see.")
    return "\n".join(lines)
