"""Everything a preflight is judged by, as one frozen value; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from opskit.compose.faults import Failure
from opskit.compose.model import Compose, Stack
from opskit.engine.facts import EngineFacts
from opskit.engine.model import Pull
from opskit.environments import Environment
from opskit.gpu.model import Inventory
from opskit.gpu.placement import Placement
from opskit.host.model import Files, Host
from opskit.llm.huggingface import Hub
from opskit.llm.shape import Model
from opskit.unknown import Unknown


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known before a decision; where the world does not answer, a field is Unknown with the reason.

    Attributes:
        need_bytes: memory the host must have; little for a rehearsal.
        demanded: variables the Compose files demand beside secrets, and whether each has a value.
        unmade: names of secrets that are not in the env file yet.
        unfinished: the set that a restore did not put back whole; empty where there was none, or it ended well.
        lock: who launches this project just now; empty where nobody does.
        upgraded_from: the release that ran before an upgrade that has not ended; empty where there is none.
        hub: what the hub that the model comes from answered; None where it was not asked.
        moved: the port by the variable whose published port was moved, now or earlier.
        given_ports: the text by the variable that publishes a port, where one was given.
        reserved: ports that the files of all environments publish, unless a variable says otherwise.
        pulls: images that are missing, and what their registries say; None where they were not asked.
        launched_volumes: names of the volumes after the project's last good launch on this Engine.
        changed_secrets: names of secrets of that launch's data that have another value now.
        secret_faults: what is wrong with the value of a secret, by its name.
        exported: secrets that the shell gives too, with another value than the env file.
        env_fault: why the env file cannot be used as it is; empty where it can.
        seconds: how long each took to read.
    """

    environment: Environment
    project: str
    rehearsal: bool
    need_bytes: int
    compose: Compose | Unknown
    engine: EngineFacts | Unknown
    stack: Stack | Failure
    inventory: Inventory | Unknown
    placement: Placement
    model: Model | Unknown
    host: Host
    files: Files | Unknown
    demanded: Mapping[str, bool]
    unmade: tuple[str, ...]
    launched_volumes: tuple[str, ...] = ()
    changed_secrets: tuple[str, ...] = ()
    secret_faults: Mapping[str, str] = field(default_factory=dict)
    exported: tuple[str, ...] = ()
    env_fault: str = ""
    lock: str = ""
    unfinished: str = ""
    upgraded_from: str = ""
    hub: Hub | Unknown | None = None
    given_ports: Mapping[str, str] = field(default_factory=dict)
    reserved: tuple[int, ...] = ()
    moved: Mapping[str, str] = field(default_factory=dict)
    pulls: tuple[Pull, ...] | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def running(self) -> bool:
        """Whether something of this very project runs already."""
        return isinstance(self.engine, EngineFacts) and self.engine.runs(self.project)
