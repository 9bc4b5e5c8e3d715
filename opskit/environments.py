"""The eight environments, read from configs/environments.yaml."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from opskit.errors import ConfigError, UsageError, did_you_mean

GpuMode = Literal["dual", "single", "cpu"]


class Environment(BaseModel):
    """One environment: what it is for, and what it is made of.

    Attributes:
        compose: files of compose/, in the order they are merged, without the GPU overlay.
        gpu: overlay file by GPU mode; empty where the environment needs no GPU.
        worker_gpu: overlay file that gives GPUs to the worker too, by GPU mode.
        memory_gib: memory the host must have, in GiB.
        secrets: whether it has an env file of generated secrets.
        settings: variables for Compose; the shell and the env file win over them.
        act_on: the environment this one is an act on; it has no stack of its own then.
        prefix: the file's `project_prefix`: what the Compose project's name begins with.
        rehearsal: whether it is rehearsed: project and env file are its own then.
        overlays: files of `compose` that were asked for beside its own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    purpose: str = Field(min_length=1)
    aliases: tuple[str, ...] = ()
    compose: tuple[str, ...] = ()
    gpu: Mapping[GpuMode, str] = {}
    worker_gpu: Mapping[GpuMode, str] = {}
    memory_gib: float = Field(default=0, ge=0)
    secrets: bool = False
    settings: Mapping[str, str] = {}
    act_on: str | None = None
    prefix: str = "multimodal"
    rehearsal: bool = False
    overlays: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _has_a_stack(self) -> Environment:
        if self.act_on is None and not (self.compose and self.memory_gib):
            raise ValueError("compose and memory_gib are needed where act_on is not given")
        return self

    @property
    def project(self) -> str:
        """The Compose project: one per environment, with its own volumes and network."""
        return f"{self.prefix}-{self.name}{'-rehearsal' if self.rehearsal else ''}"

    @property
    def env_file(self) -> str:
        """The file its secrets are in, from the folder of pyproject.toml."""
        return f"{'.opskit/rehearsal/' if self.rehearsal else ''}.env.{self.name}"

    @property
    def words(self) -> str:
        """What names it in a command that takes overlays, after `-p env`."""
        overlays = f" -p overlays {','.join(self.overlays)}" if self.overlays else ""
        return f"{self.name}{overlays}{' -p rehearse yes' if self.rehearsal else ''}"

    def rehearsed(self, rehearsal: bool) -> Environment:
        """The same as a rehearsal has it, where there is one."""
        return self.model_copy(update={"rehearsal": rehearsal})


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    project_prefix: str = Field(pattern="^[a-z0-9][a-z0-9_-]*$")
    environments: dict[str, Environment]


def read_environments(path: Path) -> Mapping[str, Environment]:
    """Read all environments, by name, in the order of the file.

    Raises:
        ConfigError: the file is missing or does not fit; every fault is in the message, with its place.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: not found; wanted a project of opskit here or in a folder above. Remedy: go to one, or make one: "
            "`opskit init FOLDER`."
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    entries = data.get("environments") if isinstance(data, dict) else None
    if isinstance(entries, dict):
        given = {"prefix": data.get("project_prefix"), "rehearsal": False}
        named = {k: {**entry, **given, "name": k} if isinstance(entry, dict) else entry for k, entry in entries.items()}
        data = {**data, "environments": named}
    try:
        environments = _File.model_validate(data).environments
    except ValidationError as error:
        faults = [_fault(path, fault["loc"], fault["msg"], fault["type"]) for fault in error.errors()]
        raise ConfigError("\n".join(faults)) from None
    faults = [f"{path}: {fault}" for fault in _faults_between(environments)]
    if faults:
        raise ConfigError("\n".join(faults))
    return environments


def _faults_between(environments: Mapping[str, Environment]) -> list[str]:
    words = [word for e in environments.values() for word in (e.name, *e.aliases)]
    twice = sorted({word for word in words if words.count(word) > 1})
    stacks = [e.name for e in environments.values() if e.act_on is None]
    return [
        *(f"environments: {word} names more than one; give each a name of its own" for word in twice),
        *(
            f"environments.{e.name}.act_on: found {e.act_on}; wanted one of {', '.join(stacks)}"
            for e in environments.values()
            if e.act_on is not None and e.act_on not in stacks
        ),
    ]


def _fault(path: Path, place: tuple[str | int, ...], message: str, kind: str) -> str:
    where = ".".join(map(str, place)) or "the file"
    if kind != "extra_forbidden":
        return f"{path}: {where}: {message}"
    near = difflib.get_close_matches(str(place[-1]), Environment.model_fields, n=1)
    return f"{path}: {where}: unknown key{f'; did you mean {near[0]}?' if near else ''}"


def find_environment(environments: Mapping[str, Environment], name: str) -> Environment:
    """The environment of that name or alias.

    Raises:
        UsageError: no name was given (the message is the list), or it is unknown (the nearest is suggested).
    """
    by_word = {word: e for e in environments.values() for word in (e.name, *e.aliases)}
    if name in by_word:
        return by_word[name]
    listed = "\n".join(f"  {_names(e):<20} {e.purpose}" for e in environments.values())
    if not name:
        raise UsageError(f"usage: opskit start ENVIRONMENT\nNo environment was given; wanted one of:\n{listed}")
    hint = did_you_mean(name, by_word)
    raise UsageError(f"env: found {name!r}, which is no environment.{hint} Wanted one of:\n{listed}")


def _names(environment: Environment) -> str:
    return ", ".join((environment.name, *environment.aliases))
