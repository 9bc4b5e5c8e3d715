from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opskit.engine.reference import HUB, Reference, parse_reference

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("text", "registry", "repository", "version"),
    [
        ("nginx", HUB, "library/nginx", "latest"),
        ("nginx:1.30.4-alpine", HUB, "library/nginx", "1.30.4-alpine"),
        ("library/nginx:1", HUB, "library/nginx", "1"),
        ("docker.io/nginx:1", HUB, "library/nginx", "1"),
        ("index.docker.io/library/nginx:1", HUB, "library/nginx", "1"),
        ("qdrant/qdrant:v1.19.0", HUB, "qdrant/qdrant", "v1.19.0"),
        ("pgsty/silo:RELEASE.2026-09-16T00-00-00Z", HUB, "pgsty/silo", "RELEASE.2026-09-16T00-00-00Z"),
        ("nvcr.io/nvidia/k8s/dcgm-exporter:4.5.2", "nvcr.io", "nvidia/k8s/dcgm-exporter", "4.5.2"),
        ("localhost/a", "localhost", "a", "latest"),
        ("localhost:5000/a:1", "localhost:5000", "a", "1"),
        ("box:5000/a/b", "box:5000", "a/b", "latest"),
        ("[::1]:5000/a", "[::1]:5000", "a", "latest"),
        ("Box/a", "Box", "a", "latest"),
        ("library/a__b-c.d", HUB, "library/a__b-c.d", "latest"),
        (f"nginx@{DIGEST}", HUB, "library/nginx", DIGEST),
        (f"nginx:1@{DIGEST}", HUB, "library/nginx", DIGEST),
        ("a:" + "t" * 128, HUB, "library/a", "t" * 128),
    ],
)
def test_a_name_is_read_as_docker_reads_it(text: str, registry: str, repository: str, version: str) -> None:
    assert parse_reference(text) == Reference(registry, repository, version)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Nginx",
        "a/Nginx",
        "nginx:",
        "nginx:-1",
        "a:" + "t" * 129,
        "nginx:1:2",
        "a//b",
        "/a",
        "a/",
        "docker.io/",
        "../../v2/_catalog",
        "https://ghcr.io/a",
        "-box.example/a",
        "box:port/a",
        f"nginx@{DIGEST[:-33]}",
        "a b",
        "nginx\n",
    ],
)
def test_what_the_engine_would_refuse_is_no_name(text: str) -> None:
    assert parse_reference(text) is None


@given(st.text(alphabet="aB1.-_:/@[]", max_size=30))
def test_a_name_in_full_means_what_it_meant(text: str) -> None:
    found = parse_reference(text)
    if found is not None:
        mark = "@" if ":" in found.version else ":"
        assert parse_reference(f"{found.registry}/{found.repository}{mark}{found.version}") == found
