"""Checks of the variables that the Compose files demand; pure."""

from __future__ import annotations

from collections.abc import Mapping

from opskit.preflight.finding import Finding, Verdict


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
