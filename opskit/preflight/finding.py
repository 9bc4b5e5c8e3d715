"""What a check says: verdicts, findings, the report and its gate."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import IntEnum

from opskit.errors import GateClosedError, UsageError


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
        checks: one that raises becomes a finding of its own, and the others still run.
        accept: check ids a person takes responsibility for.
        who: the person, kept in the record.

    Raises:
        UsageError: an accepted id is none of these checks'.
    """
    findings = [finding for check in checks for finding in _run(check)]
    accepted, known = set(accept), {finding.check for finding in findings}
    for word in sorted(accepted - known):
        near = difflib.get_close_matches(word, known, n=1)
        raise UsageError(
            f"accept: found {word!r}, which no check here is called{f'; did you mean {near[0]}?' if near else ''}. "
            f"Wanted some of: {', '.join(sorted(known))}."
        )
    judged = [
        replace(f, verdict=Verdict.WARN, accepted_by=who) if f.stops and f.check in accepted else f for f in findings
    ]
    return Report(tuple(sorted(judged, key=lambda f: (-f.verdict, f.check, f.subject))))


def _run(check: Check) -> tuple[Finding, ...]:
    try:
        return tuple(check())
    except Exception as error:  # noqa: BLE001  whatever it was, it is shown and the other checks still run
        return (
            Finding(
                "check-crashed",
                Verdict.FAIL,
                "a check of opskit",
                f"{type(error).__name__}: {error}",
                "an answer",
                "report it with this line; accept check-crashed to start all the same",
            ),
        )
