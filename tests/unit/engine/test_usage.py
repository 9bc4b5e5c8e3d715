"""Answers of GET /system/df in the shape each API version gives them; all are of the same disk."""

from __future__ import annotations

from typing import Any

import pytest

from opskit.engine.usage import KINDS, DiskUse, KindUse, count_freed, parse_disk_use, parse_entries

MB = 10**6

USED = {"Id": "sha256:a1", "RepoTags": ["postgres:18.6"], "Size": 400 * MB, "SharedSize": 100 * MB, "Containers": 2}
FREE = {"Id": "sha256:b2", "RepoTags": ["old:1"], "Size": 300 * MB, "SharedSize": 100 * MB, "Containers": 0}
NOT_COUNTED = {"Id": "sha256:c3", "RepoTags": ["odd:1"], "Size": 50 * MB, "SharedSize": -1, "Containers": 0}
IMAGES = [USED, FREE, NOT_COUNTED]
CONTAINERS = [
    {"Id": "r", "State": "running", "SizeRw": 5 * MB},
    {"Id": "p", "State": "paused", "SizeRw": 1 * MB},
    {"Id": "l", "State": "restarting", "SizeRw": 1 * MB},
    {"Id": "e", "State": "exited", "SizeRw": 3 * MB},
    {"Id": "z", "State": "created"},
]
VOLUMES = [
    {"Name": "in-use", "UsageData": {"Size": 1000 * MB, "RefCount": 1}},
    {"Name": "free", "UsageData": {"Size": 200 * MB, "RefCount": 0}},
    {"Name": "driver", "UsageData": {"Size": -1, "RefCount": -1}},
    {"Name": "silent", "UsageData": None},
]
CACHE = [
    {"ID": "x", "Size": 40 * MB, "InUse": True, "Shared": False},
    {"ID": "y", "Size": 60 * MB, "InUse": False, "Shared": False},
    {"ID": "w", "Size": 70 * MB, "InUse": False, "Shared": True},
]

LEGACY = {
    "LayersSize": 650 * MB,
    "Images": IMAGES,
    "Containers": CONTAINERS,
    "Volumes": VOLUMES,
    "BuildCache": CACHE,
}
API_1_41 = {**LEGACY, "BuilderSize": 170 * MB}
API_1_44 = LEGACY
OBJECTS: dict[str, dict[str, Any]] = {
    "ImageUsage": {"ActiveCount": 1, "TotalCount": 3, "Reclaimable": 250 * MB, "TotalSize": 650 * MB},
    "ContainerUsage": {"ActiveCount": 3, "TotalCount": 5, "Reclaimable": 3 * MB, "TotalSize": 10 * MB},
    "VolumeUsage": {"ActiveCount": 1, "TotalCount": 4, "Reclaimable": 200 * MB, "TotalSize": 1200 * MB},
    "BuildCacheUsage": {"ActiveCount": 1, "TotalCount": 3, "Reclaimable": 60 * MB, "TotalSize": 100 * MB},
}
LISTS = {"ImageUsage": IMAGES, "ContainerUsage": CONTAINERS, "VolumeUsage": VOLUMES, "BuildCacheUsage": CACHE}
API_1_52 = {**LEGACY, **OBJECTS}
API_1_53 = {key: {**value, "Items": LISTS[key]} for key, value in OBJECTS.items()}
API_1_53_SUMS = OBJECTS
EMPTY_1_53: dict[str, dict[str, Any]] = {key: {} for key in OBJECTS}  # Go leaves zeros and empty lists out

CLI_28 = (350, 3, 200, 60)
ENGINE_29 = (250, 3, 200, 60)


def numbers(use: DiskUse) -> tuple[tuple[int | None, int | None], ...]:
    return tuple((kind.total_bytes, kind.reclaimable_bytes) for kind in use.kinds)


