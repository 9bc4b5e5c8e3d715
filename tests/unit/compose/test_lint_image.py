from __future__ import annotations

from typing import Any

import pytest

from tests.judged import breaks, faults, sound


@pytest.mark.parametrize(
    ("image", "test", "lacks"),
    [
        ("nginx:1.30.4", ["CMD", "curl", "x"], False),
        ("nginx:1.30.4-slim", ["CMD", "curl", "x"], True),
        ("nginx:1.30.4", ["CMD", "wget", "x"], True),
        ("nginx:1.30.4-alpine", ["CMD", "wget", "x"], False),
        ("docker.io/library/nginx:1.30.4", ["CMD", "wget", "x"], True),
        ("registry.example/nginx:1.30.4", ["CMD", "wget", "x"], False),
        ("qdrant/qdrant:v1.19.0@sha256:0", ["CMD-SHELL", "curl -f x || exit 1"], True),
        ("qdrant/qdrant:v1.19.0", ["CMD", "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/6333; head -n1 <&3"], False),
        ("qdrant/qdrant:v1.19.0", ["CMD", "/bin/bash", "-c", "true && /usr/bin/wget x"], True),
        ("ghcr.io/berriai/litellm:v1.104.2", ["CMD-SHELL", "python3 -c \"import curl; 'wget x'\""], False),
        ("ghcr.io/berriai/litellm:v1.104.2", ["CMD-SHELL", "if ! curl x; then exit 1; fi"], True),
        ("ghcr.io/berriai/litellm:v1.104.2", ["CMD-SHELL", "x=$$(true)\ncurl x"], True),
        ("docker.n8n.io/n8nio/n8n:2.41.3", ["CMD", "curl", "x"], True),
        ("docker.n8n.io/n8nio/n8n:2.41.3", ["CMD", "wget", "x"], False),
        ("minio/minio:latest", ["CMD", "curl", "x"], True),
        ("minio/minio:latest", ["CMD", "mc", "ready", "local"], False),
        ("redis:8", ["CMD-SHELL", 'REDISCLI_AUTH="$$P" redis-cli ping | grep -q PONG'], False),
        ("redis:8", ["CMD-SHELL", "grep -q curl <wget"], False),
        ("oliver006/redis_exporter:v1", ["CMD-SHELL", "true"], True),
        ("oliver006/redis_exporter:v1-alpine", ["CMD", "wget", "x"], False),
        ("grafana/grafana:13-distroless", ["CMD", "curl", "x"], True),
        ("redis:8", ["CMD-SHELL", "redis-cli 'ping"], False),
        ("redis:8", ["NONE"], False),
    ],
)
def test_a_probe_uses_what_the_image_has(image: str, test: list[str], lacks: bool) -> None:
    assert breaks("probe-tool-missing", image=image, healthcheck={"test": test}) is lacks


def test_a_missing_tool_is_named_with_those_that_are_there() -> None:
    (fault,) = faults({"web": sound(image="qdrant/qdrant:v1.19.0")})
    assert fault.message == "found curl, which qdrant/qdrant:v1.19.0 lacks; wanted bash, sh"


OLD, NEW = "/var/lib/postgresql/data", "/var/lib/postgresql"


@pytest.mark.parametrize(
    ("image", "target", "broken"),
    [
        ("postgres:18.6-trixie", OLD, True),
        ("postgres:18.6-trixie", NEW, False),
        ("postgres:17.11", NEW, True),
        ("postgres:17.11", OLD, False),
        ("postgres:17.11", "/etc/postgresql", False),
        ("postgres:9.6", f"{NEW}/", True),
        ("pgvector/pgvector:0.8.6-pg18", OLD, True),
        ("pgvector/pgvector:0.8.6-pg17-trixie", OLD, False),
        ("pgvector/pgvector:pg18", NEW, False),
        ("postgres:latest", OLD, False),
        ("redis:8", OLD, False),
    ],
)
def test_a_volume_is_where_that_version_keeps_its_data(image: str, target: str, broken: bool) -> None:
    volume = {"type": "volume", "source": "data", "target": target}
    assert breaks("data-path-mismatch", image=image, volumes=[volume]) is broken


def test_data_that_was_given_a_place_of_its_own_is_not_judged() -> None:
    changed: dict[str, Any] = {"volumes": [{"type": "volume", "source": "data", "target": OLD}]}
    assert not breaks("data-path-mismatch", image="postgres:18", environment={"PGDATA": f"{OLD}/18"}, **changed)
