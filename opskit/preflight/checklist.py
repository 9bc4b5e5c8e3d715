"""Gives each check the facts it asks for by the names of its parameters; pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from inspect import Parameter, signature
from typing import Any

from opskit.compose.model import MINIMUM, Stack
from opskit.engine.facts import EngineFacts
from opskit.preflight.facts import Facts, Unread
from opskit.preflight.finding import Check, Finding, Verdict, id_of
from opskit.preflight.registry import CHECKS, NOT_REHEARSED

_ALWAYS = frozenset({"memory", "containers", "images", "networks", "volumes"})
"""Facts that are None only where they could not be read."""
_OF_THIS_MACHINE = frozenset({"memory", "kernel", "sockets", "daemon", "kinds", "modes", "majors", "certificates"})
"""Facts that say nothing of an Engine elsewhere, which engine-local warns of."""
_SILENT = Unread("the facts do not hold it", "look at the machine itself: `opskit run preflight`", required=True)


def checks_of(facts: Facts) -> list[Check]:
    """Every check that applies to what was found, its facts given; none has run yet.

    A check whose subject is not there (no Engine answers, no model was resolved) does not apply: another one says so.
    Where a fact could not be read, the check's finding is a SKIP with the reason.
    """
    known = _by_name(facts)
    checks: list[Check] = []
    for check in CHECKS:
        parameters = signature(check).parameters.values()
        asked = [p.name for p in parameters if p.name in known or p.default is Parameter.empty]
        if (facts.rehearsal and check in NOT_REHEARSED) or any(name not in known for name in asked):
            continue
        missing = next((facts.unread.get(name, _SILENT) for name in asked if _is_missing(facts, known, name)), None)
        given = {name: known[name] for name in asked}
        checks.append(partial(_skip, id_of(check), missing) if missing else partial(check, **given))
    return checks


def _is_missing(facts: Facts, known: Mapping[str, Any], name: str) -> bool:
    return name in facts.unread or (name in _ALWAYS and known[name] is None)


def _skip(check: str, unread: Unread) -> tuple[Finding, ...]:
    return (Finding(check, Verdict.SKIP, "facts", unread.reason, "an answer", unread.remedy, required=unread.required),)


def _by_name(facts: Facts) -> Mapping[str, Any]:
    """Every fact a check may ask for."""
    host, files, environment = facts.host, facts.files, facts.environment
    engine = facts.engine if isinstance(facts.engine, EngineFacts) else None
    known: dict[str, Any] = {
        "reached": facts.engine,
        "compose": facts.compose,
        "minimum": MINIMUM,
        "resolved": facts.stack,
        "demanded": facts.demanded,
        "unmade": facts.unmade,
        "env_file": environment.env_file,
        "env_fault": facts.env_fault,
        "mode": files.mode,
        "placement": facts.placement,
        "inventory": facts.inventory,
        "overlays": environment.gpu,
        "model": facts.model,
        "memory": host.memory,
        "prefix": environment.prefix,
        "reserved": facts.reserved,
        "need_bytes": facts.need_bytes,
        "disks": files.disks,
        "kernel": host.kernel,
        "hook": host.gpu_hook,
        "hook_s": host.gpu_hook_s,
        "programs": host.programs,
        "sockets": host.holders,
        "publishers": engine.containers or () if engine else (),
        "kinds": files.kinds,
        "modes": files.modes,
        "writable": files.writable,
        "lock": facts.lock,
        "project": facts.project,
        "hub": facts.hub,
        "cached": files.cached,
        "certificates": files.certificates,
        "majors": files.postgres_majors,
        "running": facts.running,
        "offline": facts.rehearsal,
        "now_s": (engine.asked_s if engine else None) or host.time_s,
    }
    if engine:
        known |= {
            "engine": engine,
            "containers": engine.containers,
            "images": engine.images,
            "networks": engine.networks,
            "volumes": engine.volumes,
            "daemon": host.daemon,
            "disk_use": host.disk_use,
        }
    if facts.pulls is not None:
        known["pulls"] = facts.pulls
    if isinstance(facts.stack, Stack):
        known["stack"] = facts.stack
    here = engine is None or engine.local
    if not here:
        known = {name: fact for name, fact in known.items() if name not in _OF_THIS_MACHINE}
        known["sockets"] = None  # containers over there publish ports all the same
    return known
