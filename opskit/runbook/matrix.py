"""Compare all environments: their matrix, their differences, their drift, and what lint says of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from opskit.audit.journal import Journal
from opskit.compose.client import Project, find_compose
from opskit.compose.model import Compose, Stack
from opskit.compose.source import read_source, read_texts
from opskit.environments import Environment, GpuMode, find_environment, read_environments
from opskit.errors import ConfigError
from opskit.gpu.placement import WORKER_GPUS, takes_gpus
from opskit.lint.lint import LintFault, lint
from opskit.lint.matrix import Column, tabulate_difference, tabulate_drift, tabulate_matrix
from opskit.paths import COMPOSE, ENVIRONMENTS, ROOT
from opskit.secrets.policy import BY_NAME
from opskit.show.tables import Table, scroll

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler


def resolve(environment: Environment, mode: GpuMode, compose: Compose, **more: str) -> Column:
    """An environment as its files resolve, with a placeholder for every variable it demands; nothing is started.

    Args:
        environment: one with a stack of its own.
        mode: the GPU overlay; of no effect where the environment has none.
        compose: what resolves it.
        more: further variables.

    Raises:
        ConfigError: Compose refuses the files; its own words are in the message.
    """
    overlays = find_overlays(environment, mode, **more)
    files = tuple(COMPOSE / name for name in (*environment.compose, *overlays))
    demanded = {name: f"value-of-{name.lower()}:1" for name in read_source(files).demanded}
    gpus = {"COMPOSE_PROFILES": "gpu"} if overlays and mode != "cpu" else {}
    values = {**gpus, **environment.settings, **demanded, **more}
    stack = Project(compose, environment.project, files, environ=values).read_stack()
    if not isinstance(stack, Stack):
        raise ConfigError(f"{environment.name}: {stack.message}\nRemedy: {stack.remedy}")
    every = (*environment.compose, *environment.gpu.values(), *environment.worker_gpu.values())
    return Column(environment, stack, files, read_source(COMPOSE / name for name in every).used)


def find_overlays(environment: Environment, mode: GpuMode, **more: str) -> tuple[str, ...]:
    """The overlays that a start in that mode merges, by the environment's settings and by further variables."""
    visible = {**environment.settings, **more}.get(WORKER_GPUS)
    parts = (environment.gpu, environment.worker_gpu if takes_gpus(visible) else {})
    return tuple(part[mode] for part in parts if mode in part)


class Matrix:
    """All environments, resolved once."""

    def __init__(self) -> None:
        self.journal = Journal.of_this_run()
        self.environments = read_environments(ENVIRONMENTS)

    @cached_property
    def columns(self) -> dict[str, Column]:
        """Every environment with a stack of its own, by name, as it resolves on two GPUs."""
        compose = find_compose()
        stacks = [e for e in self.environments.values() if e.act_on is None]
        return {environment.name: resolve(environment, "dual", compose) for environment in stacks}

    def table(self) -> Table:
        """The environment execution matrix."""
        return _shown("Environment execution matrix", tabulate_matrix(self.columns).reset_index(names="dimension"))

    def difference(self, first: str, second: str) -> Compared:
        """Two columns of the matrix; the rows in which they differ are marked by a sign and by colour."""
        names = [find_environment(self.environments, name).name for name in (first, second)]
        both = tabulate_matrix(self.columns)[names]
        differs = both[names[0]] != both[names[1]]
        both.insert(0, "", differs.map({True: "≠", False: "="}))
        marked = both.style.apply(
            lambda row: ["background-color: #ffe9b3; color: #000000" if differs[row.name] else ""] * 3, axis=1
        )
        return Compared(marked)

    def details(self, first: str, second: str) -> Table:
        """Every property of every service in which two environments differ."""
        one, two = (find_environment(self.environments, name).name for name in (first, second))
        return _shown(f"{one} and {two}", tabulate_difference(self.columns[one], self.columns[two]))

    def distinguish(self, env: str) -> Table:
        """In what one environment differs from most others: its value of each such dimension, and who shares it."""
        name = find_environment(self.environments, env).name
        rows = []
        for dimension, row in tabulate_matrix(self.columns).iterrows():
            same = [other for other, value in row.items() if value == row[name] and other != name]
            if len(same) < len(row) // 2:
                rows.append((str(dimension), str(row[name]), ", ".join(map(str, same)) or "no other"))
        return Table(f"What {name} has that most others have not", ("dimension", name, "the same in"), rows)

    def lint(self) -> Table:
        """What lint says of the files: every fault once, with the environments it is in; an accepted one says why."""
        faults: dict[LintFault, list[str]] = {}
        for name, column in self.columns.items():
            texts = {str(path.relative_to(ROOT)): text for path, text in read_texts(column.files).items()}
            sources = (source for _, source in column.stack.bind_sources if Path(source).is_relative_to(ROOT))
            present = {source: Path(source).exists() for source in sources}
            for fault in lint(column.stack, texts=texts, root=str(ROOT), present=present, secrets=BY_NAME):
                faults.setdefault(fault, []).append(name)
        rows = [(f.rule, f.place, f.message, f.remedy, f.accepted or "", ", ".join(e)) for f, e in faults.items()]
        columns = ("rule", "place", "found", "remedy", "accepted, since", "environments")
        open_ = sum(not fault.accepted for fault in faults)
        return Table(f"Lint: {open_} faults, {len(faults) - open_} accepted", columns, rows)

    def drift(self) -> Table:
        """Variables without use, and services whose image, ports, probe or limits differ between environments."""
        found = tabulate_drift(self.columns, frozenset(BY_NAME))
        return _shown("Drift", found)


@dataclass(frozen=True, slots=True, repr=False)
class Compared:
    """Columns of the matrix side by side, as pandas marks them."""

    marked: Styler

    def _repr_html_(self) -> str:
        return scroll(self.marked.to_html())


def _shown(title: str, frame: pd.DataFrame) -> Table:
    return Table(title, tuple(frame.columns), [tuple(map(str, row)) for row in frame.itertuples(index=False)])
