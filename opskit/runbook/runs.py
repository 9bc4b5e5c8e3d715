"""The archive's runs: a list, one of them, and what changed between two."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from opskit.audit.compare import differences, flatten
from opskit.audit.history import read_records
from opskit.environments import find_environment, read_environments
from opskit.errors import UsageError
from opskit.paths import ENVIRONMENTS
from opskit.show.tables import Table

_ALL = 100_000
_LEFT = (
    ("release", "id", "release {id}"),
    ("snapshot", "set", "set {set}"),
    ("drill", "set", "drill of set {set}: {verdict}"),
    ("upgrade", "verdict", "upgrade: {verdict}"),
    ("lock", "release", "lock of release {release}"),
)
_SHORT = 90
"""Characters of a value in a table of differences."""


class Runs:
    """Reads the records below a folder; nothing is changed.

    Args:
        root: the folder of the archive.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def found(self, env: str = "", act: str = "", *, failed: bool = False) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Folder and record of each run, the newest first.

        Args:
            env: the environment's name or alias; empty takes all.
            act: such as `start`; empty takes all.
            failed: only those that did not end well.

        Raises:
            UsageError: no such environment.
        """
        name = find_environment(read_environments(ENVIRONMENTS), env).name if env else ""
        for folder, record in read_records(self.root, most=_ALL):
            wanted = (not name or record.get("environment") == name) and (not act or record.get("act") == act)
            if wanted and not (failed and record.get("ok")):
                yield folder, record

    def listed(self, most: int, **terms: Any) -> tuple[Table, list[dict[str, Any]]]:  # noqa: ANN401  as in `found`
        """A row for each run, and the same as JSON has it."""
        rows = [_row(folder, record) for folder, record in islice(self.found(**terms), most)]
        columns = ("run", "rehearsal", "ended", "who", "seconds", "kept", "why")
        shown = [tuple(str(row[column]) for column in columns) for row in rows]
        return Table(f"Runs, the newest first: {len(rows)}", columns, shown), rows

    def table(self, most: int, **terms: Any) -> Table:  # noqa: ANN401  as in `found`
        """A row for each run."""
        return self.listed(most, **terms)[0]

    def read(self, name: str) -> tuple[Path, dict[str, Any]]:
        """The run whose folder's name begins so.

        Raises:
            UsageError: none does, or more than one.
        """
        hits = [(folder, record) for folder, record in self.found() if folder.name.startswith(name)]
        exact = [hit for hit in hits if hit[0].name == name]
        if len(exact or hits) != 1:
            many = ", ".join(folder.name for folder, _ in hits[:5]) or "none"
            raise UsageError(f"run {name}: found {many}; wanted the name of one. `opskit runs` lists them.")
        return (exact or hits)[0]

    def shown(self, name: str) -> Table:
        """What one run was made from and what came of it."""
        folder, record = self.read(name)
        said = _row(folder, record)
        rows = [(key, str(said[key])) for key in ("act", "environment", "when", "who", "ended", "seconds", "why")]
        rows += [(key, _short(value)) for key, value in flatten(record, {}).items()]
        rows += [("files", ", ".join(sorted(path.name for path in folder.iterdir())))]
        return Table(str(folder), ("what", "found"), rows, bool(record.get("rehearsal")))

    def opened(self, name: str = "") -> Table:
        """One run, where one is named; see `shown`."""
        return self.shown(name) if name else Table("No run was named", ("",), ())

    def since(self, new: str = "", old: str = "") -> Table:
        """As `compared`; the reason in words where none was named and there are no two."""
        try:
            return self.compared(new, old)
        except UsageError as error:
            if new or old:
                raise
            return Table("Nothing to compare", ("why",), [(str(error),)])

    def compared(self, new: str = "", old: str = "") -> Table:
        """What changed between two runs.

        Args:
            new: the later one; empty takes the newest start.
            old: the earlier one; empty takes the last good run of the same kind before it.

        Raises:
            UsageError: there is no such run, or no good one before it.
        """
        later = self.read(new) if new else next(self.found(act="start"), None)
        if later is None:
            raise UsageError(f"{self.root}: found no start; wanted one. `opskit runs` lists what there is.")
        earlier = self.read(old) if old else self._good_before(*later)
        rows = differences(*(flatten(record, _facts(folder, record)) for folder, record in (earlier, later)))
        shown = [(name, _short(was), _short(now)) for name, was, now in rows]
        return Table(f"{len(rows)} differences", ("what", earlier[0].name, later[0].name), shown)

    def _good_before(self, folder: Path, record: Mapping[str, Any]) -> tuple[Path, dict[str, Any]]:
        kind = ("act", "environment", "rehearsal")
        for other, found in self.found():
            if other.name < folder.name and found.get("ok") and all(found.get(k) == record.get(k) for k in kind):
                return other, found
        raise UsageError(
            f"{folder.name}: found no good run of its kind before it; name both: `opskit runs diff OLD NEW`"
        )


def ended(record: Mapping[str, Any]) -> str:
    """How a run ended, in a word."""
    return "well" if record.get("ok") else str(record.get("ended_by") or "failed")


def _row(folder: Path, record: Mapping[str, Any]) -> dict[str, Any]:
    failures = (record.get("outcome") or {}).get("failures") or ()
    said = record.get("failure") or {}
    why = failures[0]["message"] if failures else str(said.get("message") or "")
    stopping = [f["check"] for f in record.get("findings") or () if f["verdict"] == "FAIL"]
    return {
        "run": folder.name,
        "act": str(record.get("act") or ""),
        "environment": str(record.get("environment") or ""),
        "when": str(record.get("when") or ""),
        "who": str(record.get("who") or ""),
        "ended": ended(record),
        "rehearsal": "yes" if record.get("rehearsal") else "",
        "seconds": f"{(record.get('seconds') or {}).get('total', 0.0):.0f}",
        "kept": ", ".join(_kept(record)),
        "why": "" if record.get("ok") else _short(why or ", ".join(stopping)),
    }


def _kept(record: Mapping[str, Any]) -> Iterator[str]:
    """What a run has left to go back to, and what it found of that: a launch that kept a release was good."""
    for kind, place, words in _LEFT:
        if isinstance(told := record.get(kind), dict) and told.get(place):
            yield words.format_map(told)


def _facts(folder: Path, record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The facts that a run kept; empty where it kept none that can be read."""
    try:
        found = json.loads((folder / f"facts-{record.get('environment')}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHORT else f"{line[:_SHORT]}…"
