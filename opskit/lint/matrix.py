"""The environment execution matrix, its differences and its drift, computed from the resolved models; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import pandas as pd

from opskit.compose.model import Ending, Service, Stack
from opskit.environments import Environment

_CORE = ("postgres", "redis", "qdrant", "minio", "vllm", "litellm", "multimodal-worker", "retrieval-proxy")
_OUT, _NONE, _NA = "Not included", "None", "N/A"
_THERE = "(the service)"
_FAST_S = 2.0
_EXTRA = {"prometheus": "Prometheus + Grafana", "elasticsearch": "ELK Stack"}
_TOOLS = {"allure": "Allure Reports", "jmeter": "JMeter Load Tests"}


@dataclass(frozen=True, slots=True)
class Column:
    """One environment as its files resolve with the dual GPU overlay.

    Attributes:
        files: its Compose files, in the order they are merged.
        used: names of the variables they are interpolated with.
    """

    environment: Environment
    stack: Stack
    files: tuple[Path, ...] = ()
    used: frozenset[str] = frozenset()


def tabulate_matrix(columns: Mapping[str, Column], base: str = "development") -> pd.DataFrame:
    """The matrix: a row for each dimension, a column for each environment; the words are those of the specification.

    Args:
        columns: by environment.
        base: the environment whose settings are called standard.
    """
    cells = {
        name: {row: tell(column, columns[base]) for row, tell in _ROWS.items()} for name, column in columns.items()
    }
    return pd.DataFrame(cells, index=list(_ROWS))


def tabulate_difference(first: Column, second: Column) -> pd.DataFrame:
    """Every property in which the services of two environments differ; a service that only one has is one row."""
    one, two = (dict(_properties(column.stack)) for column in (first, second))
    there = one.keys() & two.keys()
    shared = {service for service, part in there if part == _THERE}
    differing = {key for key in one.keys() | two.keys() if one.get(key) != two.get(key)}
    keys = sorted(key for key in differing if key[0] in shared or key[1] == _THERE)
    names = [first.environment.name, second.environment.name]
    rows = [(*key, one.get(key, ""), two.get(key, "")) for key in keys]
    return pd.DataFrame(rows, columns=["service", "property", *names])


def tabulate_drift(columns: Mapping[str, Column], given: frozenset[str]) -> pd.DataFrame:
    """Where the environments drift apart.

    Args:
        columns: by environment.
        given: names of variables that have a value from somewhere: generated secrets and the like.
    """
    rows = [*_drift_of_variables(columns, given), *_drift_of_services(columns), *_shrinking(columns)]
    return pd.DataFrame(rows, columns=["kind", "what", "found"])


def _drift_of_variables(columns: Mapping[str, Column], given: frozenset[str]) -> Iterator[tuple[str, str, str]]:
    for name, column in columns.items():
        for variable in sorted(column.environment.settings.keys() - column.used):
            yield "set and never used", variable, name
    used = frozenset().union(*(column.used for column in columns.values()))
    for variable in sorted(given - used):
        yield "defined and never used", variable, "no environment"


def _drift_of_services(columns: Mapping[str, Column]) -> Iterator[tuple[str, str, str]]:
    for kind, tell in _COMPARED.items():
        seen: dict[str, dict[str, list[str]]] = {}
        for name, column in columns.items():
            for service in column.stack.services:
                seen.setdefault(service.name, {}).setdefault(tell(service), []).append(name)
        for service_name, values in seen.items():
            if len(values) > 1:
                found = "; ".join(f"{value or 'none'} ({', '.join(names)})" for value, names in values.items())
                yield kind, service_name, found


def _shrinking(columns: Mapping[str, Column]) -> Iterator[tuple[str, str, str]]:
    if not columns.keys() >= {"development", "production"}:
        return
    for service in columns["development"].stack.services:
        there = columns["production"].stack.find(service.name)
        less, more = there.memory_limit_bytes if there else None, service.memory_limit_bytes
        if less is not None and more is not None and less < more:
            yield "limit shrinks towards production", service.name, f"{_size(more)} to {_size(less)}"


_COMPARED: Mapping[str, Callable[[Service], str]] = {
    "image": lambda s: s.image or "",
    "published ports": lambda s: ", ".join(f"{p.host_ip}:{p.published}:{p.target}" for p in s.ports),
    "health check": lambda s: str(s.raw.get("healthcheck") or ""),
}


def _properties(stack: Stack) -> Iterator[tuple[tuple[str, str], str]]:
    for service in stack.services:
        yield (service.name, _THERE), "is there"
        for key, value in service.raw.items():
            inner = value.items() if isinstance(value, dict) else [("", value)]
            for part, said in inner:
                yield (service.name, f"{key}.{part}" if part else key), str(said)


def _short(file: str) -> str:
    return file.removeprefix("docker-compose.")


def _files(column: Column, _: Column) -> str:
    first, *rest = (file.name for file in column.files)
    return " + ".join([first, *map(_short, rest)])


def _core(column: Column, _: Column) -> str:
    if all(column.stack.find(name) for name in _CORE):
        return "All base + ELK" if column.stack.find("elasticsearch") else "All base services"
    found = [said.split()[0] for name, said in _TOOLS.items() if column.stack.find(name)]
    return f"Only {' and '.join(found)} services"


def _store(name: str) -> Callable[[Column, Column], str]:
    def tell(column: Column, base: Column) -> str:
        mine, standard = column.stack.find(name), base.stack.find(name)
        if mine is None or standard is None:
            return _OUT
        if mine.raw.get("command") != standard.raw.get("command"):
            return "Optimized config"
        if mine.memory_limit_bytes != standard.memory_limit_bytes:
            return f"{_size(mine.memory_limit_bytes or 0)} memory limit"
        return "Standard config"

    return tell


def _scaled(name: str) -> Callable[[Column, Column], str]:
    def tell(column: Column, _: Column) -> str:
        mine = column.stack.find(name)
        if mine is None:
            return _OUT
        gpu = _gpus(mine)
        if mine.replicas > 1:
            return f"{mine.replicas} replicas{f' ({gpu[0].lower()}{gpu[1:]})' if gpu else ''}"
        return f"{gpu} instance" if gpu else "Single instance"

    return tell


def _vllm(column: Column, _: Column) -> str:
    mine = column.stack.server
    return _OUT if mine is None else _gpus(mine)


def _same(name: str, other: str) -> Callable[[Column, Column], str]:
    def tell(column: Column, base: Column) -> str:
        mine, standard = column.stack.find(name), base.stack.find(name)
        if mine is None or standard is None:
            return _OUT
        compared = ("environment", "command", "deploy")
        same = all(mine.raw.get(key) == standard.raw.get(key) for key in compared)
        return "Standard config" if same else other

    return tell


def _nginx(column: Column, _: Column) -> str:
    mine = column.stack.find("nginx")
    if mine is None:
        return _OUT
    if any(PurePath(mount.source).name != "nginx.conf" for mount in mine.mounts):
        return "Optimized config"
    return "Standard config" if all(port.host_ip == "127.0.0.1" for port in mine.ports) else "Production config"


def _any_of(said: Mapping[str, str]) -> Callable[[Column, Column], str]:
    return lambda column, _: " + ".join(text for name, text in said.items() if column.stack.find(name)) or _NONE


def _gpu_configuration(column: Column, _: Column) -> str:
    mine = column.stack.server
    if mine is None:
        return _NONE
    link = " + NVLink" if (mine.raw.get("environment") or {}).get("NCCL_P2P_LEVEL") == "NVL" else ""
    return f"{_gpus(mine)}{link}"


def _option(option: str, tell: Callable[[str], str]) -> Callable[[Column, Column], str]:
    def found(column: Column, _: Column) -> str:
        mine = column.stack.server
        options = mine.options if mine else {}
        return tell(options[option]) if option in options else _NA

    return found


def _networks(column: Column, _: Column) -> str:
    used = {name for service in column.stack.services for name in service.raw.get("networks") or ()}
    entries: Mapping[str, Any] = column.stack.raw.get("networks") or {}
    return " + ".join(f"{n}{' (internal)' if (entries.get(n) or {}).get('internal') else ''}" for n in sorted(used))


def _intervals(column: Column, _: Column) -> str:
    found = [(service.raw.get("healthcheck") or {}).get("interval") for service in column.stack.services]
    seconds = [_seconds(interval) for interval in found if interval]
    return "Fast intervals" if seconds and max(seconds) <= _FAST_S else "Standard intervals"


def _restart(column: Column, _: Column) -> str:
    lasting = [s for s in column.stack.services if column.stack.ending(s) is not Ending.MUST]
    return ", ".join(sorted({service.restart for service in lasting}))


def _fallback(column: Column, _: Column) -> str:
    modes = [mode for mode in ("single", "cpu") if mode in column.environment.gpu]
    return ", ".join(_short(column.environment.gpu[mode]) for mode in modes) or _NA  # type: ignore[index]


def _gpus(service: Service) -> str:
    ids = [device for request in service.devices for device in request.device_ids]
    if service.labels.gpu_gib is not None and not service.uses_gpus:
        return "On the CPU"
    return {0: "", 1: "Single GPU", 2: "Dual GPU"}.get(len(ids), f"{len(ids)} GPUs")


def _size(bytes_: int) -> str:
    mebibytes = bytes_ // 1024**2
    return f"{mebibytes // 1024}G" if mebibytes % 1024 == 0 else f"{mebibytes}M"


def _seconds(text: str) -> float:
    return pd.Timedelta(text).total_seconds()


_ROWS: Mapping[str, Callable[[Column, Column], str]] = {
    "Base Compose Files": _files,
    "Core Services": _core,
    "PostgreSQL": _store("postgres"),
    "Redis": _store("redis"),
    "vLLM": _vllm,
    "Multimodal Worker": _scaled("multimodal-worker"),
    "Retrieval Proxy": _scaled("retrieval-proxy"),
    "LiteLLM": _scaled("litellm"),
    "OpenWebUI": _same("openwebui", "Enhanced config"),
    "n8n": _same("n8n", "Changed config"),
    "Nginx": _nginx,
    "Monitoring": _any_of(_EXTRA),
    "Testing Tools": _any_of(_TOOLS),
    "Environment Files": lambda column, _: column.environment.env_file if column.environment.secrets else _NONE,
    "Secrets Management": lambda column, _: "opskit" if column.environment.secrets else _NONE,
    "GPU Configuration": _gpu_configuration,
    "GPU Memory Utilization": _option("gpu-memory-utilization", lambda word: f"{float(word):g} ({float(word):.0%})"),
    "Tensor Parallelism": _option("tensor-parallel-size", lambda word: f"{word} GPUs"),
    "Memory Requirements": lambda column, _: f"~{column.environment.memory_gib:g}GB",
    "Network Configuration": _networks,
    "Volume Persistence": lambda column, _: f"{len(column.stack.raw.get('volumes') or {})} volumes of its own",
    "Health Checks": _intervals,
    "Restart Policy": _restart,
    "GPU Fallback": _fallback,
}
