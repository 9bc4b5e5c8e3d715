"""One verb per notebook act; joins the rooms below, decides nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from opskit.acts.clean import Clean
from opskit.acts.first_run import FirstRun
from opskit.acts.gpu import GpuLook
from opskit.acts.logs import read_log_table
from opskit.acts.preflight import Preflight
from opskit.acts.smoke import SLOW_S, Smoke
from opskit.acts.start import Start
from opskit.acts.status import Status
from opskit.acts.stop import Stop
from opskit.audit.runner import is_interactive
from opskit.engine.reclaim import MODES
from opskit.environments import Environment, find_environment, read_environments
from opskit.errors import UsageError, did_you_mean
from opskit.paths import COMPOSE, ENVIRONMENTS, login
from opskit.preflight.checks import refuse_unknown
from opskit.preflight.report import Terms
from opskit.rehearsal.level import LEVELS, read_level
from opskit.show.tables import Table

if TYPE_CHECKING:
    from opskit.acts.matrix import Matrix

GPU_MODES = ("auto", "dual", "single", "cpu")


def start(
    *,
    env: str,
    gpu: str = "auto",
    overlays: str = "",
    ports: str = "keep",
    cleanup: str = "never",
    accept: str = "",
    strict: bool = False,
    rehearse: str | bool = "no",
    smoke: bool = True,
    deadline_s: float = 900,
) -> Start:
    """Begin the act that launches an environment; nothing is touched before `launch`.

    Args:
        env: name or alias of an environment.
        gpu: auto, dual, single or cpu.
        overlays: further files of compose/, comma separated, merged after the environment's own.
        ports: `auto` moves a busy published port to the next free one and remembers it; `keep` lets preflight refuse.
        cleanup: `auto` removes what is certainly waste where more than 30 % of the disk use is reclaimable; `ask` only
            lists it; see `clean`.
        accept: check ids, comma separated, whose faults you take responsibility for.
        strict: a warning closes the gate as a fault does, unless it is accepted.
        rehearse: `yes` runs it with light real programs, stand-ins and recorded GPUs, and says so everywhere; `full`
            with every real program that packages provide.
        smoke: after the launch, ask each service by its own protocol; one that does not do its work is a failed launch.
        deadline_s: seconds until a service that is not ready is called late.

    Raises:
        UsageError: a parameter is missing or unknown; nothing was started.
    """
    environment = _with_stack(env or ("development" if is_interactive() else ""))
    _refuse_mode(gpu)
    environment = _with_overlays(environment, overlays)
    terms = _terms(accept, strict=strict)
    if ports not in {"auto", "keep"}:
        raise UsageError(f"ports: found {ports!r}; wanted auto or keep.")
    if cleanup not in MODES:
        raise UsageError(f"cleanup: found {cleanup!r}; wanted one of {', '.join(MODES)}.")
    level = _level(rehearse)
    return Start(environment, gpu, terms, level=level, deadline_s=deadline_s, ports=ports, cleanup=cleanup, smoke=smoke)


def stop(*, env: str, rehearse: str | bool = "no") -> Stop:
    """Begin the act that takes an environment down; data is kept.

    Args:
        env: name or alias of an environment.
        rehearse: look on the rehearsal's engine.

    Raises:
        UsageError: no such environment.
    """
    return Stop(find_environment(read_environments(ENVIRONMENTS), env), rehearse=_level(rehearse) != "no")


def clean(*, env: str = "", mode: str = "ask", confirm: str = "", rehearse: str | bool = "no") -> Clean:
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
    return Clean(_environments(env), mode, confirm, rehearse=_level(rehearse) != "no")


def status(*, rehearse: str | bool = "no") -> Status:
    """Begin the look at every environment's containers, and at the GPUs they hold; nothing is changed.

    Args:
        rehearse: look on the rehearsal's engine, where there is one.
    """
    return Status(read_environments(ENVIRONMENTS), rehearse=_level(rehearse) != "no")


def smoke(*, env: str, overlays: str = "", slow_s: float = SLOW_S, rehearse: str | bool = "no") -> Smoke:
    """Begin the look at whether the services of an environment that is up do what their users need.

    Args:
        env: name or alias of an environment.
        overlays: as it was started with.
        slow_s: an answer of the model that comes later is called slow.
        rehearse: as in `start`.

    Raises:
        UsageError: no such environment or overlay, or it has no stack of its own.
    """
    environment = _with_overlays(_with_stack(env), overlays)
    return Smoke(environment, level=_level(rehearse), slow_s=slow_s)


def first_run(
    *, confirm: str = "", gpu: str = "auto", rehearse: str | bool = "no", deadline_s: float = 900
) -> FirstRun:
    """Begin the act that wipes development and starts it anew; without the project's name it only shows.

    Args:
        confirm: the project's name, typed by the operator, such as `multimodal-development`.
        gpu: auto, dual, single or cpu.
        rehearse: as in `start`.
        deadline_s: as in `start`.

    Raises:
        UsageError: the GPU mode is unknown.
    """
    _refuse_mode(gpu)
    environments = read_environments(ENVIRONMENTS)
    target = find_environment(environments, find_environment(environments, "first-run").act_on or "")
    return FirstRun(target, Start(target, gpu, Terms(), level=_level(rehearse), deadline_s=deadline_s), confirm)


def logs(*, env: str, service: str = "", lines: int = 50, rehearse: str | bool = "no") -> Table:
    """The last log lines of an environment's containers, without any secret.

    Args:
        env: name or alias of an environment.
        service: one service; empty means all.
        lines: of each container.
        rehearse: look on the rehearsal's engine, where there is one.

    Raises:
        UsageError: no such environment, or it has no such service running.
    """
    environment = find_environment(read_environments(ENVIRONMENTS), env)
    return read_log_table(environment, service=service, lines=lines, rehearse=_level(rehearse) != "no")


def preflight(
    *,
    env: str = "",
    gpu: str = "auto",
    accept: str = "",
    strict: bool = False,
    record: str = "",
    rehearse: str | bool = "no",
) -> Preflight:
    """Begin the look at what would keep each environment from starting here; nothing is started.

    Args:
        env: name or alias of one environment; empty for all of them.
        gpu: auto, dual, single or cpu.
        accept: as in `start`.
        strict: as in `start`.
        record: the folder of an earlier run, whose facts are judged again; empty looks at this machine.
        rehearse: judge the rehearsal instead.

    Raises:
        UsageError: no such environment, mode or check.
    """
    _refuse_mode(gpu)
    terms = _terms(accept, strict=strict)
    return Preflight(_environments(env), gpu, terms, record, level=_level(rehearse))


def gpus(*, env: str = "development", gpu: str = "auto", rehearse: str | bool = "no") -> GpuLook:
    """Begin the look at the GPUs as an environment would use them; nothing is started.

    Args:
        env: name or alias of an environment.
        gpu: auto, dual, single or cpu.
        rehearse: the recorded GPUs of a rehearsal.

    Raises:
        UsageError: no such environment or mode.
    """
    _refuse_mode(gpu)
    return GpuLook(find_environment(read_environments(ENVIRONMENTS), env), gpu, level=_level(rehearse))


def matrix() -> Matrix:
    """Begin the look at all environments at once: matrix, differences, drift and lint; nothing is started."""
    from opskit.acts.matrix import Matrix  # noqa: PLC0415  pandas is slow to import

    return Matrix()


def _with_stack(env: str) -> Environment:
    environment = find_environment(read_environments(ENVIRONMENTS), env)
    if environment.act_on:
        raise UsageError(f"env: {environment.name} is an act on {environment.act_on}, not a stack of its own.")
    return environment


def _environments(env: str) -> list[Environment]:
    """The environment of that name, or the one it acts on; every one with a stack of its own where none is named."""
    environments = read_environments(ENVIRONMENTS)
    if not env:
        return [environment for environment in environments.values() if not environment.act_on]
    chosen = find_environment(environments, env)
    return [find_environment(environments, chosen.act_on) if chosen.act_on else chosen]


def _level(rehearse: str | bool) -> str:
    level = read_level(rehearse)
    if level is None:
        raise UsageError(f"rehearse: found {rehearse!r}; wanted one of {', '.join(LEVELS)}.")
    return level


def _refuse_mode(gpu: str) -> None:
    if gpu not in GPU_MODES:
        raise UsageError(f"gpu: found {gpu!r}; wanted one of {', '.join(GPU_MODES)}.")


def _with_overlays(environment: Environment, overlays: str) -> Environment:
    names = _words(overlays)
    _refuse_overlays(names)
    return environment.model_copy(update={"compose": (*environment.compose, *names)})


def _refuse_overlays(names: Iterable[str]) -> None:
    there = sorted(path.name for path in COMPOSE.glob("*.yml"))
    for name in names:
        if name not in there:
            hint = did_you_mean(name, there)
            raise UsageError(f"overlays: found no compose/{name}.{hint} Wanted some of: {', '.join(there)}.")


def _terms(accept: str, *, strict: bool) -> Terms:
    accepted = _words(accept)
    refuse_unknown(accepted)
    return Terms(accepted, login(), strict)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())
