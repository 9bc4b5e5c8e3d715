"""Show an environment's log lines."""

from __future__ import annotations

from opskit.compose.source import read_source
from opskit.engine.facts import read_container_facts
from opskit.environments import find_environment, read_environments
from opskit.errors import UsageError
from opskit.paths import COMPOSE, ENVIRONMENTS, ROOT, STATE
from opskit.plain import plain_line
from opskit.rehearsal.engine import open_engine
from opskit.runbook.parameters import Operation
from opskit.secrets.store import read_hidden, read_secrets
from opskit.secrets.value import make_redact
from opskit.show.tables import Table


def read_log_table(*, env: str, service: str = "", lines: int = 50, rehearse: str | bool = "no") -> Table:
    """The last lines of each container, oldest first, without any secret of the environment.

    Args:
        env: name or alias of an environment.
        service: one service; empty means all.
        lines: of each container.
        rehearse: look on the rehearsal's engine, where there is one.

    Raises:
        UsageError: no such environment, or the service has no container; the message names those there are.
    """
    operation = Operation(rehearse)
    environment = find_environment(read_environments(ENVIRONMENTS), env).rehearsed(operation.rehearse)
    client, project = open_engine(STATE, rehearse=operation.rehearse), environment.project
    facts = read_container_facts(client, project)
    chosen = [fact for fact in facts if not service or fact.service == service]
    if service and not chosen:
        there = ", ".join(sorted({fact.service or fact.name for fact in facts})) or "none: it is not up"
        raise UsageError(f"service: found {service!r}, which has no container in {project}; there are {there}.")
    secrets = read_secrets(ROOT / environment.env_file)
    redact = make_redact(read_hidden(secrets, read_source(COMPOSE.glob("*.yml")).used))
    rows = []
    for fact in sorted(chosen, key=lambda fact: fact.name):
        said = client.api.logs(fact.id, tail=lines).decode("utf-8", "replace")
        rows += [(fact.name.removeprefix(f"{project}-"), plain_line(redact(line))) for line in said.splitlines()]
    return Table(f"{project}: the last {lines} lines of each", ("container", "line"), rows, operation.rehearse)
