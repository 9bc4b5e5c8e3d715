"""An error text of Compose or the Engine to a named fault with its remedy; pure, first hit wins."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a project, or one service of it, is not up.

    Attributes:
        kind: a stable word, such as `crash_loop`, `port_in_use` or `timeout`.
        service: the service it is about; None where it is about the whole project.
        evidence: what was seen, line by line: last log lines, probe output, the tool's own words.
        remedy: what to do, with a command where there is one.
    """

    kind: str
    service: str | None
    message: str
    evidence: tuple[str, ...]
    remedy: str

    def redacted(self, redact: Callable[[str], str]) -> Failure:
        """The same without what must not be shown: Compose quotes the values that it refuses."""
        return replace(self, message=redact(self.message), evidence=tuple(map(redact, self.evidence)))


# Texts of Compose 2.29 to 5.6 and Engine 20.10 to 28; an order matters only where one text holds another.
_FAULTS: tuple[tuple[str, str, str], ...] = (
    (
        "port_in_use",
        r"port is already allocated|address already in use",
        "stop what holds the port (`ss -ltnp`), or move the published port with its *_PORT variable",
    ),
    (
        "gpu_driver_missing",
        r"could not select device driver|[Uu]nknown (?:or invalid )?runtime",
        (
            "install the NVIDIA Container Toolkit and restart Docker: "
            "`nvidia-ctk runtime configure --runtime=docker && systemctl restart docker`"
        ),
    ),
    (
        "build_offline",
        (
            r"(?s)(?:non-zero code|did not complete successfully).*(?:Temporary failure|[Cc]ould not resolve"
            r"|Name or service not known|bad address|[Nn]etwork is unreachable|EAI_AGAIN)"
        ),
        (
            "give the build a way out (`build: {network: host}`, or a proxy by `build: {args: {HTTPS_PROXY: …}}`), or "
            "build the image elsewhere and bring it with `docker save` and `docker load`"
        ),
    ),
    (
        "build_failed",
        r"^The command .* returned a non-zero code|failed to solve: process .* did not complete successfully",
        "correct the Dockerfile's step that is named; the lines are what it wrote",
    ),
    ("registry_rate_limited", r"toomanyrequests", "wait, or `docker login` to raise the limit, then launch again"),
    (
        "registry_auth",
        r"unauthorized|pull access denied|denied: ",
        "check the image name, and `docker login` if the registry asks for it",
    ),
    (
        "registry_unreachable",
        (
            r"no such host|i/o timeout|unexpected HTTP status: 5|TLS handshake timeout|connection refused.*registry"
            r"|dial tcp|network is unreachable"
        ),
        "check the network and the registry's name, or load the image with `docker load`",
    ),
    (
        "image_missing",
        r"No such image|manifest unknown|manifest for .* not found|name unknown|has neither an image nor a build",
        "check the image's name and tag, or load it with `docker load`",
    ),
    (
        "variable_missing",
        r"required variable (\S+) is missing",
        "set the variable in the environment or in the env file",
    ),
    ("env_file_missing", r"env file .* not found|couldn't find env file", "create the env file, or correct its path"),
    (
        "secret_missing",
        r'environment variable "[^"]+" required by (?:secret|config)|secret file \S+ does not exist',
        "create the file or set the variable that the secret is read from",
    ),
    (
        "external_missing",
        r"declared as external|external volume .* not found|external network .* not found",
        "create it (`docker network create` / `docker volume create`), or let the project own it",
    ),
    ("bind_source_missing", r"bind source path does not exist", "create the file or folder on the host"),
    (
        "name_conflict",
        r"container name .* is already in use|Conflict\. The container name",
        "remove or rename the other container; better, drop container_name",
    ),
    (
        "network_ambiguous",
        r"is ambiguous \(\d+ matches",
        "take the project down once (`docker compose -p PROJECT down`); that removes the duplicates",
    ),
    ("subnet_clash", r"Pool overlaps", "drop the fixed subnet, or choose one that no other network uses"),
    (
        "address_pool_empty",
        r"could not find an available, non-overlapping|all predefined address pools have been fully subnetted",
        "remove unused networks (`docker network ls`), or add default-address-pools to the daemon's configuration",
    ),
    ("bridge_missing", r"could not find bridge", "restart the Docker Engine; its default bridge is gone"),
    (
        "bad_command",
        r"OCI runtime create failed|executable file not found in \$PATH|exec format error",
        "correct command or entrypoint; the program is not in the image or cannot run here",
    ),
    ("engine_too_old", r"require Docker Engine v", "upgrade the Docker Engine, or drop the feature"),
    (
        "engine_unreachable",
        r"Cannot connect to the Docker daemon|failed to connect to the docker API|error during connect",
        "start the Docker Engine (`systemctl start docker`) and check DOCKER_HOST",
    ),
    (
        "engine_permission",
        r"permission denied while trying to connect",
        "add yourself to the docker group (`sudo usermod -aG docker $USER`) and log in again",
    ),
    ("context_missing", r"context not found|unable to resolve docker endpoint", "`docker context ls`, then choose one"),
    (
        "dependency_failed",
        r"dependency failed to start|didn't complete successfully|dependency .* failed",
        "see the failing dependency's own failure and log",
    ),
    (
        "config_missing",
        r"no configuration file provided|open .*: no such file or directory|no such file or directory",
        "correct the path of the Compose file",
    ),
    (
        "config_invalid",
        (
            r"^yaml: |load error in parser|^validating |additional propert"
            r"|undefined (?:network|volume|service|secret|config)"
            r"|[Ii]nvalid (?:compose project|mount config|interpolation|reference|spec|hostPort)"
            r"|mapping key .* already defined"
            r"|must be |refers to undefined|depends on undefined|dependency cycle|cannot unmarshal|^decoding failed"
            r"|attributes are exclusive|can't set container_name|missing property|is not allowed"
        ),
        "correct the Compose file at the place named",
    ),
)


_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def classify(message: str) -> tuple[str, str]:
    """The fault's kind and remedy; `unknown` where no pattern knows the text."""
    for kind, pattern, remedy in _FAULTS:
        if re.search(pattern, message, re.MULTILINE):
            return kind, remedy
    return "unknown", "read the message; `docker compose logs` may say more"


def failure_of(message: str, *, project: str, services: tuple[str, ...] = (), lines: Iterable[str] = ()) -> Failure:
    """Name the fault in a Compose error text, and the service it is about where the text names one.

    Args:
        message: the error.
        project: whose.
        services: of the project.
        lines: what came before it that is no event, such as what a build's steps wrote.
    """
    written = tuple(text for line in lines if (text := _ANSI.sub("", line).strip()))
    kind, remedy = classify("\n".join((message, *written)))
    return Failure(kind, _service_in(message, project, services), message.strip(), written, remedy)


def _service_in(message: str, project: str, services: tuple[str, ...]) -> str | None:
    for service in sorted(services, key=len, reverse=True):
        name = re.escape(service)
        container = rf"\b{re.escape(project)}[-_]{name}[-_]\d+\b"
        if re.search(rf'{container}|services?[ .:/"]+{name}\b|service "{name}"', message):
            return service
    found = re.search(r'services[./]([A-Za-z0-9._-]+?)[./:]|service "([^"]+)"', message)
    return (found.group(1) or found.group(2)) if found else None
