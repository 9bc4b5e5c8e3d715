"""What an outsider asks of a running stack: each published port, and each route of nginx, without a key and with it."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from opskit.health.smoke.client import ask

if TYPE_CHECKING:
    from docker.models.containers import Container

STRANGER = {
    "name": "x",
    "firstName": "x",
    "lastName": "y",
    "email": "x@example.org",
    "password": "Y1" + "y" * 12,
    "query": "x",
    "text": "x",
}
SCAN = (
    ("nginx", 80, "GET", "/", "", (200,)),
    ("nginx", 80, "GET", "/nginx-health", "", (200,)),
    ("nginx", 80, "POST", "/api/v1/auths/signup", "", (403,)),
    ("nginx", 80, "POST", "/api/v1/auths/signin", "", (400,)),
    ("nginx", 80, "GET", "/api/v1/users/all", "", (401, 403)),
    ("nginx", 80, "GET", "/openai/config", "", (401, 403)),
    ("nginx", 80, "GET", "/api/v1/configs/export", "", (401, 403)),
    ("nginx", 80, "GET", "/v1/models", "LITELLM_MASTER_KEY", (401,)),
    ("nginx", 80, "POST", "/api/search/search", "STACK_API_KEY", (401,)),
    ("nginx", 80, "POST", "/api/multimodal/process/text", "STACK_API_KEY", (401,)),
    ("nginx", 80, "DELETE", "/api/multimodal/documents/1", "STACK_API_KEY", (401,)),
    ("openwebui", 8080, "POST", "/api/v1/auths/signup", "", (403,)),
    ("openwebui", 8080, "GET", "/api/v1/users/all", "", (401, 403)),
    ("n8n", 5678, "POST", "/rest/owner/setup", "", (400, 401, 403, 404)),
    ("n8n", 5678, "GET", "/rest/workflows", "", (401,)),
    ("n8n", 5678, "GET", "/rest/credentials", "", (401,)),
    ("litellm", 4000, "GET", "/key/list", "LITELLM_MASTER_KEY", (401,)),
    ("litellm", 4000, "GET", "/model/info", "LITELLM_MASTER_KEY", (401,)),
    ("litellm", 4000, "GET", "/metrics/", "", (200,)),
    ("vllm", 8000, "GET", "/v1/models", "VLLM_API_KEY", (401,)),
    ("vllm", 8000, "GET", "/health", "", (200,)),
    ("minio", 9000, "GET", "/", "", (403,)),
    ("minio", 9001, "GET", "/", "", (200,)),
    ("qdrant", 6333, "GET", "/collections", "QDRANT_API_KEY", (401, 403)),
    ("qdrant", 6334, "GET", "/collections", "QDRANT_API_KEY", (401, 403)),
    ("multimodal-worker", 8001, "GET", "/api/v1/storage/status", "STACK_API_KEY", (401,)),
    ("retrieval-proxy", 8002, "GET", "/api/v1/stats", "STACK_API_KEY", (401,)),
    ("postgres", 5432, "PostgreSQL", "log in as multimodal", "", ("SCRAM-SHA-256",)),
    ("redis", 6379, "Redis", "PING", "REDIS_PASSWORD", ("NOAUTH",)),
)
"""Service, its port, what is asked there, the key that opens it, and how it refuses or what it may show."""


def scan(boxes: Mapping[str, Container], secrets: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Ask every line of SCAN; the rows of the table.

    Raises:
        AssertionError: something answered what it must not, or a published port is in no line.
    """
    ports = {
        (service, int(name.partition("/")[0])): int(given[0]["HostPort"])
        for service, box in boxes.items()
        for name, given in box.ports.items()
        if given
    }
    assert ports.keys() == {(service, port) for service, port, *_ in SCAN}
    rows: list[tuple[str, ...]] = []
    for service, port, method, asked, key, without in SCAN:
        place = ports[service, port]
        refused = _ask(service, place, method, asked)
        assert refused in without, (service, asked, refused)
        opened = _ask(service, place, method, asked, secrets[key]) if key else ""
        assert opened not in {*without, 401, 403}, (service, asked, opened)
        rows.append((f"{service}:{port}", f"{method} {asked}", str(refused), f"{opened} ({key})" if key else ""))
    return rows


def _ask(service: str, port: int, method: str, asked: str, value: str = "") -> int | str:
    if method == "PostgreSQL":
        return _postgres(port)
    if method == "Redis":
        return _redis(port, value)
    body = STRANGER if method == "POST" else None
    headers = {"api-key": value} if service == "qdrant" else {"Authorization": f"Bearer {value}"}
    return ask(method, f"http://127.0.0.1:{port}{asked}", body, headers if value else None, timeout_s=60).status


def _redis(port: int, password: str) -> str:
    with socket.create_connection(("127.0.0.1", port), 10) as there:
        there.sendall(f"AUTH {password}\r\nPING\r\n".encode() if password else b"PING\r\n")
        there.shutdown(socket.SHUT_WR)
        last = there.makefile("rb").read().splitlines()[-1].decode()
    return "NOAUTH" if last.startswith("-NOAUTH") else last.removeprefix("+")


def _postgres(port: int) -> str:
    """How PostgreSQL asks for the password: message 'R' of its protocol, whose fourth byte names the way."""
    asked = b"user\0multimodal\0database\0multimodal\0\0"
    with socket.create_connection(("127.0.0.1", port), 10) as there:
        there.sendall((len(asked) + 8).to_bytes(4, "big") + (196608).to_bytes(4, "big") + asked)
        answer = there.recv(1024)
    return {0: "let in", 10: "SCRAM-SHA-256"}.get(answer[8], answer.decode(errors="replace"))


def routes(config: Path) -> set[str]:
    """The location blocks of an nginx configuration that can be asked for."""
    return set(re.findall(r"location (?:= )?(/\S*) \{", config.read_text()))
