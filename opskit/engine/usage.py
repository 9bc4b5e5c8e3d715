"""What takes disk on the Engine: the answer of GET /system/df in every shape it has had; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

SHARE_LIMIT_PERCENT = 30

KINDS: Mapping[str, tuple[str, str, str]] = {
    "images": ("ImageUsage", "ImagesUsage", "Images"),
    "containers": ("ContainerUsage", "ContainersUsage", "Containers"),
    "volumes": ("VolumeUsage", "VolumesUsage", "Volumes"),
    "build cache": ("BuildCacheUsage", "BuildCachesUsage", "BuildCache"),
}
"""By kind: the object of API 1.52 and later, as the code and as its changelog spells it, and the list up to 1.52."""

_ACTIVE = frozenset({"running", "paused", "restarting"})

Entry = Mapping[str, Any]
"""A container, an image, a volume or a record of the build cache as the API lists it."""


@dataclass(frozen=True, slots=True)
class KindUse:
    """What one kind takes, and what of it can be reclaimed at most; None means that the Engine did not say."""

    kind: str
    total_bytes: int | None
    reclaimable_bytes: int | None

    @property
    def share(self) -> float | None:
        """The reclaimable part of the total, 0 to 1; None where either is unknown."""
        if self.total_bytes is None or self.reclaimable_bytes is None:
            return None
        return self.reclaimable_bytes / self.total_bytes if self.total_bytes else 0.0

    @property
    def exceeds(self) -> bool | None:
        """Whether more than 30 % can be reclaimed; None where that is unknown."""
        if self.total_bytes is None or self.reclaimable_bytes is None:
            return None
        return self.reclaimable_bytes * 100 > self.total_bytes * SHARE_LIMIT_PERCENT


@dataclass(frozen=True, slots=True)
class DiskUse:
    """What each kind takes, in the order of `docker system df`."""

    kinds: tuple[KindUse, ...]

    @property
    def all(self) -> KindUse:
        """All kinds together; unknown where one of them is."""
        return KindUse(
            "all",
            _sum(kind.total_bytes for kind in self.kinds),
            _sum(kind.reclaimable_bytes for kind in self.kinds),
        )


@dataclass(frozen=True, slots=True)
class DiskUnknown:
    """Why the Engine could not be asked what takes disk."""

    reason: str


def parse_entries(df: Mapping[str, Any], kind: str) -> tuple[Entry, ...] | None:
    """The things of that kind, one by one; None where the Engine did not list them."""
    said, key = _object(df, kind), KINDS[kind][2]
    if said is not None and said.get("Items") is not None:
        return tuple(said["Items"])
    if key in df:
        return tuple(df[key] or ())
    return () if said is not None and not said.get("TotalCount") else None


def parse_disk_use(df: Mapping[str, Any]) -> DiskUse:
    """Read the answer of any API version.

    Source:
        moby `daemon/server/router/system/system_routes.go`, docker/cli `cli/command/formatter/disk_usage.go`. Up to API
        1.51 the caller sums; the sums here are those of `docker system df` up to 28.
    """
    return DiskUse(tuple(_parse_kind(df, kind) for kind in KINDS))


def count_freed(before: DiskUse, after: DiskUse | None) -> int | None:
    """Bytes that are free now and were not; none where others took more meanwhile, None where it is unknown."""
    was, now = before.all.total_bytes, after.all.total_bytes if after is not None else None
    return None if was is None or now is None else max(0, was - now)


def size(count: int | None) -> int:
    """A size of the API; -1, where the Engine did not count, is nothing, as in `docker system df`."""
    return max(count or 0, 0)


def unique_size(image: Entry) -> int:
    """What an image shares with no other."""
    return max(0, size(image.get("Size")) - size(image.get("SharedSize")))


def _parse_kind(df: Mapping[str, Any], kind: str) -> KindUse:
    said, entries = _object(df, kind), parse_entries(df, kind)
    if said is not None and not (kind == "build cache" and entries):  # Engine 29 says of it what is free, and no total
        total, free = size(said.get("TotalSize")), size(said.get("Reclaimable"))
        return KindUse(kind, max(total, free), free)
    if entries is None:
        return KindUse(kind, None, None)
    total, used = _SUMS[kind](df, entries)
    return KindUse(kind, total, max(0, total - used))


def _sum_images(df: Mapping[str, Any], images: Iterable[Entry]) -> tuple[int, int]:
    return size(df.get("LayersSize")), sum(unique_size(image) for image in images if image.get("Containers"))


def _sum_containers(_: Mapping[str, Any], containers: Iterable[Entry]) -> tuple[int, int]:
    sizes = [(size(entry.get("SizeRw")), entry.get("State") in _ACTIVE) for entry in containers]
    return sum(count for count, _ in sizes), sum(count for count, active in sizes if active)


def _sum_volumes(_: Mapping[str, Any], volumes: Iterable[Entry]) -> tuple[int, int]:
    data = [volume.get("UsageData") or {} for volume in volumes]
    return sum(size(one.get("Size")) for one in data), sum(size(one.get("Size")) for one in data if one.get("RefCount"))


def _sum_cache(df: Mapping[str, Any], records: Iterable[Entry]) -> tuple[int, int]:
    own = [(size(record.get("Size")), record.get("InUse")) for record in records if not record.get("Shared")]
    total = max(sum(count for count, _ in own), size(df.get("BuilderSize")))  # BuilderSize: up to 1.41
    return total, sum(count for count, used in own if used)


_SUMS: Mapping[str, Callable[[Mapping[str, Any], Iterable[Entry]], tuple[int, int]]] = {
    "images": _sum_images,
    "containers": _sum_containers,
    "volumes": _sum_volumes,
    "build cache": _sum_cache,
}
"""By kind: all bytes, and those in use."""


def _object(df: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    return next((df[key] for key in KINDS[kind][:2] if df.get(key) is not None), None)


def _sum(counts: Iterable[int | None]) -> int | None:
    known = list(counts)
    return None if None in known else sum(filter(None, known))
