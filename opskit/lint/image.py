"""Rules that need to know an image: the tools in it, and where it keeps its data; pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from opskit.compose.model import Service
from opskit.lint.subject import Flaw, Subject

_BEFORE = frozenset({"!", "{", "exec", "if", "then", "else", "while", "do"})
_SHELLS = frozenset({"sh", "bash", "ash"})
_CURL = frozenset({"sh", "bash", "curl"})
_BUSYBOX = frozenset({"sh", "ash", "wget", "nc"})
_LITELLM = frozenset({"sh", "python3", "python"})
_N8N = _BUSYBOX | {"node"}

TOOLS = {
    "postgres": frozenset({"sh", "bash", "pg_isready", "psql"}),
    "pgvector/pgvector": frozenset({"sh", "bash", "pg_isready", "psql"}),
    "redis": frozenset({"sh", "bash", "redis-cli"}),
    "valkey/valkey": frozenset({"sh", "bash", "redis-cli"}),
    "qdrant/qdrant": frozenset({"sh", "bash"}),
    "pgsty/silo": frozenset({"mc", "mcli"}),
    "minio/minio": frozenset({"sh", "bash", "mc", "minio"}),  # curl left it in 2023, and some later tags have it again
    "vllm/vllm-openai": _CURL | {"python3"},
    "ghcr.io/berriai/litellm": _LITELLM,
    "ghcr.io/berriai/litellm-database": _LITELLM,
    "docker.litellm.ai/berriai/litellm": _LITELLM,
    "ghcr.io/open-webui/open-webui": _CURL | {"jq", "python", "python3"},
    "n8nio/n8n": _N8N,
    "docker.n8n.io/n8nio/n8n": _N8N,
    "ghcr.io/n8n-io/n8n": _N8N,
    "nginx": _CURL,
    "prom/prometheus": _BUSYBOX,
    "grafana/grafana": _CURL | {"wget"},
    "docker.elastic.co/elasticsearch/elasticsearch": _CURL,
    "docker.elastic.co/kibana/kibana": _CURL,
    "docker.elastic.co/logstash/logstash": _CURL,
    "frankescobar/allure-docker-service": _CURL,
    "ghcr.io/google/cadvisor": _BUSYBOX,
    "prom/node-exporter": _BUSYBOX,
    "quay.io/prometheuscommunity/postgres-exporter": _BUSYBOX,
    "oliver006/redis_exporter": frozenset[str](),
    "nvcr.io/nvidia/k8s/dcgm-exporter": frozenset({"sh", "bash"}),
}
"""What a probe can use, by image; an image that is not here is not judged."""

_JUDGED = frozenset[str]().union(*TOOLS.values())


def check_probe_tool_missing(subject: Subject) -> Iterator[Flaw]:
    """A health check uses only what is in the image; a missing tool reads as an unhealthy service for ever."""
    for service in subject.stack.services:
        repository, tag = _split(service.image or "")
        if service.healthcheck and repository in TOOLS:
            for tool in sorted(_called(service) & _JUDGED - _tools(repository, tag)):
                place = f"services/{service.name}/healthcheck/test"
                has = ", ".join(sorted(_tools(repository, tag))) or "no tool at all"
                remedy = "probe with one of these, or with the program's own health command"
                yield Flaw(place, f"{tool}, which {service.image} lacks", has, remedy, (service.name,))


def check_data_path_mismatch(subject: Subject) -> Iterator[Flaw]:
    """PostgreSQL's volume is where its version keeps its data: since 18 one folder higher, else nothing is kept."""
    for service in subject.stack.services:
        major = service.postgres_major
        if not major or "PGDATA" in (service.raw.get("environment") or {}):
            continue
        wanted = "/var/lib/postgresql" if int(major) >= 18 else "/var/lib/postgresql/data"  # noqa: PLR2004  where it moved
        for index, mount in enumerate(service.mounts):
            if (
                re.fullmatch(r"/var/lib/postgresql(/data)?", mount.target.rstrip("/"))
                and mount.target.rstrip("/") != wanted
            ):
                found = f"{mount.target} for PostgreSQL {major}"
                remedy = f"mount it at {wanted}; data of another version is moved by pg_dump or pg_upgrade"
                yield Flaw(f"services/{service.name}/volumes/{index}", found, wanted, remedy, (service.name,))


def _split(image: str) -> tuple[str, str]:
    name = image.partition("@")[0].removeprefix("docker.io/").removeprefix("library/")
    folder, slash, last = name.rpartition("/")
    base, _, tag = last.partition(":")
    return f"{folder}{slash}{base}", tag


def _tools(repository: str, tag: str) -> frozenset[str]:
    if "distroless" in tag:
        return frozenset()
    return TOOLS[repository] - ({"curl"} if "slim" in tag else set()) | (_BUSYBOX if "alpine" in tag else set())


def _called(service: Service) -> frozenset[str]:
    """The programs a probe starts, by the last part of their path."""
    kind, *words = service.raw["healthcheck"]["test"]
    if kind == "CMD-SHELL":
        words = ["sh", "-c", *words]
    called = {words[0].rpartition("/")[2]} if words else set()
    if called <= _SHELLS and "-c" in words[:-1]:
        called |= _commands(words[words.index("-c") + 1])
    return frozenset(called)


def _commands(script: str) -> set[str]:
    lexer = shlex.shlex(script.replace("\n", ";"), posix=True, punctuation_chars=True)
    lexer.commenters = ""
    found, at_command = set(), True
    try:
        for word in lexer:
            if set(word) <= set("();<>|&"):
                at_command = not set(word) <= set("<>")
            elif at_command and not re.match(r"[A-Za-z_]\w*=", word) and word not in _BEFORE:
                found.add(word.rpartition("/")[2])
                at_command = False
    except ValueError:  # an open quote: the shell will say so
        return found
    return found
