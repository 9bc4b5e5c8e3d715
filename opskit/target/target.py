"""One environment on one machine: everything known before a decision, and what a launch of it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from opskit.audit.journal import Journal
from opskit.compose.client import Project
from opskit.compose.faults import Failure
from opskit.compose.model import Stack
from opskit.compose.source import read_source, read_texts
from opskit.engine.facts import EngineFacts
from opskit.errors import OpskitError
from opskit.gpu.model import Inventory
from opskit.paths import ROOT
from opskit.preflight.archive import to_json
from opskit.preflight.facts import Facts
from opskit.secrets.policy import hidden_of, rules_for
from opskit.secrets.store import ensure_secrets, read_hidden, read_secrets
from opskit.secrets.value import Secret, make_redact
from opskit.target.port_overrides import write_overrides
from opskit.target.project import SECRETS, resolve
from opskit.unknown import Unknown

if TYPE_CHECKING:
    from docker import DockerClient


@dataclass(frozen=True, slots=True)
class Target:
    """What a start is decided on, and what it is done with.

    Attributes:
        facts: everything a decision looks at.
        client: the connection; None where the Engine does not answer.
        secrets: values of the env file.
        planned: values that a launch gives to the secrets it makes.
    """

    facts: Facts
    project: Project
    client: DockerClient | None
    secrets: Mapping[str, Secret]
    planned: Mapping[str, Secret] = field(default_factory=dict)

    def versions(self) -> dict[str, str]:
        """Versions for the record, of what answers."""
        engine = self.facts.engine
        versions = {"compose": str(self.facts.compose), "engine": "none"}
        if isinstance(engine, EngineFacts):
            versions["engine"] = f"{engine.version} (API {engine.api_version})"
        if isinstance(self.facts.inventory, Inventory) and self.facts.inventory.driver:
            versions["nvidia driver"] = self.facts.inventory.driver
        return versions

    def opened(self) -> tuple[DockerClient, Stack]:
        """The Engine and the resolved model.

        Raises:
            OpskitError: one of them is not to be had; a preflight says so too.
        """
        client, stack = self.connection(), self.facts.stack
        if isinstance(stack, Failure):
            raise OpskitError(f"{self.project.name}: {stack.message}", stack.remedy)
        return client, stack

    def connection(self) -> DockerClient:
        """The Engine.

        Raises:
            OpskitError: it does not answer.
        """
        engine = self.facts.engine
        if isinstance(engine, Unknown):
            raise OpskitError(f"{self.project.name}: {engine.reason}", engine.remedy)
        if self.client is None:
            raise OpskitError(f"{self.project.name}: no Engine was asked for")
        return self.client

    @property
    def engine_id(self) -> str:
        """The Engine's own id; empty where it was not read."""
        return self.facts.engine.id if isinstance(self.facts.engine, EngineFacts) else ""

    def keep_facts(self, journal: Journal) -> None:
        """Put the facts in the run's record, without any secret."""
        journal.write("facts", versions=self.versions(), rehearsal=self.facts.rehearsal, engine_id=self.engine_id)
        journal.keep(f"facts-{self.facts.environment.name}.json", to_json(self.facts, self.redact()))

    @property
    def known(self) -> Mapping[str, Secret]:
        """The values of the env file, with those a launch will add to it."""
        return {**self.secrets, **self.planned}

    def redact(self) -> Callable[[str], str]:
        """What puts `[NAME]` in the place of every value that must never be shown."""
        hidden = read_hidden(self.known, read_source(self.project.files).used)
        written = self.facts.stack.variables.values() if isinstance(self.facts.stack, Stack) else ()
        literal = {name: value for variables in written for name, value in hidden_of(variables, words=False).items()}
        return make_redact({**literal, **hidden})

    def with_secrets(self) -> tuple[Target, tuple[str, ...]]:
        """Make the secrets that are missing, as planned; the model is resolved again where the file has others by now.

        Returns:
            The target with them, and the names made.
        """
        environment = self.facts.environment
        if not environment.secrets:
            return self, ()
        path = ROOT / environment.env_file
        added = ensure_secrets(path, rules_for(read_source(self.project.files).demanded), self.planned)
        secrets = read_secrets(path)
        environ = {name: value for name, value in self.project.environ.items() if name not in SECRETS}
        project = replace(self.project, env_file=path, environ=environ)
        stack = self.facts.stack if secrets == self.known else resolve(project, secrets)
        facts = replace(self.facts, unmade=(), stack=stack)
        return replace(self, project=project, secrets=secrets, planned={}, facts=facts), added

    def written(self) -> tuple[Mapping[Path, str], bytes]:
        """What the model comes from, as it is written just now: the Compose files and the env file."""
        env_file = self.project.env_file
        return read_texts(self.project.files), env_file.read_bytes() if env_file and env_file.is_file() else b""

    def launched_from(self, project: Project) -> Target:
        """The same machine, with other files and variables of the project."""
        return replace(self, project=project, facts=replace(self.facts, stack=resolve(project, self.known)))

    def keep_ports(self) -> None:
        """Remember the ports that were moved, for the next launch; called while the project is held."""
        write_overrides(self.project.name, self.facts.moved)
