from __future__ import annotations

import pytest

from opskit.release.majors import majors, unreadable

ELASTIC = "docker.elastic.co/elasticsearch/elasticsearch"


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ("docker.n8n.io/n8nio/n8n:1.9.2", "docker.n8n.io/n8nio/n8n:2.41.3", (1, 2)),
        ("qdrant/qdrant:v1.9.0", "qdrant/qdrant:v2.0.0", (1, 2)),
        ("postgres:17-alpine", "postgres:18", (17, 18)),
        ("postgres:18.1", "postgres:18.4", None),
        ("registry:5000/qdrant", "registry:5000/qdrant:v1.2", None),
        ("a:latest", "a:2.0", None),
        ("a:RELEASE.2026-09-16T00-00-00Z", "a:2.0", None),
    ],
)
def test_the_majors_of_two_tags(before: str, after: str, found: tuple[int, int] | None) -> None:
    assert majors(before, after) == found


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("8.19.0", "9.5.4", ""),
        ("9.4.0", "9.5.4", ""),
        ("8.19.0", "10.0.1", "Elasticsearch 10 reads the data of 9, and that of 8 is here"),
        ("9.5.4", "8.19.0", "Elasticsearch 8 does not read what 9 wrote"),
    ],
)
def test_a_major_that_elasticsearch_cannot_read_is_named(before: str, after: str, why: str) -> None:
    assert unreadable("elasticsearch", f"{ELASTIC}:{before}", f"{ELASTIC}:{after}") == why
    assert unreadable("kibana", f"{ELASTIC}:{before}", f"{ELASTIC}:{after}") == ""
