"""Every check there is, in the order of a start; a new one is a function in a file of its subject and a line here.

A check whose subject is not there (no Engine answers, no model was resolved) does not apply: another one says so. Where
a fact is not known, the check's finding is a SKIP with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import TypeVar

from opskit.compose.faults import Failure
from opskit.compose.model import MINIMUM, Stack
from opskit.engine.facts import ContainerFact, EngineFacts, VolumeFact
from opskit.engine.model import Pull
from opskit.engine.usage import DiskUse
from opskit.errors import UsageError, did_you_mean
from opskit.host.model import Daemon, Files, Host, ListeningSocket
from opskit.preflight.checks.alert import check_alert_receiver
from opskit.preflight.checks.certificate import check_certificate_key, check_certificate_valid
from opskit.preflight.checks.compose import (
    check_compose_version,
    check_config_valid,
    check_label_valid,
    check_variable_set,
)
from opskit.preflight.checks.engine import (
    check_engine_cgroup,
    check_engine_clock,
    check_engine_files,
    check_engine_local,
    check_engine_reachable,
    check_engine_security,
    check_engine_storage,
    check_engine_version,
    check_launch_free,
)
from opskit.preflight.checks.exposure import check_exposure
from opskit.preflight.checks.files import check_data_version, check_file_present, check_file_readable
from opskit.preflight.checks.gpu import (
    check_gpu_cgroup,
    check_gpu_device,
    check_gpu_driver,
    check_gpu_equal,
    check_gpu_link,
    check_gpu_mig,
    check_gpu_peer,
    check_gpu_present,
    check_gpu_process,
    check_gpu_toolkit,
    check_gpu_width,
)
from opskit.preflight.checks.gpu_memory import check_gpu_budget, check_gpu_shared
from opskit.preflight.checks.host import (
    check_disk_free,
    check_disk_inodes,
    check_disk_reclaimable,
    check_disk_writable,
    check_kernel_forward,
    check_kernel_maps,
    check_kernel_module,
    check_kernel_overcommit,
    check_memory_available,
    check_memory_swap,
    check_memory_total,
)
from opskit.preflight.checks.image import check_image_present, check_image_reachable
from opskit.preflight.checks.model import check_model_context, check_model_present
from opskit.preflight.checks.network import (
    check_container_left,
    check_container_name,
    check_external_present,
    check_network_bridge,
    check_network_chain,
    check_network_filter,
    check_network_foreign,
    check_network_subnet,
    check_network_unique,
)
from opskit.preflight.checks.port import check_port_free, check_port_number, check_port_reserved, check_port_unique
from opskit.preflight.checks.secret import (
    check_data_missing,
    check_secret_changed,
    check_secret_data,
    check_secret_file,
    check_secret_readable,
    check_secret_shell,
    check_secret_value,
)
from opskit.preflight.facts import Facts
from opskit.preflight.finding import CRASHED, Finding, Verdict, id_of
from opskit.unknown import Unknown, or_else

_Fact = TypeVar("_Fact")
_env, _launched = attrgetter("environment.env_file", "environment.words"), attrgetter("launched_volumes", "unfinished")


class NotApplicableError(Exception):
    """What a check judges is not there, and another check says so."""


class NotKnownError(Exception):
    """A fact that a check needs is not known."""

    def __init__(self, why: Unknown) -> None:
        super().__init__(why.reason)
        self.why = why


def run_check(check: Callable[..., Iterable[Finding]], facts: Facts) -> tuple[Finding, ...]:
    """The findings of one check; none where it does not apply, a SKIP where a fact is not known."""
    if facts.rehearsal and check in NOT_REHEARSED:
        return ()
    try:
        return tuple(CHECKS[check](facts))
    except NotApplicableError:
        return ()
    except NotKnownError as error:
        why = error.why
        return (
            Finding(id_of(check), Verdict.SKIP, "facts", why.reason, "an answer", why.remedy, required=why.required),
        )


def _known(fact: _Fact | Unknown) -> _Fact:
    if isinstance(fact, Unknown):
        raise NotKnownError(fact)
    return fact


def _engine(facts: Facts) -> EngineFacts:
    if isinstance(facts.engine, Unknown):
        raise NotApplicableError
    return facts.engine


def _stack(facts: Facts) -> Stack:
    if isinstance(facts.stack, Failure):
        raise NotApplicableError
    return facts.stack


def _here(facts: Facts) -> Host:
    """This machine, where the Engine is on it; of one elsewhere this machine says nothing, and engine-local warns."""
    if isinstance(facts.engine, EngineFacts) and not facts.engine.local:
        raise NotApplicableError
    return facts.host


def _files(facts: Facts) -> Files:
    """The files on this machine, where the Engine mounts them from it."""
    _here(facts)
    return _known(facts.files)


def _daemon(facts: Facts) -> Daemon | None:
    _engine(facts)
    return _known(_here(facts).daemon)


def _disk_use(facts: Facts) -> DiskUse | Unknown | None:
    _engine(facts)
    return facts.host.disk_use


def _sockets(facts: Facts) -> Iterable[ListeningSocket] | Unknown:
    if isinstance(facts.engine, EngineFacts) and not facts.engine.local:
        return Unknown("the Engine's machine is another one", "look there with `sudo ss -ltnp`")
    return facts.host.sockets


def _publishers(facts: Facts) -> tuple[ContainerFact, ...]:
    return or_else(facts.engine.containers, ()) if isinstance(facts.engine, EngineFacts) else ()


def _pulls(facts: Facts) -> tuple[Pull, ...]:
    if facts.pulls is None:
        raise NotApplicableError
    return facts.pulls


def _volumes(facts: Facts) -> Iterable[VolumeFact]:
    return _known(_engine(facts).volumes)


def _now_s(facts: Facts) -> float:
    """Seconds since the epoch when the Engine was asked for its clock."""
    return (facts.engine.asked_s if isinstance(facts.engine, EngineFacts) else None) or facts.host.time_s


CHECKS: Mapping[Callable[..., Iterable[Finding]], Callable[[Facts], Iterable[Finding]]] = {
    check_launch_free: lambda f: check_launch_free(f.lock, f.project, f.upgraded_from, f.environment.words),
    check_engine_reachable: lambda f: check_engine_reachable(f.engine),
    check_engine_local: lambda f: check_engine_local(_engine(f)),
    check_engine_version: lambda f: check_engine_version(_engine(f)),
    check_engine_storage: lambda f: check_engine_storage(_engine(f)),
    check_engine_clock: lambda f: check_engine_clock(_engine(f), _now_s(f)),
    check_engine_security: lambda f: check_engine_security(_engine(f), _stack(f)),
    check_engine_cgroup: lambda f: check_engine_cgroup(_engine(f)),
    check_engine_files: lambda f: check_engine_files(_stack(f), _daemon(f)),
    check_compose_version: lambda f: check_compose_version(f.compose, MINIMUM),
    check_variable_set: lambda f: check_variable_set(f.demanded, f.environment.env_file),
    check_config_valid: lambda f: check_config_valid(f.stack),
    check_label_valid: lambda f: check_label_valid(_stack(f)),
    check_gpu_present: lambda f: check_gpu_present(f.placement, f.inventory, f.environment.gpu),
    check_gpu_driver: lambda f: check_gpu_driver(_stack(f), f.placement, f.inventory),
    check_kernel_module: lambda f: check_kernel_module(f.placement, _engine(f), _here(f).kernel, f.inventory),
    check_gpu_device: lambda f: check_gpu_device(_stack(f), f.inventory),
    check_gpu_mig: lambda f: check_gpu_mig(f.placement, f.inventory),
    check_gpu_equal: lambda f: check_gpu_equal(f.placement, f.inventory),
    check_gpu_link: lambda f: check_gpu_link(f.placement, f.inventory),
    check_gpu_peer: lambda f: check_gpu_peer(f.placement, f.inventory),
    check_gpu_width: lambda f: check_gpu_width(f.placement, f.inventory),
    check_gpu_process: lambda f: check_gpu_process(f.placement, f.inventory, f.host.programs, f.running),
    check_gpu_toolkit: lambda f: check_gpu_toolkit(
        f.placement, _engine(f), f.host.gpu_hook, f.host.gpu_hook_s, _daemon(f)
    ),
    check_gpu_cgroup: lambda f: check_gpu_cgroup(f.placement, _engine(f)),
    check_gpu_shared: lambda f: check_gpu_shared(_stack(f), f.placement, f.inventory, _here(f).memory, f.need_bytes),
    check_gpu_budget: lambda f: check_gpu_budget(_stack(f), f.placement, f.inventory, f.model, running=f.running),
    check_memory_total: lambda f: check_memory_total(_known(_here(f).memory), f.need_bytes),
    check_memory_available: lambda f: check_memory_available(_known(_here(f).memory), f.need_bytes, running=f.running),
    check_memory_swap: lambda f: check_memory_swap(_known(_here(f).memory)),
    check_disk_free: lambda f: check_disk_free(_known(f.files).disks),
    check_disk_inodes: lambda f: check_disk_inodes(_known(f.files).disks),
    check_disk_writable: lambda f: check_disk_writable(_known(f.files).disks, _known(f.files).writable),
    check_disk_reclaimable: lambda f: check_disk_reclaimable(_disk_use(f)),
    check_kernel_forward: lambda f: check_kernel_forward(_here(f).kernel, f.engine),
    check_kernel_maps: lambda f: check_kernel_maps(_stack(f), _here(f).kernel),
    check_kernel_overcommit: lambda f: check_kernel_overcommit(_stack(f), _here(f).kernel),
    check_network_unique: lambda f: check_network_unique(_stack(f), _known(_engine(f).networks)),
    check_network_foreign: lambda f: check_network_foreign(_stack(f), _known(_engine(f).networks)),
    check_network_subnet: lambda f: check_network_subnet(_stack(f), _known(_engine(f).networks), _here(f).kernel),
    check_network_filter: lambda f: check_network_filter(_engine(f)),
    check_network_bridge: lambda f: check_network_bridge(_engine(f), _known(_engine(f).networks), _here(f).kernel),
    check_network_chain: lambda f: check_network_chain(_engine(f), there=_here(f).docker_chain),
    check_external_present: lambda f: check_external_present(_stack(f), _known(_engine(f).networks), _volumes(f)),
    check_container_name: lambda f: check_container_name(_stack(f), _known(_engine(f).containers)),
    check_container_left: lambda f: check_container_left(_stack(f), _known(_engine(f).containers)),
    check_port_number: lambda f: check_port_number(f.given_ports),
    check_port_unique: lambda f: check_port_unique(_stack(f)),
    check_port_free: lambda f: check_port_free(_stack(f), _sockets(f), _publishers(f), f.environment.prefix),
    check_exposure: lambda f: check_exposure(_stack(f)),
    check_port_reserved: lambda f: check_port_reserved(
        _stack(f), _sockets(f), _publishers(f), f.environment.prefix, f.reserved
    ),
    check_file_present: lambda f: check_file_present(_stack(f), _files(f).kinds, f.compose),
    check_file_readable: lambda f: check_file_readable(_stack(f), _files(f).modes),
    check_certificate_valid: lambda f: check_certificate_valid(_files(f).certificates, _now_s(f)),
    check_certificate_key: lambda f: check_certificate_key(_files(f).certificates),
    check_model_present: lambda f: check_model_present(
        _stack(f), f.model, f.hub, _known(f.files).cached, f.environment.env_file, f.rehearsal
    ),
    check_model_context: lambda f: check_model_context(_stack(f), f.model),
    check_image_present: lambda f: check_image_present(_stack(f), _known(_engine(f).images), offline=f.rehearsal),
    check_image_reachable: lambda f: check_image_reachable(_pulls(f)),
    check_secret_data: lambda f: check_secret_data(_stack(f), f.unmade, _volumes(f), *_env(f)),
    check_secret_changed: lambda f: check_secret_changed(_stack(f), f.changed_secrets, _volumes(f), *_env(f)),
    check_data_missing: lambda f: check_data_missing(_stack(f), *_launched(f), _volumes(f), f.environment.words),
    check_secret_file: lambda f: check_secret_file(f.environment.env_file, _known(f.files).mode),
    check_secret_readable: lambda f: check_secret_readable(f.environment.env_file, f.env_fault),
    check_secret_value: lambda f: check_secret_value(f.environment.env_file, f.secret_faults),
    check_secret_shell: lambda f: check_secret_shell(f.environment.env_file, f.exported),
    check_data_version: lambda f: check_data_version(_stack(f), _files(f).postgres_majors),
    check_alert_receiver: lambda f: check_alert_receiver(_stack(f), f.environment.env_file),
}
"""Every check, in the order of a start, with the facts it is given."""

NOT_REHEARSED: frozenset[Callable[..., Iterable[Finding]]] = frozenset(
    {
        check_engine_version,
        check_engine_cgroup,
        check_network_bridge,
        check_gpu_driver,
        check_gpu_device,
        check_gpu_toolkit,
        check_gpu_cgroup,
        check_kernel_module,
        check_alert_receiver,
    }
)
"""Checks of what a rehearsal does without."""

CHECK_IDS: tuple[str, ...] = (*(id_of(check) for check in CHECKS), CRASHED)
"""What `accept` may name."""


def refuse_unknown(accept: Iterable[str]) -> None:
    """Refuse a misspelt id before anything is looked at.

    Raises:
        UsageError: an id is unknown; the nearest one is named.
    """
    unknown = [word for word in accept if word.partition(":")[0] not in CHECK_IDS]
    if unknown:
        hint = did_you_mean(unknown[0], CHECK_IDS)
        raise UsageError(
            f"accept: found {', '.join(unknown)}, which no check is called.{hint} Wanted: {', '.join(CHECK_IDS)}."
        )
