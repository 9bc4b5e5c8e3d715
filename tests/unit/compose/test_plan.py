"""Rules of the plan that tests/engine/test_plan.py compares with Compose itself; here each one by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opskit.compose.model import Stack, parse_stack
from opskit.compose.plan import Container, Deployed, Resource, changes, plan_launch, shared_modes

A = Container("a1", "a", 1, "running", "h", "sha256:x", None, frozenset({"net"}), frozenset({"p_data"}))
HASHES = {"a": "h", "b": "h"}
# What Compose 5.6.1 labelled them with on Engine 20.10.24, from `docker network inspect` and `docker volume inspect`.
NETWORK = Resource("n", "net", "h1_n", "f5da41304013cc8b0302b3dc902b6ff5a799f55f3eb1871ef2decef2bf528630")
VOLUME = Resource("vol", "h1_vol", "h1_vol", "b5bd67b483cd4b366845655eabab47d3e441dfbd099171f04bafa8843928d8f3")


def stack(**services: dict[str, Any]) -> Stack:
    network = {
        "name": "h1_n",
        "ipam": {"config": [{"subnet": "172.29.5.0/24"}]},
        "internal": True,
        "labels": {"z": "1"},
    }
    volume = {"name": "h1_vol", "labels": {"q": "<2>"}}
    return parse_stack({"name": "p", "services": services, "networks": {"n": network}, "volumes": {"vol": volume}})


def plan(model: Stack, *containers: Container, **more: Any) -> list[tuple[str, str]]:
    deployed = Deployed(containers, images={"x:1": "sha256:x"}, **more)
    return [(step.name, step.act) for step in plan_launch(model, deployed, HASHES)]


@pytest.mark.parametrize(
    ("service", "container", "act"),
    [
        ({}, A, "keep"),
        ({}, replace(A, state="restarting"), "keep"),
        ({}, replace(A, state="exited", exit_code=137), "start"),
        ({}, replace(A, state="exited", exit_code=0), "rerun"),
        ({"restart": "always"}, replace(A, state="exited", exit_code=0), "start"),
        ({}, replace(A, config_hash="other"), "recreate"),
        ({}, replace(A, image_id="sha256:older"), "recreate"),
        ({"scale": 0}, A, "remove"),
        ({"networks": {"n": None}}, replace(A, networks=frozenset()), "recreate"),
        ({"networks": {"n": None}}, replace(A, networks=frozenset(), state="exited", exit_code=1), "start"),
    ],
)
def test_what_becomes_of_one_container(service: dict[str, Any], container: Container, act: str) -> None:
    assert plan(stack(a={"image": "x:1", **service}), container, networks=(NETWORK,)) == [("a", act)]


def test_nothing_there_is_made_and_the_image_pulled_first() -> None:
    model = stack(a={"image": "y:1", "networks": {"n": None}, "volumes": [mount("vol")]})
    assert plan(model) == [("y:1", "pull"), ("h1_n", "create"), ("h1_vol", "create"), ("a", "create")]


def test_an_image_that_is_built_is_so_in_the_plan() -> None:
    model = stack(a={"image": "opskit/a:1", "build": {"context": "x"}}, b={"build": {"context": "x"}})
    assert plan(model)[0] == ("opskit/a:1", "build")


def test_of_too_many_replicas_the_outdated_go_first_and_then_the_highest_number() -> None:
    second, third = replace(A, id="a2", number=2), replace(A, id="a3", number=3)
    model = stack(a={"image": "x:1", "scale": 1})
    deployed = Deployed((third, replace(A, config_hash="other"), second), images={"x:1": "sha256:x"})
    acts = {step.container: step.act for step in plan_launch(model, deployed, HASHES)}
    assert acts == {"a1": "remove", "a2": "keep", "a3": "remove"}


def test_networks_and_volumes_are_judged_by_the_hash_compose_labels_them_with() -> None:
    model = stack(a={"image": "x:1", "networks": {"n": None}, "volumes": [mount("vol")]})
    there = replace(A, volumes=frozenset({"h1_vol"}))
    assert plan(model, there, networks=(NETWORK,), volumes=(VOLUME,)) == [("a", "keep")]
    changed = {
        "networks": (replace(NETWORK, config_hash="0"),),
        "volumes": (replace(VOLUME, config_hash="0"),),
    }
    assert plan(model, there, **changed) == [("h1_n", "recreate"), ("h1_vol", "differs"), ("a", "restart")]


def test_who_keeps_compose_from_making_a_network_again_is_named() -> None:
    model = stack(a={"image": "x:1", "networks": {"n": None}})
    outdated = replace(NETWORK, config_hash="0", users=("foreign",))
    left = replace(A, id="b1", service="b")
    steps = plan_launch(model, Deployed((A, left), (outdated,), images={"x:1": "sha256:x"}), HASHES)
    assert "foreign, b is on it, which makes Compose fail" in steps[0].reason


def test_a_dependent_restarts_with_what_it_depends_on_where_the_files_say_so() -> None:
    depends = {"a": {"condition": "service_started", "restart": True}}
    model = stack(b={"image": "x:1", "depends_on": depends}, a={"image": "x:1"})
    b = replace(A, id="b1", service="b")
    assert plan(model, replace(A, config_hash="other"), b) == [("b", "restart"), ("a", "recreate")]


def test_a_service_in_the_namespace_of_another_goes_with_it() -> None:
    model = stack(b={"image": "x:1", "network_mode": "service:a"}, a={"image": "x:1"})
    b = replace(A, id="b1", service="b")
    assert shared_modes(model, Deployed((A, b))) == {"b": {"network_mode": "container:a1"}}
    assert plan(model, A, replace(b, config_hash="other")) == [("b", "recreate"), ("a", "keep")]
    assert plan(model, A, b) == [("b", "keep"), ("a", "keep")]
    assert plan(model, replace(A, config_hash="other"), b) == [("b", "recreate"), ("a", "recreate")]


def test_only_what_stays_as_it_is_is_no_change() -> None:
    deployed = Deployed((A, replace(A, id="o", service="old")), images={"x:1": "sha256:x"})
    steps = plan_launch(stack(a={"image": "x:1"}), deployed, HASHES)
    assert [step.act for step in steps] == ["keep", "orphan"]
    assert not changes(steps)
    assert changes(plan_launch(stack(a={"image": "x:1"}, b={"image": "x:1"}), deployed, HASHES))


def mount(source: str) -> dict[str, str]:
    return {"type": "volume", "source": source, "target": "/data"}


def test_of_two_volumes_of_one_key_the_one_of_the_name_counts() -> None:
    model = stack(a={"image": "x:1", "volumes": [mount("vol")]})
    there = replace(A, volumes=frozenset({"h1_vol"}))
    older = Resource("vol", "h1_before", "h1_before", "0")
    assert plan(model, there, volumes=(VOLUME, older)) == [("a", "keep")]
    assert plan(model, there, volumes=(older, VOLUME)) == [("a", "keep")]


def test_a_service_that_leaves_a_network_while_that_changes_may_make_compose_fail() -> None:
    outdated = replace(NETWORK, config_hash="0")
    model = stack(a={"image": "x:1"}, b={"image": "x:1", "networks": {"n": None}})
    steps = plan_launch(model, Deployed((A,), (outdated,), images={"x:1": "sha256:x"}), HASHES)
    assert "a leaves it meanwhile, which may make Compose fail" in steps[0].reason
