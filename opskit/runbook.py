"""One verb per notebook act; joins the rooms below, decides nothing."""

from __future__ import annotations

from opskit.acts.clean import Clean
from opskit.acts.start import Start
from opskit.acts.stop import Stop
from opskit.audit.journal import Journal
from opskit.audit.runner import is_interactive
from opskit.engine.client import connect, resolve_host
from opskit.engine.facts import read_container_facts
from opskit.engine.reclaim import MODES
from opskit.environments import find_environment, read_environments
from opskit.errors import UsageError
from opskit.paths import ENVIRONMENTS, STATE
from opskit.preflight.checks import refuse_unknown
from opskit.rehearsal.engine import find_engine
from opskit.show.tables import Table

GPU_MODES = ("auto", "dual", "single", "cpu")


def start(*, env: str, gpu: str = "auto", accept: str = "", rehearse: bool = False, deadline_s: float = 900) -> Start:
    """Begin the act that launches an environment; nothing is touched before `launch`.

    Args:
        env: name or alias of an environment.
        gpu: auto, dual, single or cpu.
        accept: check ids, comma separated, whose faults you take responsibility for.
        rehearse: run it with stand-ins and recorded GPUs, and say so everywhere.
        deadline_s: seconds until a service that is not ready is called late.

    Raises:
        UsageError: a parameter is missing or unknown; nothing was started.
    """
    environments = read_environments(ENVIRONMENTS)
    environment = find_environment(environments, env or ("development" if is_interactive() else ""))
    if environment.act_on:
        raise UsageError(f"env: {environment.name} is an act on {environment.act_on}, not a stack of its own.")
    if gpu not in GPU_MODES:
        raise UsageError(f"gpu: found {gpu!r}; wanted one of {', '.join(GPU_MODES)}.")
    accepted = tuple(word.strip() for word in accept.split(",") if word.strip())
    refuse_unknown(accepted)
    return Start(environment, gpu, accepted, rehearse=rehearse, deadline_s=deadline_s)


def stop(*, env: str, rehearse: bool = False) -> Stop:
    """Begin the act that takes an environment down; data is kept.

    Args:
        env: name or alias of an environment.
        rehearse: look on the rehearsal's engine.

    Raises:
        UsageError: no such environment.
    """
    return Stop(find_environment(read_environments(ENVIRONMENTS), env), rehearse=rehearse)


def clean(*, env: str = "", mode: str = "ask", confirm: str = "", rehearse: bool = False) -> Clean:
    """Begin the act that gives disk back; nothing is removed before `clean`, and never a volume.

    Args:
        env: name or alias of the environment whose containers are looked at; empty for all of them.
        mode: auto (acts where more than 30 % is reclaimable), ask (acts on `confirm`) or never.
        confirm: what the plan said to confirm it with.
        rehearse: look on the rehearsal's engine.

    Raises:
        UsageError: no such environment or mode; nothing was removed.
    """
    if mode not in MODES:
        raise UsageError(f"mode: found {mode!r}; wanted one of {', '.join(MODES)}.")
    environments = read_environments(ENVIRONMENTS)
    chosen = [find_environment(environments, env)] if env else environments.values()
    return Clean([e for e in chosen if not e.act_on], mode, confirm, rehearse=rehearse)


def status(*, rehearse: bool = False) -> Table:
    """Every environment's containers in the Engine's own words.

    Args:
        rehearse: look on the rehearsal's engine, where there is one.
    """
    journal = Journal.of_this_run()
    engine = find_engine(STATE) if rehearse else None
    facts = read_container_facts(connect(resolve_host(engine.host if engine else None)))
    environments = read_environments(ENVIRONMENTS).values()
    names = {(engine.project(e.project) if engine else e.project): e.name for e in environments}
    rows = sorted((names[f.project], f.service or "?", f.status) for f in facts if f.project in names)
    journal.write("outcome", ok=True, failures=[])
    return Table(
        f"{len(rows)} containers of {len({r[0] for r in rows})} environments",
        ("environment", "service", "status"),
        rows,
        rehearse,
    )
