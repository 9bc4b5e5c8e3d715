"""What every launch of an environment does under its lock, and what it leaves in the record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opskit.audit.journal import Journal, note, phase
from opskit.engine.events import list_containers
from opskit.engine.facts import read_volume_facts
from opskit.health.outcome import Outcome, Sink
from opskit.health.waiting import launch
from opskit.lock import hold_project
from opskit.release.mark import remove_mark
from opskit.release.release import keep_release
from opskit.runbook.outcome import keep_outcome
from opskit.secrets.fingerprint import fingerprints
from opskit.target.plan import keep_hashes, plan_project
from opskit.target.target import Target

if TYPE_CHECKING:
    from docker import DockerClient

_EDITED = "the Compose files or the env file were edited during this launch: it may run what preflight has not seen"


def bring_up(
    target: Target, journal: Journal, *, deadline_s: float, wait_lock_s: float, sink: Sink
) -> tuple[Target, Outcome]:
    """Make missing secrets, start what is not running and wait until all of it is ready.

    Args:
        target: what is launched.
        journal: told what comes of it.
        deadline_s: seconds until a service that is not ready is called late.
        wait_lock_s: seconds to wait for another launch that is in progress.
        sink: called with every event.

    Returns:
        The target with its secrets, and the outcome without them.

    Raises:
        LockHeldError: another launch of the same environment is in progress.
        OpskitError: the Engine does not answer, or the files cannot be resolved.
    """
    project = target.project.name
    with hold_project(project, engine=target.engine_id, wait_s=wait_lock_s):
        with phase(journal, "secrets"):
            target, made = target.with_secrets()
        target.keep_ports()
        if made:
            journal.write("note", text=f"made in {target.facts.environment.env_file}: {', '.join(made)}")
        client, stack = target.opened()
        converged, written = plan_project(client, target.project, stack, journal).converged, target.written()
        outcome = launch(target.project, stack, client, deadline_s=deadline_s, sink=sink, converged=converged)
        if target.written() != written:
            note(journal, _EDITED)
        elif outcome.ok and not converged:
            keep_hashes(client, target.project, stack)
    outcome = outcome.redacted(target.redact())
    keep_outcome(journal, outcome)
    listed, keys = list_containers(client, project), ("Id", "Image", "ImageID")
    journal.write("containers", rows=[{key: entry[key] for key in keys} for entry in listed])
    if outcome.ok:
        keep_volumes(target, client, journal)
    return target, outcome


def keep_volumes(target: Target, client: DockerClient, journal: Journal) -> None:
    """Put the project's volumes in the record, and what tells the secrets of their data from others."""
    project = target.project.name
    names = sorted(volume.name for volume in read_volume_facts(client, project))
    journal.write("volumes", project=project, names=names, fingerprints=fingerprints(target.secrets))


def keep_good(target: Target, journal: Journal) -> None:
    """Keep what was launched and found good as a release; where it cannot be written, that is told and no more."""
    (client, _), folder = target.opened(), journal.folder
    if folder is None:
        return
    try:
        release = keep_release(client, target.project, target.secrets, folder.name)
        remove_mark(target.project.name)  # an upgrade that was interrupted has gone on
        journal.write("release", id=release.id, images=release.images)
    except OSError as error:
        note(journal, f"this launch is not kept as a release: {error}")
