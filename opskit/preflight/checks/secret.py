"""Checks of the env file and its secrets; pure. No value of one is known here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from opskit.compose.model import Stack
from opskit.engine.facts import VolumeFact
from opskit.preflight.finding import Finding, Verdict
from opskit.secrets.policy import BY_NAME
from opskit.secrets.roles import ROLES


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
    missing = sorted(unmade)
    locked = _opened(stack, missing, volumes)
    wanted = "secrets and data that belong together"
    if not locked:
        found = f"{len(missing)} to be made, no data made with them" if missing else "complete"
        return (Finding("secret-data", Verdict.PASS, env_file, found, wanted),)
    findings = []
    for name, volumes_of in locked.items():
        found = f"not in {env_file}, while there is data in {', '.join(volumes_of)}"
        findings.append(
            Finding("secret-data", Verdict.FAIL, name, found, wanted, _way_back(name, env_file, env, volumes_of))
        )
    return tuple(findings)


def check_secret_changed(
    stack: Stack, changed: Iterable[str], volumes: Iterable[VolumeFact], env_file: str, env: str
) -> tuple[Finding, ...]:
    """A secret that opens data is the one of the last good launch, where no login can try it.

    Args:
        stack: the environment.
        changed: secrets whose value is another one than then.
        volumes: those of its project are its data.
        env_file: where the secrets are.
        env: the environment's name, and what follows it in a command.
    """
    wanted = "the value that its data was made with"
    findings = []
    for name, volumes_of in _opened(stack, changed, volumes).items():
        rule = BY_NAME[name]
        said = f"changed since the last good launch, while there is data in {', '.join(volumes_of)}"
        remedy = (
            f"`opskit secrets {env} -p action recover -p names {name}` reads it back where a container still holds it; "
            f"else put back a copy of {env_file} (`{env_file}.before-*`); where its program has the new one too, "
            f"start with `-p accept secret-changed:{name}`"
        )
        verdict = Verdict.FAIL if rule.permanent else Verdict.WARN  # the others are refused or kept by their program
        findings.append(Finding("secret-changed", verdict, name, f"{said}: {rule.why_not_rotated}", wanted, remedy))
    return tuple(findings) or (Finding("secret-changed", Verdict.PASS, env_file, "none that is known", wanted),)


def _opened(stack: Stack, names: Iterable[str], volumes: Iterable[VolumeFact]) -> dict[str, list[str]]:
    """The project's volumes by the secret that opens their data; a secret that opens none of them is left out."""
    data = {v.key: v.name for v in volumes if v.project == stack.project}
    opened = {name: [data[key] for key in sorted(BY_NAME[name].volumes & data.keys())] for name in names}
    return {name: found for name, found in opened.items() if found}


def check_data_missing(
    stack: Stack, launched: Iterable[str], unfinished: str, volumes: Iterable[VolumeFact], env: str
) -> tuple[Finding, ...]:
    """The volumes that the last good launch ended with are there and no restore left them half; else it starts empty.

    Args:
        stack: volumes that it no longer names are not missed.
        launched: names of the volumes after that launch; caches are not missed, they are filled again.
        unfinished: the set that a restore did not put back whole; empty: none.
        volumes: that are there.
        env: the environment's name, and what follows it in a command.
    """
    wanted = "the data of the last good launch"
    if unfinished:
        again = f"`opskit restore {env} -p snapshot {unfinished} -p confirm {stack.project}`"
        half = f"set {unfinished} was not put back whole"
        return (Finding("data-missing", Verdict.FAIL, stack.project, half, wanted, again),)
    kept = {key: raw or {} for key, raw in (stack.raw.get("volumes") or {}).items() if not key.endswith("_cache")}
    named = {raw.get("name", key) for key, raw in kept.items()}
    expected = sorted(named & set(launched))
    gone = [name for name in expected if name not in {volume.name for volume in volumes}]
    if not gone:
        found = f"{len(expected)} volumes, all there" if expected else "no earlier launch to go by"
        return (Finding("data-missing", Verdict.PASS, stack.project, found, wanted),)
    remedy = (
        "restore it under this name (who removed it: `docker events --since 24h --filter type=volume`); to start with "
        f"none of its data, `opskit start {env} -p accept data-missing:"
    )
    return tuple(
        Finding("data-missing", Verdict.FAIL, name, "no such volume", wanted, f"{remedy}{name}`") for name in gone
    )


def _way_back(name: str, env_file: str, env: str, volumes: Iterable[str]) -> str:
    """The remedies, the one that loses nothing first."""
    look = f"`opskit secrets {env} -p action recover` reads it back where a container still holds it"
    kept = f"else put back a copy of {env_file} (kept ones are `{env_file}.before-*`)"
    new = f"; else start with `-p accept secret-data:{name}`, and give the role the new one by `-p action repair`"
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


def check_secret_value(env_file: str, faults: Mapping[str, str]) -> tuple[Finding, ...]:
    """Every secret is a value that its program takes, and no text that stands for one.

    Args:
        env_file: its name.
        faults: what is wrong with a value, by the secret's name; the value itself is not told.
    """
    wanted = "a value that its program takes"
    if not faults:
        return (Finding("secret-value", Verdict.PASS, env_file, "nothing that a program refuses", wanted),)
    where = f"in {env_file}; where data was made with it, change it there too: `opskit secrets`"
    return tuple(
        Finding("secret-value", Verdict.FAIL, name, why, wanted, f"correct {name} {where}")
        for name, why in faults.items()
    )


def check_secret_shell(env_file: str, exported: Iterable[str]) -> tuple[Finding, ...]:
    """No secret is exported in the shell with another value: the env file alone gives secrets.

    Args:
        env_file: its name.
        exported: secrets that this process has as variables, whose value is not the env file's.
    """
    names = ", ".join(exported)
    wanted = f"secrets in {env_file} alone"
    if not names:
        return (Finding("secret-shell", Verdict.PASS, "the shell", "gives none", wanted),)
    remedy = f"write the line into {env_file} where that value is meant, else `unset {' '.join(exported)}`"
    return (Finding("secret-shell", Verdict.WARN, names, "exported in the shell, and not used", wanted, remedy),)