@pytest.mark.parametrize(
    ("df", "cache_total", "reclaimable"),
    [
        (API_1_41, 170, (350, 3, 200, 130)),
        (API_1_44, 100, CLI_28),
        (API_1_52, 100, ENGINE_29),
        (API_1_53, 100, ENGINE_29),
        (API_1_53_SUMS, 100, ENGINE_29),
    ],
    ids=["1.41", "1.44", "1.52", "1.53 verbose", "1.53"],
)
def test_every_shape_says_what_its_docker_system_df_says(
    df: dict[str, Any], cache_total: int, reclaimable: tuple[int, ...]
) -> None:
    totals = (650, 10, 1200, cache_total)
    expected = tuple((total * MB, free * MB) for total, free in zip(totals, reclaimable, strict=True))
    assert numbers(parse_disk_use(df)) == expected
    assert [kind.kind for kind in parse_disk_use(df).kinds] == list(KINDS)


@pytest.mark.parametrize("df", [API_1_41, API_1_44, API_1_52, API_1_53], ids=["1.41", "1.44", "1.52", "1.53 verbose"])
def test_every_shape_lists_the_same_things(df: dict[str, Any]) -> None:
    assert [parse_entries(df, kind) for kind in KINDS] == [tuple(x) for x in (IMAGES, CONTAINERS, VOLUMES, CACHE)]


def test_sums_without_a_list_are_no_empty_list() -> None:
    assert parse_entries(API_1_53_SUMS, "containers") is None


def test_the_spelling_of_the_changelog_is_read_too() -> None:
    df = {"ImagesUsage": {"TotalCount": 1, "TotalSize": 10, "Reclaimable": 4}}
    assert parse_disk_use(df).kinds[0] == KindUse("images", 10, 4)


def test_a_build_cache_whose_total_the_engine_forgot_is_summed() -> None:
    forgot = {**API_1_53, "BuildCacheUsage": {"TotalCount": 3, "Reclaimable": 60 * MB, "Items": CACHE}}
    assert parse_disk_use(forgot).kinds[3] == KindUse("build cache", 100 * MB, 60 * MB)


def test_no_more_is_reclaimable_than_there_is() -> None:
    use = parse_disk_use({"BuildCacheUsage": {"TotalCount": 3, "Reclaimable": 60}})
    assert use.kinds[3] == KindUse("build cache", 60, 60)


@pytest.mark.parametrize(
    "df",
    [
        {"LayersSize": 0, "Images": [], "Containers": [], "Volumes": [], "BuildCache": None, "BuilderSize": 0},
        EMPTY_1_53,
    ],
    ids=["1.41 with a null", "1.53"],
)
def test_an_empty_disk_is_zero_and_not_unknown(df: dict[str, Any]) -> None:
    use = parse_disk_use(df)
    assert numbers(use) == ((0, 0),) * 4
    assert (use.all.share, use.all.exceeds) == (0.0, False)
    assert [parse_entries(df, kind) for kind in KINDS] == [()] * 4


def test_what_the_engine_does_not_say_is_unknown_and_so_is_the_whole() -> None:
    use = parse_disk_use({key: value for key, value in LEGACY.items() if key != "Volumes"})
    assert use.kinds[2] == KindUse("volumes", None, None)
    assert (use.kinds[2].share, use.all.share, use.all.exceeds) == (None, None, None)


def test_thirty_percent_is_not_above_thirty_percent() -> None:
    assert KindUse("all", 10**16, 3 * 10**15).exceeds is False
    assert KindUse("all", 10**16, 3 * 10**15 + 1).exceeds is True


def test_the_whole_is_the_sum_of_the_kinds() -> None:
    whole = parse_disk_use(API_1_44).all
    assert (whole.total_bytes, whole.reclaimable_bytes) == (1960 * MB, 613 * MB)
    assert whole.exceeds is True


def test_what_was_freed_is_never_less_than_nothing_and_unknown_where_a_look_failed() -> None:
    full, less = DiskUse((KindUse("images", 100, 50),)), DiskUse((KindUse("images", 60, 10),))
    assert (count_freed(full, less), count_freed(less, full), count_freed(full, None)) == (40, 0, None)
    assert count_freed(DiskUse((KindUse("images", None, None),)), less) is None
