"""An Engine that fails, hangs or refuses: a value with its reason. docker-py is stood in for, the Engine with it."""

from __future__ import annotations

import json
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from docker.errors import APIError, NotFound

from opskit.engine.cleanup import DiskLook, read_disk, remove_items
from opskit.engine.usage import DiskUnknown
from opskit.engine.waste import CACHE_BUDGET_BYTES, CleanupItem

OURS = {"p": frozenset({"api"})}
NOW = 1_800_000_000.0
EMPTY = {"LayersSize": 0, "Images": [], "Containers": [], "Volumes": [], "BuildCache": []}
LABELS = {
    f"com.docker.compose.{key}": value for key, value in {"project": "p", "service": "old", "oneoff": "False"}.items()
}
ORPHAN = {"Id": "o", "Names": ["/p-old-1"], "State": "exited", "Labels": LABELS, "Created": 1}
ITEM = CleanupItem("container", "o", "p-old-1", 0, "old")
IMAGE = CleanupItem("image", "sha256:1", "1", 0, "old")
CACHE = CleanupItem("build cache", "build cache", "oldest", 0, "old")


def answer(body: Any, status: int = 200) -> requests.Response:
    reply = requests.Response()
    reply.status_code = status
    reply._content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return reply


def engine(**api: Any) -> Any:
    parts = {"base_url": "http+docker://x", "api_version": "1.53", "containers": lambda **_: [ORPHAN], **api}
    return SimpleNamespace(api=SimpleNamespace(**parts), images=SimpleNamespace(get=api.get("look")))


def raiser(error: Exception) -> Any:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def refused(status: int, text: str) -> APIError:
    kind = NotFound if status == 404 else APIError
    return kind(text, response=answer({}, status), explanation=text)


def test_everything_is_asked_for_item_by_item_of_the_version_that_was_agreed() -> None:
    asked: list[Any] = []

    def get(url: str, **more: Any) -> requests.Response:
        asked.append((url, more["params"]))
        return answer({**EMPTY, "Containers": [ORPHAN]})

    look = read_disk(engine(get=get), ours=OURS, now=NOW)
    assert asked == [("http+docker://x/v1.53/system/df", {"verbose": "1"})]
    assert isinstance(look, DiskLook)
    assert [item.id for item in look.plan.items] == ["o"]


@pytest.mark.parametrize(
    ("get", "words"),
    [
        (raiser(requests.ConnectionError("no route")), "no route"),
        (lambda *_, **__: answer({"message": "a disk usage operation is already running"}, 500), "already running"),
        (lambda *_, **__: answer(b"<html>", 502), "did not say"),
        (lambda *_, **__: answer([]), "did not say"),
    ],
)
def test_an_engine_that_fails_is_a_reason(get: Any, words: str) -> None:
    look = read_disk(engine(get=get), ours=OURS, now=NOW)
    assert isinstance(look, DiskUnknown)
    assert words in look.reason


def test_an_engine_that_hangs_is_a_reason_in_time() -> None:
    ended = threading.Event()

    def hang(*_: object, **__: object) -> requests.Response:
        ended.wait(20)
        return answer(EMPTY)

    began = time.monotonic()
    look = read_disk(engine(get=hang), ours=OURS, now=NOW, timeout_s=0.05)
    ended.set()
    assert time.monotonic() - began < 5
    assert look == DiskUnknown("the Engine was still counting after 0.05 s")


def test_a_container_goes_without_force_and_without_its_volumes() -> None:
    asked: list[Any] = []
    box = engine(remove_container=lambda identity, **more: asked.append((identity, more)))
    assert [one.kept for one in remove_items(box, [ITEM], ours=OURS, now=NOW)] == [""]
    assert asked == [("o", {"v": False, "force": False})]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (refused(404, "No such container"), "it was gone already"),
        (refused(409, "container is running"), "container is running"),
        (requests.ReadTimeout("60 s"), "did not answer"),
    ],
)
def test_what_the_engine_refuses_is_kept_with_its_reason_and_the_rest_goes_on(error: Exception, words: str) -> None:
    box = engine(
        remove_container=raiser(error), look=lambda _: SimpleNamespace(attrs={}), remove_image=lambda *_, **__: None
    )
    first, second = remove_items(box, [ITEM, IMAGE], ours=OURS, now=NOW)
    assert words in first.kept
    assert not second.kept


@pytest.mark.parametrize("ours", [{}, {"p": frozenset({"old"})}, {"p": None}])
def test_a_container_that_is_no_longer_waste_is_kept(ours: dict[str, frozenset[str] | None]) -> None:
    (done,) = remove_items(engine(remove_container=raiser(AssertionError())), [ITEM], ours=ours, now=NOW)
    assert "changed meanwhile" in done.kept


def test_an_engine_that_went_away_leaves_everything() -> None:
    box = engine(containers=raiser(requests.ConnectionError("gone")))
    assert all("went away" in one.kept for one in remove_items(box, [ITEM, IMAGE], ours=OURS, now=NOW))


def test_an_image_goes_without_force() -> None:
    asked: list[Any] = []
    away = {"remove_image": lambda identity, **more: asked.append((identity, more))}
    box = engine(look=lambda _: SimpleNamespace(attrs={"RepoTags": [], "RepoDigests": None}), **away)
    assert [one.kept for one in remove_items(box, [IMAGE], ours=OURS, now=NOW)] == [""]
    assert asked == [("sha256:1", {"force": False})]


@pytest.mark.parametrize("attrs", [{"RepoTags": ["a:1"]}, {"RepoTags": [], "RepoDigests": ["a@sha256:1"]}])
def test_an_image_that_got_a_name_is_kept(attrs: dict[str, list[str]]) -> None:
    box = engine(look=lambda _: SimpleNamespace(attrs=attrs), remove_image=raiser(AssertionError()))
    (done,) = remove_items(box, [IMAGE], ours=OURS, now=NOW)
    assert done.kept == "it has a name now"


def test_build_cache_keeps_its_budget_under_both_names_and_what_was_used_this_week() -> None:
    asked: list[Any] = []

    def post(url: str, **more: Any) -> requests.Response:
        asked.append((url, more["params"]))
        return answer({"SpaceReclaimed": 1})

    (done,) = remove_items(engine(post=post), [CACHE], ours=OURS, now=NOW)
    ((url, params),) = asked
    assert not done.kept
    assert url == "http+docker://x/v1.53/build/prune"
    assert (params["keep-storage"], params["reserved-space"]) == (str(CACHE_BUDGET_BYTES),) * 2
    assert json.loads(params["filters"]) == {"until": ["168h"]}


def test_a_prune_that_fails_is_kept_with_its_reason() -> None:
    (done,) = remove_items(engine(post=lambda *_, **__: answer({}, 500)), [CACHE], ours=OURS, now=NOW)
    assert "500" in done.kept
