"""A copy of what a start reads, so that a test launches beside whatever else runs on the machine."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import uuid
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docker.errors import APIError

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container
    from docker.models.networks import Network

LABEL = "com.docker.compose.project"
ROOT = Path(__file__).resolve().parents[1]
SHELL_TOKEN = "hf_given-by-the-shell"
PORTS = """POSTGRES REDIS QDRANT QDRANT_GRPC MINIO MINIO_CONSOLE VLLM LITELLM MULTIMODAL_WORKER RETRIEVAL_PROXY OPENWEBUI N8N
NGINX PROMETHEUS ALERTMANAGER GRAFANA ELASTICSEARCH KIBANA LOGSTASH ALLURE JMETER_RESULTS"""


@dataclass(frozen=True)
class Checkout:
    """A copy of what a start reads, with a project name, ports and records of its own."""

    root: Path
    prefix: str
    engine: DockerClient
    environ: dict[str, str]

    @property
    def project(self) -> str:
        """Its Compose project: a rehearsal's name says so."""
        return self.project_of("development")

    def project_of(self, environment: str) -> str:
        return f"{self.prefix}-{environment}-rehearsal"

    def env_file(self, environment: str = "development") -> Path:
        """The rehearsal's own: the real environment's is not touched."""
        path = self.root / f".opskit/rehearsal/.env.{environment}"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return self.opskit("run", *words, **more)

    def opskit(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "opskit", *words]
        return subprocess.run(
            command,
            env={**self.environ, **more},
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def start(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return self.run("start", "-p", "env", "dev", "-p", "rehearse", "true", *words, **more)

    def last(self) -> tuple[Path, dict[str, Any]]:
        folder = max(self.root.glob("audit/*/*/*"), key=lambda path: path.stat().st_mtime_ns)
        return folder, json.loads((folder / "record.json").read_text())

    def containers(self, environment: str = "development") -> dict[str, Container]:
        label = f"com.docker.compose.project={self.project_of(environment)}"
        found = self.engine.containers.list(all=True, filters={"label": label}, ignore_removed=True)
        return {container.labels["com.docker.compose.service"]: container for container in found}

    def ask_postgres(self, sql: str, environment: str = "development") -> str:
        """What PostgreSQL answers its superuser, over its own socket."""
        words = ["psql", "-X", "-U", "postgres", "-d", "multimodal", "-v", "ON_ERROR_STOP=1", "-1", "-qtAc", sql]
        said = self.containers(environment)["postgres"].exec_run(words)
        assert said.exit_code == 0, said.output
        return str(said.output, "utf-8").strip()  # type: ignore[arg-type]  # a stream only where one is asked for

    def events(self) -> list[dict[str, Any]]:
        folder, _ = self.last()
        return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on, below those that the kernel gives to anyone who asks for some port."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports: set[int] = set()
    while len(ports) < count:
        port = random.randrange(min(lowest, 32768) // 2, lowest)  # noqa: S311  no secret
        with socket.socket() as holder, contextlib.suppress(OSError):
            holder.bind(("127.0.0.1", port))
            ports.add(port)
    return list(ports)


def fresh_ports() -> dict[str, str]:
    """A free port for every variable that publishes one."""
    names = PORTS.split()
    return {f"{name}_PORT": str(port) for name, port in zip(names, free_ports(len(names)), strict=True)}


def remove_project(engine: DockerClient, project: str) -> None:
    """Take away everything that a Compose project left on the Engine."""
    label: dict[str, str | list[str] | bool] = {"label": f"{LABEL}={project}"}
    for container in engine.containers.list(all=True, filters=label):
        container.remove(force=True, v=True)
    for network in engine.networks.list(filters=label):
        _remove_network(network)
    for volume in engine.volumes.list(filters=label):
        volume.remove()


def _remove_network(network: Network) -> None:
    """Remove it, unless the Engine counts a container on it that is gone (moby/moby#42119)."""
    try:
        network.remove()
    except APIError as error:
        network.reload()
        if "has active endpoints" not in str(error) or network.attrs["Containers"]:
            raise
        warnings.warn(f"{network.name} stays until the Engine is started again: {error}", stacklevel=1)


def make_checkout(root: Path, engine: DockerClient, engine_host: str) -> Iterator[Checkout]:
    """Copy, yield, and take away again everything the copy's project left on the Engine."""
    for name in ("compose", "configs", "sql", "notebooks", "models"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    prefix = f"opskit-test-{uuid.uuid4().hex[:8]}"
    environments = root / "configs/environments.yaml"
    environments.write_text(environments.read_text().replace("project_prefix: multimodal", f"project_prefix: {prefix}"))
    ports = fresh_ports()
    own = {"OPSKIT_ROOT": str(root), "DOCKER_HOST": engine_host, "POSTGRES_PASSWORD": "shell", "HF_TOKEN": SHELL_TOKEN}
    environ = {**os.environ, **ports, **own}
    environ.pop("OPSKIT_RUN_FOLDER", None)
    made = Checkout(root, prefix, engine, environ)
    yield made
    for container in engine.containers.list(all=True):
        if str(container.labels.get(LABEL)).startswith(prefix):
            container.remove(force=True, v=True)
    for network in engine.networks.list():
        if str((network.attrs.get("Labels") or {}).get(LABEL)).startswith(prefix):
            _remove_network(network)
    for volume in engine.volumes.list():
        if str((volume.attrs.get("Labels") or {}).get(LABEL)).startswith(prefix):
            volume.remove()
