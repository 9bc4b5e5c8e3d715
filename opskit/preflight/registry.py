"""Every check there is, in the order of a start; a new one is a function in a file of its subject and a line here."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from opskit.errors import UsageError, did_you_mean
from opskit.preflight.checks.alert import check_alert_receiver
from opskit.preflight.checks.certificate import check_certificate_key, check_certificate_valid
from opskit.preflight.checks.compose import (
    check_compose_version,
    check_config_valid,
    check_label_valid,
    check_secret_data,
    check_secret_file,
    check_secret_readable,
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
from opskit.preflight.checks.gpu_memory import check_gpu_budget
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
    check_network_filter,
    check_network_foreign,
    check_network_subnet,
    check_network_unique,
)
from opskit.preflight.checks.port import check_port_free, check_port_reserved, check_port_unique
from opskit.preflight.finding import CRASHED, Finding, id_of

CHECKS: tuple[Callable[..., Iterable[Finding]], ...] = (
    check_launch_free,
    check_engine_reachable,
    check_engine_local,
    check_engine_version,
    check_engine_storage,
    check_engine_clock,
    check_engine_security,
    check_engine_cgroup,
    check_engine_files,
    check_compose_version,
    check_variable_set,
    check_config_valid,
    check_label_valid,
    check_gpu_present,
    check_gpu_driver,
    check_kernel_module,
    check_gpu_device,
    check_gpu_mig,
    check_gpu_equal,
    check_gpu_link,
    check_gpu_peer,
    check_gpu_width,
    check_gpu_process,
    check_gpu_toolkit,
    check_gpu_cgroup,
    check_gpu_budget,
    check_memory_total,
    check_memory_available,
    check_memory_swap,
    check_disk_free,
    check_disk_inodes,
    check_disk_writable,
    check_disk_reclaimable,
    check_kernel_forward,
    check_kernel_maps,
    check_kernel_overcommit,
    check_network_unique,
    check_network_foreign,
    check_network_subnet,
    check_network_filter,
    check_network_bridge,
    check_external_present,
    check_container_name,
    check_container_left,
    check_port_unique,
    check_port_free,
    check_port_reserved,
    check_file_present,
    check_file_readable,
    check_certificate_valid,
    check_certificate_key,
    check_model_present,
    check_model_context,
    check_image_present,
    check_image_reachable,
    check_secret_data,
    check_secret_file,
    check_secret_readable,
    check_data_version,
    check_alert_receiver,
)

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
    unknown = [word for word in accept if word not in CHECK_IDS]
    if unknown:
        hint = did_you_mean(unknown[0], CHECK_IDS)
        raise UsageError(
            f"accept: found {', '.join(unknown)}, which no check is called.{hint} Wanted: {', '.join(CHECK_IDS)}."
        )
