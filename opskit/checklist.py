"""Which checks apply to a site, each with its facts."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from opskit.compose.cli import MINIMUM
from opskit.compose.model import Stack
from opskit.engine.facts import EngineFacts
from opskit.preflight import checks as preflight
from opskit.preflight.finding import Check

if TYPE_CHECKING:
    from opskit.site import Site


def checks_of(site: Site) -> list[Check]:
    """Every check that applies to what was found, its facts given; none has run yet."""
    checks: list[Check] = [
        partial(preflight.check_engine_reachable, site.engine),
        partial(preflight.check_compose_version, site.compose, MINIMUM),
        partial(preflight.check_variable_set, site.demanded, site.environment.env_file),
        partial(preflight.check_config_valid, site.stack),
        partial(preflight.check_gpu_present, site.placement, site.inventory, site.environment.gpu),
        partial(preflight.check_gpu_link, site.placement, site.inventory),
        partial(preflight.check_memory_total, site.host.memory_total_bytes, site.need_bytes),
        partial(preflight.check_disk_free, site.host.disk_free_bytes),
        partial(preflight.check_disk_inodes, site.host.inodes_free),
        partial(preflight.check_kernel_forward, site.host.kernel.settings),
        partial(preflight.check_secret_file, site.environment.env_file, site.host.modes[site.environment.env_file]),
    ]
    if isinstance(site.engine, EngineFacts):
        checks += _engine_checks(site, site.engine)
    if isinstance(site.stack, Stack):
        stack = site.stack
        containers = site.engine.containers if isinstance(site.engine, EngineFacts) else ()
        checks += [
            partial(preflight.check_file_present, stack, site.host.files),
            partial(
                preflight.check_gpu_budget, stack, site.placement, site.inventory, site.model, running=site.running
            ),
            partial(preflight.check_kernel_maps, stack, site.host.kernel.settings),
            partial(preflight.check_kernel_overcommit, stack, site.host.kernel.settings),
            partial(preflight.check_data_version, stack, site.host.postgres_majors),
            partial(preflight.check_port_unique, stack),
            partial(preflight.check_port_free, stack, site.host.holders, containers),
        ]
    return checks


def _engine_checks(site: Site, engine: EngineFacts) -> list[Check]:
    checks: list[Check] = [
        partial(preflight.check_engine_storage, engine),
        partial(
            preflight.check_memory_available,
            site.host.memory_available_bytes,
            site.need_bytes,
            running=site.running,
        ),
        partial(preflight.check_secret_data, site.unmade, engine.volumes, site.environment.env_file),
        partial(preflight.check_engine_local, engine.host),
        partial(preflight.check_engine_clock, engine.time, site.host.time_s),
    ]
    if site.rehearsal is None:
        checks += [
            partial(preflight.check_gpu_toolkit, site.placement, engine.runtimes, site.host.gpu_hook),
            partial(preflight.check_gpu_cgroup, site.placement, engine.cgroup_driver),
        ]
    if isinstance(site.stack, Stack):
        stack = site.stack
        offline = site.rehearsal is not None
        checks += [
            partial(preflight.check_image_present, stack, engine.images, offline=offline),
            partial(preflight.check_network_unique, stack, engine.networks),
            partial(preflight.check_network_foreign, stack, engine.networks),
            partial(preflight.check_network_subnet, stack, engine.networks, site.host.kernel.routes),
            partial(preflight.check_external_present, stack, engine.networks, engine.all_volumes),
            partial(preflight.check_container_name, stack, engine.containers),
        ]
    return checks
