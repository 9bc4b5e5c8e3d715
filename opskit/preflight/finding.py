"""What a check says: verdicts, findings, the report and its gate."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import partial

from opskit.errors import GateClosedError


class Verdict(IntEnum):
    """Ordered from harmless to fatal. SKIP means "could not read", with the reason in `found`."""

    PASS = 0
    SKIP = 1
    WARN = 2
    FAIL = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer of one check about one subject.

    Attributes:
        check: stable id `<subject>-<property>`; people accept faults by it.
        subject: what was looked at: a service, a port, a file, a GPU.
        remedy: what to do, with a command where there is one; empty on PASS.
        required: a SKIP of a required check stops the gate like a FAIL.
    """

    check: str
    verdict: Verdict
    subject: str
    found: str
    wanted: str
    remedy: str = ""
    required: bool = True
    accepted_by: str | None = None

    @property
    def stops(self) -> bool:
        """Whether this finding closes the gate."""
        return self.verdict is Verdict.FAIL or (self.verdict is Verdict.SKIP and self.required)


Check = Callable[[], Iterable[Finding]]
"""A check with its facts given: `functools.partial(check_port_free, stack, holders, containers)`."""

CRASHED = "check-crashed"
"""The id of the finding that stands for a check which raised."""


@dataclass(frozen=True, slots=True)
class Report:
    """All findings of one preflight, worst first."""

    findings: tuple[Finding, ...]

    @property
    def stopping(self) -> tuple[Finding, ...]:
        """The findings that close the gate."""
        return tuple(finding for finding in self.findings if finding.stops)

    def gate(self) -> None:
        """Pass, or stop once with every stopping finding and its remedy.

        Raises:
            GateClosedError: at least one finding stops; nothing was started.
        """
        if not self.stopping:
            return
        lines = [f"preflight: {len(self.stopping)} finding(s) must be mended before a start; nothing was started."]
        lines += [
            f"  [{f.check}] {f.subject}: found {f.found}; wanted {f.wanted}. Remedy: {f.remedy}" for f in self.stopping
        ]
        raise GateClosedError("\n".join(lines))


def judge(checks: Iterable[Check], *, accept: Iterable[str] = (), who: str = "") -> Report:
    """Run every check, order the findings worst first, and lower accepted faults to WARN.

    Args:
        checks: one that raises becomes a FAIL called `check-crashed`, and the others still run.
        accept: check ids a person takes responsibility for; `checks.refuse_unknown` refuses misspelt ones.
        who: the person, kept in the record.
    """
    accepted = frozenset(accept)
    findings = [
        replace(f, verdict=Verdict.WARN, accepted_by=who) if f.stops and f.check in accepted else f
        for check in checks
        for f in _run(check)
    ]
    return Report(tuple(sorted(findings, key=lambda f: (-f.verdict, f.check, f.subject))))


def _run(check: Check) -> tuple[Finding, ...]:
    try:
        return tuple(check())
    except Exception as error:  # noqa: BLE001  whatever it is, it is shown and the other checks still run
        found = f"{type(error).__name__}: {error}"
        remedy = f"report it with this line; accept {CRASHED} to start without what this check would have found"
        return (Finding(CRASHED, Verdict.FAIL, id_of(check), found, "an answer", remedy),)


def id_of(check: Callable[..., object]) -> str:
    """The id of a check by its function's name, `check_port_free` -> `port-free`, also of a partial of it."""
    function = check.func if isinstance(check, partial) else check
    return getattr(function, "__name__", "?").removeprefix("check_").replace("_", "-")
