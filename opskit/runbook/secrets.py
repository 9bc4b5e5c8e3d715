"""Secrets beside the data they open: what is missing or differs, and the ways back that lose nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from opskit.compose.faults import Failure
from opskit.compose.source import read_source
from opskit.engine.facts import EngineFacts
from opskit.engine.variables import read_variables
from opskit.errors import OpskitError, UsageError
from opskit.lock import hold_project
from opskit.paths import ROOT
from opskit.runbook.on_stack import OnStack
from opskit.runbook.parameters import one_of
from opskit.runbook.rotate import give_passwords, rotate
from opskit.runbook.start import Start
from opskit.secrets.policy import SecretRule, rules_for
from opskit.secrets.recover import find_values, mark_of
from opskit.secrets.roles import ROLES
from opskit.secrets.store import change_secrets, kept_copies
from opskit.show.run import Action
from opskit.show.tables import Table
from opskit.target.project import resolve
from opskit.unknown import or_else

if TYPE_CHECKING:
    from ipywidgets import VBox

ACTIONS = ("", "recover", "repair", "rotate")


class Secrets(OnStack):
    """What each secret opens, whether the containers hold the same, and two operations that bring them together.

    Args:
        env: name or alias of an environment.
        overlays: as it was started with.
        action: `recover` puts missing values back into the env file, as the containers still hold them; `repair` gives
            the roles of PostgreSQL the passwords of the env file; `rotate` gives `names` new values everywhere, proves
            them and goes back where that fails. Both need `confirm`. Empty only looks.
        names: for `rotate`, the secrets, by commas.
        confirm: for `repair` and `rotate`, the project's name, typed.
        rehearse: as in `Start`.

    Raises:
        UsageError: no such environment, overlay or action.
    """

    def __init__(
        self,
        *,
        env: str,
        overlays: str = "",
        action: str = "",
        names: str = "",
        confirm: str = "",
        rehearse: str | bool = "no",
    ) -> None:
        super().__init__(env, overlays, rehearse)
        self.names = tuple(names.replace(",", " ").split())
        self.action = one_of("action", action, ACTIONS)
        self.confirm = confirm
        self.path = ROOT / self.environment.env_file

    @cached_property
    def _held(self) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
        """What the containers hold: services by value by name."""
        client, project = self.target.opened()[0], self.target.project
        names = [rule.name for rule in self._rules]
        marked = replace(project, environ={**project.environ, **{name: mark_of(name) for name in names}})
        stack = resolve(marked, self.target.secrets)
        if isinstance(stack, Failure):
            raise OpskitError(f"{project.name}: {stack.message}")
        return find_values(stack.variables, read_variables(client, project.name))

    @cached_property
    def _rules(self) -> tuple[SecretRule, ...]:
        return rules_for(read_source(self.target.project.files).demanded)

    @cached_property
    def _volumes(self) -> Mapping[str, str]:
        """The environment's volumes that are there, name by key."""
        engine = self.target.facts.engine
        volumes = or_else(engine.volumes, ()) if isinstance(engine, EngineFacts) else ()
        return {v.key: v.name for v in volumes if v.key and v.project == self.target.project.name}

    def table(self) -> Table:
        """Each secret: whether the env file has it, what it opens, and whether the containers hold the same."""
        rows = [
            (
                rule.name,
                "there" if rule.name in self.target.secrets else "missing",
                ", ".join(sorted(self._volumes[key] for key in rule.volumes & self._volumes.keys())),
                self._compare(rule.name),
            )
            for rule in self._rules
        ]
        self.journal.write("secrets", rows=rows)
        columns = ("secret", self.environment.env_file, "data it opens", "the containers hold")
        return Table(f"{len(rows)} secrets of {self.target.project.name}", columns, rows, self.rehearse)

    def _compare(self, name: str) -> str:
        held, secret = self._held.get(name, {}), self.target.secrets.get(name)
        words = []
        for value, services in held.items():
            word = "a value" if secret is None else "the same" if secret.reveal() == value else "another value"
            words.append(f"{word} ({', '.join(dict.fromkeys(services))})")
        return "; ".join(words)

    def copies(self) -> Table:
        """The earlier states of the env file that were kept: one is put back by hand, with `cp`."""
        rows = [(str(path.relative_to(ROOT)), f"cp -p {path} {self.path}") for path in kept_copies(self.path)]
        return Table(f"{len(rows)} kept copies, newest first", ("copy", "to put it back"), rows, self.rehearse)

    def act(self) -> Table | VBox:
        """Do what `action` says.

        Raises:
            UsageError: no name where one must be typed, a secret that cannot be changed, or a missing value has several
                sources that differ.
            LaunchFailedError: PostgreSQL refused and nothing was changed, or a rotation failed and was taken back.
            LockHeldError: a launch of the environment is in progress.
        """
        if not self.action:
            repair = "gives the roles of PostgreSQL the passwords of the env file; needs confirm"
            rotate_ = "gives `names` new values while the stack runs, and proves them; needs confirm"
            rows = [
                ("recover", "puts missing values back, and those of `names`, as the containers hold them"),
                ("repair", repair),
            ]
            return Table("Nothing was changed", ("action", "what it does"), [*rows, ("rotate", rotate_)], self.rehearse)
        if shown := self.refuse_unrecorded(self._run_of_it(), self.action.capitalize()):
            return shown
        if self.action == "rotate":
            return self._rotate()
        with hold_project(self.target.project.name, engine=self.target.engine_id):
            return self._recover() if self.action == "recover" else self._repair()

    def _run_of_it(self) -> Action:
        """What this cell does, as a run of its own; the project's name is typed beside its button."""
        project = self.target.project.name
        about = {"overlays": self.overlays, "action": self.action, "names": ",".join(self.names), "confirm": project}
        words = self.words(env=self.environment.name, **about)
        effect = f"to {self.action} secrets of <b>{self.environment.name}</b>"
        return Action("secrets", words, f"{self.action.capitalize()}?", effect, project)

    def _rotate(self) -> Table:
        known = {rule.name: rule.why_not_rotated for rule in self._rules if rule.name in self.target.secrets}
        free = ", ".join(name for name, why in known.items() if not why)
        for name in self.names or ("",):
            if why := known.get(name, "there is no such secret in the env file"):
                raise UsageError(f"names: found {name!r}: {why}. Nothing was changed. Wanted some of: {free}.")
        self._typed("they get new values, and their services start again")
        start = Start(env=self.environment.name, overlays=self.overlays, rehearse=self.level)
        proven = rotate(start, self.names)
        self.journal.write("note", text=f"new values, taken everywhere: {', '.join(self.names)}")
        return Table(f"{len(proven)} secrets have new values", ("secret", "tried"), proven, self.rehearse)

    def _typed(self, what: str) -> None:
        project = self.target.project.name
        if self.confirm != project:
            raise UsageError(f"confirm: found {self.confirm!r}; type {project}: {what}.")

    def _recover(self) -> Table:
        if unknown := set(self.names) - {rule.name for rule in self._rules}:
            raise UsageError(f"names: found {', '.join(sorted(unknown))}: no secrets of {self.environment.name}")
        missing = [r.name for r in self._rules if r.name not in self.target.secrets or r.name in self.names]
        several = [name for name in missing if len(self._held.get(name, {})) > 1]
        if several:
            raise UsageError(
                f"action: the containers hold different values of {', '.join(several)}; wanted one. Remove those "
                "containers that are not of this data, then run this again."
            )
        found = {name: next(iter(self._held[name])) for name in missing if name in self._held}
        change_secrets(self.path, found)
        rows = [(name, f"put back, from {', '.join(*self._held[name].values())}") for name in found]
        rows += [(name, "not found in any container") for name in missing if name not in found]
        self.journal.write("note", text=f"put back into {self.environment.env_file}: {', '.join(found) or 'nothing'}")
        return Table(f"{len(found)} of {len(missing)} secrets put back", ("secret", "now"), rows, self.rehearse)

    def _repair(self) -> Table:
        self._typed("its roles get other passwords")
        values = {name: self.target.secrets[name].reveal() for name in ROLES if name in self.target.secrets}
        rows = give_passwords(self.target, self.target.opened()[0], values)
        project = self.target.project.name
        self.journal.write("note", text=f"the roles of {project} have the passwords of {self.environment.env_file}")
        after = f"`opskit start {self.environment.name}{self.more}` gives them to the services too"
        return Table(f"Repaired; {after}", ("role", "secret", "tried"), rows, self.rehearse)
