"""Asks the Engine what takes disk, and removes what a plan names, one by one: a prune takes what is another's."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests

from opskit.engine.usage import DiskUnknown, DiskUse, parse_disk_use, parse_entries
from opskit.engine.waste import CACHE_BUDGET_BYTES, UNUSED_S, CleanupItem, CleanupPlan, Ours, plan_cleanup
from opskit.errors import NotReadError
from opskit.reading import Reading

if TYPE_CHECKING:
    from docker import DockerClient

_DF_S = 120.0
"""Counting large volumes can take the Engine minutes (moby#31719)."""

_PRUNE_S = 600.0


@dataclass(frozen=True, slots=True)
class Removal:
    """What became of one item: gone, or kept with the reason."""

    item: CleanupItem
    kept: str = ""


@dataclass(frozen=True, slots=True)
class DiskLook:
    """What takes disk, and what of it would be removed."""

    use: DiskUse
    plan: CleanupPlan


def read_disk(client: DockerClient, *, ours: Ours, now: float, timeout_s: float = _DF_S) -> DiskLook | DiskUnknown:
    """Ask what takes disk, and plan; an Engine that fails or does not come to an end is an answer too."""
    df = read_df(client, timeout_s=timeout_s)
    if isinstance(df, DiskUnknown):
        return df
    containers, images, cache = (parse_entries(df, kind) or () for kind in ("containers", "images", "build cache"))
    return DiskLook(parse_disk_use(df), plan_cleanup(containers, images, cache, ours=ours, now=now))


def read_df(client: DockerClient, *, timeout_s: float) -> Mapping[str, Any] | DiskUnknown:
    """The answer of GET /system/df; why there is none where the Engine fails or is not done in time."""
    try:
        return Reading("disk use", lambda: _ask(client, timeout_s), timeout_s=timeout_s).result()
    except NotReadError:
        return DiskUnknown(f"the Engine was still counting after {timeout_s:g} s")


def _ask(client: DockerClient, timeout_s: float) -> Mapping[str, Any] | DiskUnknown:
    # docker-py's df() asks without `verbose`: from API 1.53 on it gets sums, and nothing is listed.
    url = f"{client.api.base_url}/v{client.api.api_version}/system/df"
    try:
        reply = client.api.get(url, params={"verbose": "1"}, timeout=timeout_s)
        said = reply.json()
    except (requests.RequestException, OSError, ValueError) as error:
        return DiskUnknown(f"the Engine did not say what takes disk: {error}")
    if not reply.ok or not isinstance(said, dict):
        return DiskUnknown(f"the Engine did not say what takes disk: {said}")
    return said


def remove_items(client: DockerClient, items: Iterable[CleanupItem], *, ours: Ours, now: float) -> tuple[Removal, ...]:
    """Remove them one by one, without force and without volumes.

    Hold the locks of our projects: containers are looked at once more, and one that has become its service's own
    meanwhile is kept. `ours` may be fewer projects than the plan was made for.
    """
    try:
        there = client.api.containers(all=True)
    except requests.RequestException as error:
        return tuple(Removal(item, f"the Engine went away: {error}") for item in items)
    still = {item.id for item in plan_cleanup(there, (), (), ours=ours, now=now).items}
    return tuple(
        Removal(item, "it changed meanwhile, or a launch of its project is in progress")
        if item.kind == "container" and item.id not in still
        else Removal(item, _remove(client, item))
        for item in items
    )


def _remove(client: DockerClient, item: CleanupItem) -> str:
    """Why it was kept; empty when it is gone by this."""
    from docker.errors import APIError, NotFound  # noqa: PLC0415  docker is imported where it is used

    try:
        if item.kind == "container":
            client.api.remove_container(item.id, v=False, force=False)
        elif item.kind == "image":
            look = client.images.get(item.id).attrs
            if look.get("RepoTags") or look.get("RepoDigests"):
                return "it has a name now"
            client.api.remove_image(item.id, force=False)
        else:
            _prune_cache(client)
    except NotFound:
        return "it was gone already"
    except APIError as error:
        return str(error.explanation or error)
    except requests.RequestException as error:
        return f"the Engine refused, or did not answer: {error}"
    return ""


def _prune_cache(client: DockerClient) -> None:
    # API 1.48 renamed keep-storage to reserved-space and says that 1.52 drops the old name, the one docker-py knows.
    keep = {"keep-storage": str(CACHE_BUDGET_BYTES), "reserved-space": str(CACHE_BUDGET_BYTES)}
    filters = json.dumps({"until": [f"{UNUSED_S // 3600}h"]})
    url = f"{client.api.base_url}/v{client.api.api_version}/build/prune"
    client.api.post(url, params={**keep, "filters": filters}, timeout=_PRUNE_S).raise_for_status()
