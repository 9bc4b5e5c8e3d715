"""docs/real.md, written by `make real`: which real program read what of ours, what it did, and what was measured."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Real:
    """What a module of tests runs.

    Attributes:
        program: its name; `stand-in` is among the words where it is one.
        source: the kind of package, and its name.
        reads: what of ours it is given.
        does: what it does with it.
        version: as the program or its package tells it.
    """

    program: str
    source: str
    reads: str
    does: str
    version: str | Callable[[], str] = ""


@dataclass
class Results:
    """What the tests of each module came to."""

    seconds: dict[str, float] = field(default_factory=dict)
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    reals: dict[str, tuple[Real, ...]] = field(default_factory=dict)
    sections: dict[str, str] = field(default_factory=dict)

    def add(self, module: str, reals: tuple[Real, ...], word: str, seconds: float) -> None:
        """Count one test's phase; a phase that passed before and after the call is time alone."""
        self.reals[module] = reals
        self.seconds[module] = self.seconds.get(module, 0.0) + seconds
        if word:
            counts = self.counts.setdefault(module, {})
            counts[word] = counts.get(word, 0) + 1

    def text(self, findings: Mapping[str, Iterable[str]], command: str) -> str:
        """The whole document."""
        rows = [
            (
                real.program,
                real.version() if callable(real.version) else real.version,
                real.source,
                real.reads,
                real.does,
                ", ".join(f"{count} {word}" for word, count in self.counts.get(module, {}).items()),
                f"{self.seconds[module]:.0f} s",
            )
            for module, reals in self.reals.items()
            for real in reals
        ]
        columns = ("program", "version", "from", "reads of ours", "does", "tests", "time")
        total = sum(self.seconds.values())
        parts = [
            "# What real programs say to these files",
            f"Written by `{command}`, which took {total / 60:.0f} minutes; do not edit. Times are of the machine that ran it.",
            table(columns, rows),
            *(f"## {title}\n\n{text}" for title, text in sorted(self.sections.items())),
            "## What each finding is held by\n\nEach test failed on the files as they were before.",
            table(
                ("finding", "tests"), ((name, ", ".join(f"`{t}`" for t in tests)) for name, tests in findings.items())
            ),
        ]
        return "\n\n".join(parts) + "\n"


def debian_version(package: str) -> Callable[[], str]:
    """What asks apt for a package's version, without Debian's own revision; only once the tests have run."""

    def ask() -> str:
        words = ["apt-cache", "policy", package]
        policy = subprocess.run(words, capture_output=True, text=True, check=False).stdout
        found = re.search(r"Candidate: (?:\d+:)?([0-9][0-9.]*)", policy)
        return found[1] if found else "unknown"

    return ask


def table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of Markdown."""
    columns = list(columns)
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', '/') for cell in line)} |" for line in lines)
