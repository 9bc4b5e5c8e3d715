from __future__ import annotations

from typing import Any

import pytest

from opskit.compose.model import UNNAMED_IMAGE, Stack, parse_stack
from opskit.engine.manifest import Answer, Pull
from opskit.preflight.checks_image import (
    check_image_present,
    check_image_reachable,
    check_image_size,
    missing_images,
)
from opskit.preflight.finding import Finding, Verdict
from tests.facts import engine

DIGEST = "sha256:" + "0" * 64


def judged(image: str | None, images: set[str], *, offline: bool = False, **more: Any) -> Finding:
    service = {**({"image": image} if image else {}), **more}
    (finding,) = check_image_present(parse_stack({"name": "p", "services": {"a": service}}), images, offline=offline)
    return finding


@pytest.mark.parametrize(
    ("image", "listed"),
    [
        ("nginx:1.30.4-alpine", "nginx:1.30.4-alpine"),
        ("nginx", "nginx:latest"),
        ("docker.io/library/nginx:1", "nginx:1"),
        ("docker.io/qdrant/qdrant:v1", "qdrant/qdrant:v1"),
        ("docker.n8n.io/n8nio/n8n:2", "docker.n8n.io/n8nio/n8n:2"),
        ("localhost:5000/a", "localhost:5000/a:latest"),
        (f"nginx@{DIGEST}", f"nginx@{DIGEST}"),
        (f"nginx:1@{DIGEST}", f"nginx@{DIGEST}"),
    ],
)
def test_an_image_that_is_there_passes_however_it_is_named(image: str, listed: str) -> None:
    assert judged(image, {listed}).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("image", "listed"),
    [("No name", "nor this one"), ("nginx:1", "nginx:2"), ("nginx", "nginx:1"), (f"nginx:1@{DIGEST}", "nginx:1"), ("localhost:5000/a", "a:latest"), ("a:1", "b/a:1")],
)  # fmt: skip
def test_another_image_is_another(image: str, listed: str) -> None:
    finding = judged(image, {listed})
    assert finding.found == f"{image} is not here; the launch pulls it"


def test_a_missing_image_fails_where_nothing_can_be_pulled() -> None:
    assert judged("nginx:1", set(), offline=True).verdict is Verdict.FAIL
    assert judged("nginx:1", {"nginx:1"}, offline=True).verdict is Verdict.PASS


def test_a_missing_image_fails_where_pulling_is_forbidden() -> None:
    assert judged("nginx:1", set(), pull_policy="never").verdict is Verdict.FAIL
    assert judged("nginx:1", set(), pull_policy="always").verdict is Verdict.PASS


def test_what_compose_builds_is_not_missed() -> None:
    assert judged(None, set(), build={"context": "."}).verdict is Verdict.PASS


def stack_of(**services: dict[str, Any]) -> Stack:
    return parse_stack({"name": "p", "services": services})


def test_what_a_launch_would_pull_is_named_once() -> None:
    stack = stack_of(a={"image": "nginx:1"}, b={"image": "nginx:1"}, c={"image": "redis:8"}, d={"image": "here:1"})
    assert missing_images(stack, {"docker.io/library/here:1"}) == ("nginx:1", "redis:8")


@pytest.mark.parametrize(
    "service",
    [{"build": "."}, {"image": "a:1", "build": "."}, {"image": "a:1", "pull_policy": "never"}, {"image": UNNAMED_IMAGE}],
)  # fmt: skip
def test_what_no_launch_pulls_is_not_missing(service: dict[str, Any]) -> None:
    assert missing_images(stack_of(a=service), set()) == ()


def pull(answer: Answer, reference: str = "nginx:1", *, mb: int | None = None, reason: str = "why") -> Pull:
    layers = None if mb is None else {f"sha256:{reference}": mb * 10**6}
    return Pull(reference, "docker.io", answer, layers, reason="" if layers else reason)


@pytest.mark.parametrize(
    ("answer", "verdict", "stops"),
    [
        (Answer.THERE, Verdict.PASS, False),
        (Answer.ABSENT, Verdict.FAIL, True),
        (Answer.LOGIN, Verdict.WARN, False),
        (Answer.LIMITED, Verdict.WARN, False),
        (Answer.UNKNOWN, Verdict.SKIP, False),
        (Answer.UNREACHABLE, Verdict.FAIL, True),
    ],
)
def test_only_what_certainly_cannot_be_pulled_stops(answer: Answer, verdict: Verdict, stops: bool) -> None:
    (finding,) = check_image_reachable([pull(answer)], engine())
    assert (finding.verdict, finding.stops) == (verdict, stops)
    assert "why" in finding.found
    assert ("`" in finding.remedy) == (verdict is not Verdict.PASS)


def test_an_image_that_is_there_says_what_it_costs() -> None:
    (finding,) = check_image_reachable([pull(Answer.THERE, mb=72)], engine())
    assert finding.found == "docker.io: 72.0 MB to pull"


def test_a_registry_that_does_not_answer_is_one_finding() -> None:
    lost = [pull(Answer.UNREACHABLE, f"a:{n}", reason="no such host") for n in range(4)]
    (finding,) = check_image_reachable(lost, engine())
    assert finding.subject == "docker.io"
    assert finding.found == "no such host; wanted for 4 that are not here: a:0, a:1, a:2, …"


def test_each_absent_image_is_a_finding_of_its_own() -> None:
    findings = check_image_reachable([pull(Answer.ABSENT, "a:1"), pull(Answer.ABSENT, "a:2")], engine())
    assert [finding.subject for finding in findings] == ["a:1", "a:2"]


@pytest.mark.parametrize(
    ("free_bytes", "verdict"),
    [
        (3_500_000_000, Verdict.PASS),
        (3_499_999_999, Verdict.WARN),
        (2_500_000_000, Verdict.WARN),
        (2_499_999_999, Verdict.FAIL),
        (0, Verdict.FAIL),
        (None, Verdict.SKIP),
    ],
)
def test_what_is_pulled_needs_room_unpacked_and_better_beside_itself(free_bytes: int | None, verdict: Verdict) -> None:
    (finding,) = check_image_size([pull(Answer.THERE, mb=1000)], free_bytes)
    assert finding.verdict is verdict
    assert finding.found.startswith("1.0 GB to pull, about 2.5 GB unpacked")
    assert ("docker system df" in finding.remedy) == (verdict is not Verdict.PASS)


def test_an_unknown_size_hides_no_lack_and_vouches_for_no_room() -> None:
    pulls = [pull(Answer.THERE, mb=1000), pull(Answer.UNKNOWN, "b:1")]
    (short,) = check_image_size(pulls, 10**9)
    assert short.verdict is Verdict.FAIL
    (room,) = check_image_size(pulls, 10**12)
    assert room.verdict is Verdict.SKIP
    assert not room.stops
    assert "b:1" in room.remedy


def test_nothing_to_pull_needs_no_room() -> None:
    (finding,) = check_image_size([], 0)
    assert finding.verdict is Verdict.PASS


def test_an_engine_with_a_proxy_or_mirrors_may_reach_what_this_process_does_not() -> None:
    away = Pull("nginx:1", "docker.io", Answer.UNREACHABLE, reason="no such host")
    assert [f.verdict for f in check_image_reachable([away], engine())] == [Verdict.FAIL]
    assert [f.verdict for f in check_image_reachable([away], engine(relayed=True))] == [Verdict.WARN]
    assert [f.verdict for f in check_image_reachable([away], engine(host="tcp://h:2375"))] == [Verdict.WARN]
