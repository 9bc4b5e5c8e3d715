"""The first page: every environment with its state, and the latest runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from opskit.audit.history import read_runs_of
from opskit.errors import OpskitError
from opskit.health.readiness import Word
from opskit.paths import AUDIT
from opskit.runbook.parameters import Operation, find_stacks
from opskit.runbook.runs import Runs, ended
from opskit.runbook.status import Status
from opskit.show.tables import Table


class Index(Operation):
    """What there is and how it stands; nothing is changed."""

    def __init__(self) -> None:
        super().__init__("no")

    def environments(self) -> Table:
        """Each environment: what it is for, how it and its rehearsal stand, and its last run."""
        (states, why), (rehearsed, why_not) = (_read_states(level) for level in ("no", "yes"))
        other, another = ("not known" if reason else "not up" for reason in (why, why_not))
        rows = [
            (e.name, e.purpose, states.get(e.name, other), rehearsed.get(e.name, another), _last(e.name))
            for e in find_stacks("", rehearse=False)
        ]
        title = f"Environments; {why or why_not}" if why or why_not else "Environments"
        return Table(title, ("environment", "purpose", "state", "rehearsal", "last run"), rows)

    def runs(self, most: int) -> Table:
        """The latest runs."""
        return Runs(AUDIT).table(most)


def _read_states(level: str) -> tuple[Mapping[str, str], str]:
    """How the environments stand on one Engine, by name; and why that is not known."""
    words: dict[str, Counter[str]] = {}
    try:
        for name, standing in Status(rehearse=level).standing:
            word = "ready" if standing.word is Word.READY else standing.state
            words.setdefault(name, Counter())[word] += 1
    except OpskitError as error:
        return {}, str(error).splitlines()[0]
    told = {name: ", ".join(f"{n} {word}" for word, n in count.most_common()) for name, count in words.items()}
    return told, ""


def _last(environment: str) -> str:
    """The newest run of an environment in a few words; empty where there is none."""
    record = next((record for _, record in read_runs_of(AUDIT, environment)), None)
    return f"{record.get('act')} {record.get('when')}: {ended(record)}" if record else ""
