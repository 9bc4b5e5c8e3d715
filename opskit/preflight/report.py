"""All findings of one preflight, and the gate that stops on them; pure."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial

from opskit.errors import GateClosedError, LockHeldError
from opskit.preflight.facts import Facts
from opskit.preflight.finding import CRASHED, Check, Finding, Verdict, id_of
from opskit.preflight.registry import CHECKS, run_check

_EVIDENCE_LINES = 5


@dataclass(frozen=True, slots=True)
class Terms:
    """How a preflight is judged.

    Attributes:
        accept: check ids a person takes responsibility for, or `id:subject` for one of its findings;
            `checks.refuse_unknown` refuses misspelt ones.
        who: the person, kept in the record.
        strict: a WARN counts as FAIL, unless it is accepted.
    """

    accept: tuple[str, ...] = ()
    who: str = ""
    strict: bool = False

    def accepts(self, finding: Finding) -> bool:
        """Whether a person has taken responsibility for it."""
        return finding.check in self.accept or f"{finding.check}:{finding.subject}" in self.accept


@dataclass(frozen=True, slots=True)
class Report:
    """All findings of one preflight, worst first."""

    findings: tuple[Finding, ...]

    @classmethod
    def of(cls, findings: Iterable[Finding]) -> Report:
        """These findings, the worst first, then by check and subject."""
        return cls(tuple(sorted(findings, key=lambda f: (-f.verdict, f.check, f.subject))))

    @classmethod
    def from_facts(cls, facts: Facts, terms: Terms = Terms()) -> Report:
        """Run every check that applies; the same facts, from an archive or just read, give the same report."""
        return judge((partial(run_check, check, facts) for check in CHECKS), terms)

    @property
    def stopping(self) -> tuple[Finding, ...]:
        """The findings that block the launch."""
        return tuple(finding for finding in self.findings if finding.stops)

    def gate(self) -> None:
        """Pass, or stop once with every stopping finding and its remedy.

        Raises:
            GateClosedError: at least one finding stops; nothing was started.
            LockHeldError: all that stops is another launch in progress.
        """
        if not self.stopping:
            return
        lines = [f"preflight: {len(self.stopping)} finding(s) must be fixed before a start; nothing was started."]
        for f in self.stopping:
            lines.append(f"  [{f.check}] {f.subject}: found {f.found}; wanted {f.wanted}. Remedy: {f.remedy}")
            lines += [f"    {line}" for line in f.evidence[:_EVIDENCE_LINES]]
        held = {f.check for f in self.stopping} == {"launch-free"}
        raise (LockHeldError if held else GateClosedError)("\n".join(lines))


def judge(checks: Iterable[Check], terms: Terms = Terms()) -> Report:
    """Run checks, order the findings worst first, and lower accepted faults to WARN.

    One that raises becomes a FAIL called `check-crashed`, and the others still run.
    """
    found = [_strictly(f) if terms.strict else f for check in checks for f in _run(check)]
    findings = [
        replace(f, verdict=Verdict.WARN, accepted_by=terms.who) if f.stops and terms.accepts(f) else f for f in found
    ]
    return Report.of(findings)


def _strictly(finding: Finding) -> Finding:
    return replace(finding, verdict=Verdict.FAIL) if finding.verdict is Verdict.WARN else finding


def _run(check: Check) -> tuple[Finding, ...]:
    try:
        return tuple(check())
    except Exception as error:  # noqa: BLE001  whatever it is, it is shown and the other checks still run
        found = f"{type(error).__name__}: {error}"
        remedy = f"report it with this line; accept {CRASHED} to start without what this check would have found"
        seen = tuple("".join(traceback.format_exception(error)).splitlines())
        return (Finding(CRASHED, Verdict.FAIL, id_of(check), found, "an answer", remedy, evidence=seen),)
