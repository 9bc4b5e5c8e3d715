from __future__ import annotations

from typing import Any

import pytest

from opskit.compose.model import UNNAMED_IMAGE, Stack, parse_stack
from opskit.engine.model import Pull, PullAnswer
from opskit.preflight.checks.image import (
    check_image_present,
    check_image_reachable,
    missing_images,
)
from opskit.preflight.finding import Finding, Verdict

DIGEST = "sha256:" + "0" * 64


def judged(image: str | None, images: set[str], *, offline: bool = False, **more: Any) -> Finding:
    service = {**({"image": image} if image else {}), **more}
    (finding,) = check_image_present(parse_stack({"name": "p", "services": {"a": service}}), images, offline=offline)
    return finding


def test_an_image_that_is_there_passes() -> None:
    assert judged("nginx:1", {"nginx:1"}).verdict is Verdict.PASS


def test_another_image_is_another() -> None:
    assert judged("nginx:1", {"nginx:2"}).found == "nginx:1 is not here; the launch pulls it"


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
    assert missing_images(stack, {"here:1"}) == ("nginx:1", "redis:8")


@pytest.mark.parametrize(
    "service",
    [{"build": "."}, {"image": "a:1", "build": "."}, {"image": "a:1", "pull_policy": "never"}, {"image": UNNAMED_IMAGE}],
)  # fmt: skip
def test_what_no_launch_pulls_is_not_missing(service: dict[str, Any]) -> None:
    assert missing_images(stack_of(a=service), set()) == ()


def pull(answer: PullAnswer, reference: str = "nginx:1", reason: str = "why") -> Pull:
    return Pull(reference, answer, "" if answer is PullAnswer.THERE else reason)


@pytest.mark.parametrize(
    ("answer", "verdict", "stops"),
    [
        (PullAnswer.THERE, Verdict.PASS, False),
        (PullAnswer.ABSENT, Verdict.FAIL, True),
        (PullAnswer.LOGIN, Verdict.WARN, False),
        (PullAnswer.LIMITED, Verdict.WARN, False),
        (PullAnswer.UNKNOWN, Verdict.SKIP, False),
        (PullAnswer.UNREACHABLE, Verdict.FAIL, True),
    ],
)
def test_only_what_certainly_cannot_be_pulled_stops(answer: PullAnswer, verdict: Verdict, *, stops: bool) -> None:
    (finding,) = check_image_reachable([pull(answer)])
    assert (finding.verdict, finding.stops) == (verdict, stops)
    assert ("why" in finding.found) == (answer is not PullAnswer.THERE)
    assert ("`" in finding.remedy) == (verdict is not Verdict.PASS)


def test_one_reason_that_several_share_is_one_finding() -> None:
    lost = [pull(PullAnswer.UNREACHABLE, f"a:{n}", reason="no such host") for n in range(4)]
    (finding,) = check_image_reachable(lost)
    assert (finding.subject, finding.found) == ("a:0, a:1, a:2, a:3", "no such host")


def test_each_image_that_is_there_is_a_finding_of_its_own() -> None:
    findings = check_image_reachable([pull(PullAnswer.THERE, "a:1"), pull(PullAnswer.THERE, "a:2")])
    assert [finding.subject for finding in findings] == ["a:1", "a:2"]


BUILT: dict[str, Any] = {"build": {"context": "x", "args": {"BASE_IMAGE": "python:3"}}}


def test_an_image_that_the_launch_builds_needs_its_base_alone() -> None:
    assert judged("opskit/a:1", set(), **BUILT).found == "opskit/a:1 is not here; the launch builds it"
    assert judged("opskit/a:1", {"python:3"}, offline=True, **BUILT).verdict is Verdict.PASS
    finding = judged("opskit/a:1", set(), offline=True, **BUILT)
    assert (finding.verdict, "python:3, which it is built on" in finding.found) == (Verdict.FAIL, True)
    assert "`docker load` python:3" in finding.remedy
    stack = parse_stack({"name": "p", "services": {"a": {"image": "opskit/a:1", **BUILT}}})
    assert missing_images(stack, set()) == ("python:3",)
    assert missing_images(stack, {"opskit/a:1"}) == missing_images(stack, {"python:3"}) == ()
