"""What is certainly waste on the Engine, and may go without a person's word; pure.

Of containers only three sorts are waste, all of our own projects and none of them running:

* one-off `run` containers that ended: Compose never starts one again;
* those of a service that no file of the environment names any more, where the files could be read;
* `<id12>_name` of a recreate that was interrupted, while the container `name` itself is there.

Every other one stays, stopped or not: it is the current container of its service, and Compose would run a one-shot that
ended well once more if it were gone. A `<id12>_name` that is alone is the current one too, and may be all that still
holds the anonymous volumes of the container it replaces.

An image is waste a week after it was made, if neither tag nor digest names it and no container is made of it: one that
only a digest names may be what another Compose file pins. Volumes and networks never are waste.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from opskit.engine.model import ONE_OFF_LABEL, PROJECT_LABEL, SERVICE_LABEL
from opskit.engine.usage import SHARE_LIMIT_PERCENT, DiskUse, Entry, size, unique_size

UNUSED_S = 168 * 3600
CACHE_BUDGET_BYTES = 20 * 10**9
MODES = ("auto", "ask", "never")

_SETTLED_S = 3600
"""For this long a container that was made and not started is taken for one that is about to be."""

_ENDED = frozenset({"exited", "dead", "created"})
_INTERRUPTED = re.compile(r"^(?:[0-9a-f]{12}_)+")
_LETTERS = str.maketrans("0123456789", "ghijklmnop")
_NO_NAMES = frozenset({"<none>:<none>", "<none>@<none>"})

Ours = Mapping[str, Collection[str] | None]
"""Our Compose projects, each with the services its files name; None where that is not known."""


@dataclass(frozen=True, slots=True)
class CleanupItem:
    """One thing to remove: a container, an image or build cache; `bytes` is what it frees at most."""

    kind: str
    id: str
    name: str
    bytes: int
    why: str


@dataclass(frozen=True, slots=True)
class CleanupPlan:
    """Everything that would be removed."""

    items: tuple[CleanupItem, ...]

    @property
    def total_bytes(self) -> int:
        """What all of it frees at most."""
        return sum(item.bytes for item in self.items)

    @property
    def digest(self) -> str:
        """Eight letters that stand for exactly these things; digits alone would be read as a number on the way."""
        said = hashlib.sha256("\n".join(sorted(item.id for item in self.items)).encode()).hexdigest()[:8]
        return said.translate(_LETTERS)


def judge_cleanup(mode: str, use: DiskUse, plan: CleanupPlan, confirm: str) -> str:
    """Why nothing may be removed; empty where the plan may be carried out, and nothing but the plan in any mode."""
    if mode == "never":
        return "cleanup is never"
    if not plan.items:
        return "nothing is certainly waste"
    if mode == "auto":
        share = use.all.share
        found = "unknown" if share is None else f"{share:.1%}"
        return "" if use.all.exceeds else f"reclaimable: {found}; auto acts above {SHARE_LIMIT_PERCENT}%"
    return "" if confirm == plan.digest else f"to remove exactly this, confirm it with {plan.digest}"


def plan_cleanup(
    containers: Sequence[Entry],
    images: Iterable[Entry],
    cache: Iterable[Entry],
    *,
    ours: Ours,
    now: float,
) -> CleanupPlan:
    """What is certainly waste, by the rules at the head of this module.

    Args:
        containers: all there are, of everybody: one that is there tells that another was left over.
        images: without those that others are made of, as /system/df and /images/json list them.
        cache: the records of the build cache.
        ours: as above; every other project is another's.
        now: Unix seconds.
    """
    there = {(*_compose(entry), _name(entry)) for entry in containers if entry.get("State") not in {"dead", "removing"}}
    items = [
        CleanupItem("container", entry["Id"], _name(entry), size(entry.get("SizeRw")), why)
        for entry in containers
        if (why := _why(entry, there, ours, now))
    ]
    why = "made more than a week ago, no name, no container"
    items += [
        CleanupItem("image", image["Id"], image["Id"].removeprefix("sha256:")[:12], unique_size(image), why)
        for image in images
        if _is_waste(image, now)
    ]
    return CleanupPlan((*items, *_plan_cache(cache, now)))


def _why(entry: Entry, there: Collection[tuple[str, str, str]], ours: Ours, now: float) -> str:
    project, service = _compose(entry)
    state, name = entry.get("State"), _name(entry)
    fresh = state == "created" and now - entry.get("Created", now) < _SETTLED_S
    if project not in ours or not service or state not in _ENDED or fresh:
        return ""
    if entry["Labels"].get(ONE_OFF_LABEL) == "True":
        return f"a one-off run of {service} that ended"
    services, base = ours[project], _INTERRUPTED.sub("", name)
    if services is not None and service not in services:
        return f"{project} has no service {service} any more"
    if base != name and (project, service, base) in there:
        return f"left by an interrupted recreate of {base}"
    return ""


def _is_waste(image: Entry, now: float) -> bool:
    names = {*(image.get("RepoTags") or ()), *(image.get("RepoDigests") or ())} - _NO_NAMES
    made = image.get("Created") or 0
    return not names and image.get("Containers") == 0 and 0 < made <= now - UNUSED_S


def _plan_cache(cache: Iterable[Entry], now: float) -> tuple[CleanupItem, ...]:
    own = [record for record in cache if not record.get("Shared")]
    idle = [r for r in own if not r.get("InUse") and _last_used(r, now) <= now - UNUSED_S]
    beyond = sum(size(record.get("Size")) for record in own) - CACHE_BUDGET_BYTES
    count = min(beyond, sum(size(record.get("Size")) for record in idle))
    why = f"unused for a week, beyond {CACHE_BUDGET_BYTES // 10**9} GB"
    return (CleanupItem("build cache", "build cache", "the oldest of it", count, why),) if count > 0 else ()


def _last_used(record: Entry, now: float) -> float:
    try:
        return datetime.fromisoformat(record.get("LastUsedAt") or record["CreatedAt"]).timestamp()
    except (KeyError, TypeError, ValueError, OverflowError):
        return now


def _compose(entry: Entry) -> tuple[str, str]:
    labels = entry.get("Labels") or {}
    return labels.get(PROJECT_LABEL) or "", labels.get(SERVICE_LABEL) or ""


def _name(entry: Entry) -> str:
    names = [name.lstrip("/") for name in entry.get("Names") or ()]
    return next((name for name in names if "/" not in name), "?")  # the others are links to it
