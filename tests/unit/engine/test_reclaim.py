"""What is certainly waste: ours, over, and needed by nothing. One boundary and one short of it each."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opskit.engine.usage import DiskUse, KindUse
from opskit.engine.waste import CACHE_BUDGET_BYTES, CleanupPlan, judge_cleanup, plan_cleanup

NOW = 1_800_000_000.0
WEEK_AGO = int(NOW) - 168 * 3600
OURS = {"multimodal-dev": frozenset({"api", "init"}), "multimodal-odd": None}
FULL = DiskUse((KindUse("images", 100, 31),))


def box(name: str, state: str = "exited", **more: Any) -> dict[str, Any]:
    said = {"project": "multimodal-dev", "service": "api", "oneoff": "False", **more}
    labels = {f"com.docker.compose.{key}": said[key] for key in ("project", "service", "oneoff")}
    size, made = more.get("size", 7), more.get("made", WEEK_AGO)
    return {
        "Id": f"id-{name}",
        "Names": [f"/{name}"],
        "State": state,
        "Labels": labels,
        "SizeRw": size,
        "Created": made,
    }


def image(made: int = WEEK_AGO, **more: Any) -> dict[str, Any]:
    return {
        "Id": "sha256:" + "d" * 64,
        "RepoTags": [],
        "RepoDigests": [],
        "Size": 90,
        "SharedSize": 20,
        "Containers": 0,
        "Created": made,
        **more,
    }


def record(size: int, last_used: str | None = "2020-01-01T00:00:00.123456789Z", **more: Any) -> dict[str, Any]:
    return {"ID": "c", "Size": size, "InUse": False, "Shared": False, "LastUsedAt": last_used, **more}


def plan(*containers: Any, images: Any = (), cache: Any = (), now: float = NOW) -> CleanupPlan:
    return plan_cleanup(containers, images, cache, ours=OURS, now=now)


def named(made: CleanupPlan) -> dict[str, str]:
    return {item.name: item.why for item in made.items}


def test_a_container_whose_service_is_gone_from_the_files_goes() -> None:
    made = plan(box("dev-old-1", service="old"))
    assert named(made) == {"dev-old-1": "multimodal-dev has no service old any more"}
    assert (made.items[0].id, made.items[0].kind, made.total_bytes) == ("id-dev-old-1", "container", 7)


@pytest.mark.parametrize("service", ["api", "init"])
def test_the_current_container_of_a_service_stays_however_it_ended(service: str) -> None:
    assert not plan(box("dev-1", service=service)).items


def test_without_the_files_no_service_is_called_gone() -> None:
    assert not plan(box("odd-1", project="multimodal-odd", service="who-knows")).items


def test_an_ended_one_off_goes_even_of_a_service_that_is_there() -> None:
    made = plan(box("dev-api-run-1", oneoff="True"), box("odd-run", project="multimodal-odd", oneoff="True"))
    assert set(named(made)) == {"dev-api-run-1", "odd-run"}


@pytest.mark.parametrize("state", ["running", "paused", "restarting", "removing", "never heard of"])
def test_only_what_has_ended_goes(state: str) -> None:
    assert not plan(box("dev-old-1", state, service="old"), box("dev-run", state, oneoff="True")).items


@pytest.mark.parametrize("state", ["exited", "dead", "created"])
def test_what_has_ended_goes(state: str) -> None:
    assert plan(box("dev-old-1", state, service="old")).items


def test_one_that_was_just_made_may_be_about_to_start() -> None:
    fresh, settled = (
        box("a", "created", service="old", made=NOW - 3599),
        box("b", "created", service="old", made=NOW - 3600),
    )
    assert set(named(plan(fresh, settled))) == {"b"}


LEFT = "0123456789ab_dev-api-1"


@pytest.mark.parametrize("name", [LEFT, f"ba9876543210_{LEFT}"])
@pytest.mark.parametrize("state", ["running", "exited"])
def test_what_an_interrupted_recreate_left_goes_while_the_container_is_there(name: str, state: str) -> None:
    made = plan(box(name, "created"), box("dev-api-1", state))
    assert named(made) == {name: "left by an interrupted recreate of dev-api-1"}


@pytest.mark.parametrize(
    "others",
    [
        (),
        (box("dev-api-1", "dead"),),
        (box("dev-api-1", "removing"),),
        (box("dev-api-1", project="theirs"),),
        (box("dev-api-1", service="init"),),
        (box("dev-api-2"),),
    ],
)
def test_a_left_one_stays_when_it_is_the_last_of_its_service(others: tuple[dict[str, Any], ...]) -> None:
    assert LEFT not in named(plan(box(LEFT, "created"), *others))


def test_a_name_that_only_begins_alike_is_no_left_one() -> None:
    assert not plan(box("0123456789ag_dev-api-1"), box("dev-api-1")).items


@pytest.mark.parametrize("project", ["theirs", "", "multimodal-dev2"])
def test_the_containers_of_others_stay(project: str) -> None:
    assert not plan(box("x", project=project, service="old"), box("y", project=project, oneoff="True")).items


def test_a_container_without_labels_stays() -> None:
    assert not plan({"Id": "x", "Names": ["/x"], "State": "exited", "Labels": None, "Created": 1}).items


def test_a_container_of_ours_that_names_no_service_stays() -> None:
    assert not plan(box("x", service=""), box("y", service="", oneoff="True")).items


def test_a_name_is_not_a_link() -> None:
    linked = {**box("x", service="old"), "Names": ["/web/db", "/dev-old-1"]}
    assert set(named(plan(linked))) == {"dev-old-1"}


def test_a_nameless_image_goes_after_a_week_with_what_it_shares_with_none() -> None:
    made = plan(images=[image()])
    assert [(item.kind, item.bytes) for item in made.items] == [("image", 70)]
    assert not plan(images=[image(WEEK_AGO + 1)]).items


@pytest.mark.parametrize(
    "more",
    [
        {"RepoTags": ["a:1"]},
        {"RepoDigests": ["a@sha256:1"]},
        {"RepoTags": ["<none>:<none>"], "RepoDigests": ["a@sha256:1"]},
        {"Containers": 1},
        {"Containers": -1},
        {"Created": 0},
        {"Created": None},
    ],
)
def test_an_image_with_a_name_a_use_or_no_age_stays(more: dict[str, Any]) -> None:
    assert not plan(images=[image(**more)]).items


def test_the_words_of_an_older_engine_for_no_name_are_no_name() -> None:
    assert plan(images=[image(RepoTags=["<none>:<none>"], RepoDigests=["<none>@<none>"])]).items
    assert plan(images=[image(RepoTags=None, RepoDigests=None)]).items


def test_build_cache_goes_only_beyond_its_budget() -> None:
    assert not plan(cache=[record(CACHE_BUDGET_BYTES)]).items
    assert [(i.kind, i.bytes) for i in plan(cache=[record(CACHE_BUDGET_BYTES), record(1)]).items] == [
        ("build cache", 1)
    ]


@pytest.mark.parametrize(
    "more",
    [
        {"InUse": True},
        {"Shared": True},
        {"LastUsedAt": "2027-01-15T07:59:59Z"},
        {"LastUsedAt": None},
        {"LastUsedAt": "soon"},
        {"LastUsedAt": None, "CreatedAt": "2027-01-15T07:59:59Z"},
    ],
)
def test_build_cache_that_is_used_shared_or_young_stays(more: dict[str, Any]) -> None:
    assert not plan(cache=[record(2 * CACHE_BUDGET_BYTES, **more)]).items


def test_build_cache_frees_no_more_than_what_is_idle() -> None:
    cache = [record(2 * CACHE_BUDGET_BYTES, InUse=True), record(5, None, CreatedAt="2020-01-01T00:00:00Z")]
    assert plan(cache=cache).total_bytes == 5


def test_the_digest_is_of_what_goes_and_not_of_its_size() -> None:
    one, two = box("a", service="old"), box("b", service="old")
    assert plan(one, two).digest == plan({**two, "SizeRw": 9}, one).digest
    assert plan(one).digest != plan(two).digest
    assert len(plan(one).digest) == 8
    assert plan(one).digest.isalpha()


WASTE = plan(box("a", service="old"))


@pytest.mark.parametrize(
    ("use", "acts"),
    [((100, 30), False), ((1000, 301), True), ((0, 0), False), ((None, None), False)],
)
def test_auto_acts_above_thirty_percent_only(use: tuple[int | None, int | None], acts: bool) -> None:
    said = judge_cleanup("auto", DiskUse((KindUse("images", *use),)), WASTE, "")
    assert (said == "") is acts
    assert acts or "auto acts above 30%" in said


def test_ask_acts_on_the_digest_of_the_plan_alone_and_says_it() -> None:
    assert judge_cleanup("ask", DiskUse((KindUse("images", 100, 0),)), WASTE, WASTE.digest) == ""
    for confirm in ("", "yes", "00000000"):
        assert WASTE.digest in judge_cleanup("ask", FULL, WASTE, confirm)


def test_never_is_never() -> None:
    assert judge_cleanup("never", FULL, WASTE, WASTE.digest)


@pytest.mark.parametrize("mode", ["auto", "ask"])
def test_nothing_to_remove_is_said(mode: str) -> None:
    assert judge_cleanup(mode, FULL, CleanupPlan(()), CleanupPlan(()).digest) == "nothing is certainly waste"


NAMES = ["dev-api-1", LEFT, f"ba9876543210_{LEFT}", "dev-old-1", "dev-api-run-1", "other"]
STATES = ["running", "paused", "restarting", "removing", "exited", "dead", "created", "?"]
TIMES = st.one_of(st.none(), st.integers(-1, 2**40))
BOXES = st.builds(
    box,
    st.sampled_from(NAMES),
    st.sampled_from(STATES),
    project=st.sampled_from(["multimodal-dev", "multimodal-odd", "multimodal-de", "theirs", ""]),
    service=st.sampled_from(["api", "init", "old", ""]),
    oneoff=st.sampled_from(["True", "False", "", "true"]),
    made=st.integers(0, 2**40),
    size=st.one_of(st.none(), st.integers(-1, 2**50)),
)
TEXTS = st.lists(st.sampled_from(["<none>:<none>", "<none>@<none>", "a:1", "a@sha256:1"]), max_size=2)
IMAGES = st.builds(
    image,
    TIMES,
    RepoTags=TEXTS,
    RepoDigests=TEXTS,
    Containers=st.integers(-1, 2),
    Size=st.one_of(st.none(), st.integers(-1, 2**50)),
)
CACHE = st.builds(
    record, st.integers(-1, 2**40), st.one_of(st.none(), st.text(), st.datetimes().map(str)), Shared=st.booleans()
)


@given(st.lists(BOXES, max_size=8), st.lists(IMAGES, max_size=4), st.lists(CACHE, max_size=4), st.floats(0, 2**41))
def test_whatever_is_there_nothing_of_others_nothing_that_runs_and_no_volume_goes(
    boxes: list[dict[str, Any]], images: list[dict[str, Any]], cache: list[dict[str, Any]], now: float
) -> None:
    boxes = [{**one, "Id": str(number)} for number, one in enumerate(boxes)]
    made = plan_cleanup(boxes, images, cache, ours=OURS, now=now)
    by_id = {one["Id"]: one for one in boxes}
    assert {item.kind for item in made.items} <= {"container", "image", "build cache"}
    assert all(item.bytes >= 0 and item.why for item in made.items)
    gone = [by_id[item.id] for item in made.items if item.kind == "container"]
    assert all(one["State"] in {"exited", "dead", "created"} for one in gone)
    assert all(one["Labels"]["com.docker.compose.project"] in OURS for one in gone)
    kept = [one for one in boxes if one not in gone]
    for one in gone:
        labels = one["Labels"]
        current = labels["com.docker.compose.oneoff"] != "True" and labels["com.docker.compose.service"] in {
            "api",
            "init",
        }
        if current:
            same = [
                k for k in kept if k["Labels"]["com.docker.compose.service"] == labels["com.docker.compose.service"]
            ]
            assert same, "a service of the files keeps a container"
