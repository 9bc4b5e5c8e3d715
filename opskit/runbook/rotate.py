"""Change passwords of database roles and keys while the stack runs, prove it, and go back where it fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from opskit.engine.client import begin_inside, take_answer
from opskit.engine.facts import read_container_facts
from opskit.errors import LaunchFailedError, OpskitError
from opskit.health.smoke.ask import ask_services
from opskit.health.smoke.plan import plan_probes
from opskit.lock import hold_project
from opskit.paths import ROOT
from opskit.runbook.smoke import given_of
from opskit.runbook.start import Start
from opskit.secrets.policy import BY_NAME
from opskit.secrets.roles import ROLES, alter_words, login_words
from opskit.secrets.store import change_secrets, new_values, read_secrets
from opskit.secrets.value import Secret
from opskit.target.target import Target

if TYPE_CHECKING:
    from docker import DockerClient

_ASK_S = 30.0


def rotate(start: Start, names: Sequence[str]) -> list[tuple[str, str]]:
    """Give secrets new values: roles in PostgreSQL, the env file, the containers that hold them; then ask with both.

    Args:
        start: the start of the environment, which has not looked at it yet.
        names: of secrets that can be changed, see `SecretRule.why_not_rotated`.

    Returns:
        Each name, and how it was proven.

    Raises:
        LaunchFailedError: it failed; the old values are back, or the message says what is not.
    """
    path = ROOT / start.environment.env_file
    before = read_secrets(path)
    old = {name: before[name].reveal() for name in names}
    new = new_values(BY_NAME[name] for name in names)
    try:
        _change(start, new)
        _refuse_old(start.target, {name: Secret(name, value) for name, value in old.items()})
    except OpskitError as error:
        told = start.target.redact()(str(error))
        try:
            _change(start, old)
        except OpskitError as again:
            told += f"\nand the old values are not back everywhere: {start.target.redact()(str(again))}"
            remedy = f"`opskit secrets {start.environment.words} -p action repair`, then start it"
            raise LaunchFailedError(f"{told}\nRemedy: {remedy}.") from None
        raise LaunchFailedError(f"{told}\nRolled back: {', '.join(names)} have their old values.") from None
    return [(name, "the new one is taken, the old one refused") for name in names]


def _change(start: Start, values: Mapping[str, str]) -> None:
    """Bring roles, env file and containers to these values."""
    target = start.target
    client, project = target.opened()[0], target.project.name
    roles = {name: value for name, value in values.items() if name in ROLES}
    with hold_project(project, engine=target.engine_id):
        if roles:
            give_passwords(target, client, roles)
        change_secrets(ROOT / start.environment.env_file, values)
    start.look_again()
    start.launch()
    start.smoke()


def _refuse_old(target: Target, old: Mapping[str, Secret]) -> None:
    """Ask every service that has one of the old values, with it: all must refuse.

    Raises:
        LaunchFailedError: one still takes it.
    """
    client, stack = target.opened()
    given = replace(given_of(target), secrets={**target.secrets, **old})
    values = set(old.values())
    probes = [
        probe
        for probe in plan_probes(stack, given)
        if any(isinstance(value, Secret) and value in values for value in probe.values.values())
    ]
    taken = [result.subject for result in ask_services(client, target.project.name, probes) if not result.kind]
    if taken:
        raise LaunchFailedError(f"{target.project.name}: the old value is still taken by {', '.join(taken)}")


def give_passwords(target: Target, client: DockerClient, values: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Give PostgreSQL's roles passwords over its own socket, in one transaction, and log in with each.

    Args:
        target: the environment.
        client: of its Engine.
        values: password by the secret's name.

    Returns:
        Role, secret, what its login said.

    Raises:
        LaunchFailedError: PostgreSQL refused, and no role was changed; or a role cannot log in.
        OpskitError: there is no container of postgres.
    """
    project, redact = target.project.name, target.redact()
    box = next((f.id for f in read_container_facts(client, project) if f.service == "postgres"), None)
    if box is None:
        raise OpskitError(f"{project}: there is no container of postgres. Remedy: `opskit start` makes one.")
    changed = take_answer(begin_inside(client, box, alter_words(values), timeout_s=_ASK_S, environment=values))
    if changed.exit_code != 0:
        raise LaunchFailedError(f"{project}: PostgreSQL refused, no role was changed: {redact(changed.text)}")
    rows = []
    for name, value in values.items():
        words, secret = login_words(name), {"PGPASSWORD": value}
        answer = take_answer(begin_inside(client, box, words, timeout_s=_ASK_S, environment=secret))
        rows.append((ROLES[name], name, "logs in" if answer.exit_code == 0 else redact(answer.text)))
    if refused := [row for row in rows if row[2] != "logs in"]:
        raise LaunchFailedError("\n".join(f"{project}: {role} with {name}: {said}" for role, name, said in refused))
    return rows
