from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from opskit.engine.manifest import (
    Answer,
    Pull,
    goarch,
    parse_challenge,
    parse_layers,
    parse_platforms,
    pull_bytes,
)


def entry(architecture: str, digest: str, os: str = "linux", **more: str) -> dict[str, Any]:
    return {"digest": digest, "platform": {"os": os, "architecture": architecture, **more}}


def pull(layers: Mapping[str, int] | None) -> Pull:
    return Pull("a", "docker.io", Answer.THERE, layers)


@pytest.mark.parametrize(
    ("machine", "name"),
    [("x86_64", "amd64"), ("aarch64", "arm64"), ("arm64", "arm64"), ("AMD64", "amd64"), ("ppc64le", "ppc64le")],
)
def test_a_processor_has_the_name_that_indexes_use(machine: str, name: str) -> None:
    assert goarch(machine) == name


def test_a_challenge_says_where_a_token_is() -> None:
    header = 'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"'
    assert parse_challenge(header) == {
        "realm": "https://auth.docker.io/token",
        "service": "registry.docker.io",
        "scope": "repository:a/b:pull,push",
    }


@pytest.mark.parametrize("header", ["", "Bearer", 'Bearer service="a"', 'Basic realm="https://a"', 'Bearer realm=""'])
def test_another_challenge_gives_no_token(header: str) -> None:
    assert parse_challenge(header) is None


def test_an_index_names_linux_by_processor_and_leaves_attestations_out() -> None:
    index = {
        "manifests": [
            entry("amd64", "d1"),
            entry("arm64", "d2", variant="v8"),
            entry("amd64", "d3", os="windows"),
            entry("unknown", "d4", os="unknown"),
            {"digest": "d5"},
        ]
    }
    assert parse_platforms(index) == {"amd64": "d1", "arm64": "d2"}


def test_of_a_processors_variants_the_first_counts() -> None:
    assert parse_platforms({"manifests": [entry("amd64", "d1"), entry("amd64", "d2", variant="v2")]}) == {"amd64": "d1"}


@pytest.mark.parametrize("said", [None, 1, [], "", {}, {"manifests": None}, {"manifests": [{"platform": {}}]}])
def test_what_is_no_index_names_no_processors(said: Any) -> None:
    assert parse_platforms(said) is None


def test_a_manifest_tells_the_bytes_of_each_layer_once() -> None:
    layer = {"digest": "d1", "size": 3}
    assert parse_layers({"layers": [layer, layer, {"digest": "d2", "size": 0}]}) == {"d1": 3, "d2": 0}


@pytest.mark.parametrize(
    "said",
    [
        None,
        {},
        {"layers": 1},
        {"layers": [{}]},
        {"layers": [{"digest": "d", "size": -1}]},
        {"layers": [{"digest": "d", "size": "3"}]},
        {"layers": [{"digest": "d", "size": True}]},
        {"fsLayers": [{"blobSum": "d"}]},
    ],
)
def test_what_is_no_manifest_has_no_layers(said: Any) -> None:
    assert parse_layers(said) is None


def test_a_layer_that_images_share_is_pulled_once() -> None:
    assert pull_bytes([pull({"base": 100, "a": 1}), pull({"base": 100, "b": 2}), pull(None)]) == 103
