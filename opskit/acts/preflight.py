"""The look at what would keep each environment from starting here; nothing is started."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property

from opskit.audit.journal import Journal
from opskit.environments import Environment
from opskit.paths import login
from opskit.preflight.checks import CHECK_IDS
from opskit.preflight.finding import Report, Verdict
from opskit.show.tables import FindingsTable, Table
from opskit.site import read_site


class Preflight:
    """The reports of some environments, each read once."""

    def __init__(self, environments: Iterable[Environment], gpu: str, *, rehearse: bool) -> None:
        self.environments = tuple(environments)
        self.gpu = gpu
        self.rehearse = rehearse
        self.journal = Journal.of_this_run()

    @cached_property
    def reports(self) -> dict[str, Report]:
        """The report of every environment, by name."""
        found = {}
        for environment in self.environments:
            site = read_site(environment, gpu=self.gpu, ports="keep", rehearse=self.rehearse, journal=self.journal)
            found[environment.name] = site.check(accept=(), who=login())
        findings = {name: report.findings for name, report in found.items()}
        self.journal.write("preflight", environments=findings)
        return found

    def table(self) -> Table:
        """Environments by checks: the worst verdict of each, and how many there are of it where there are several."""
        rows = [(check, *(_cell(report, check) for report in self.reports.values())) for check in CHECK_IDS]
        said = [row for row in rows if any(row[1:])]
        verdict = ["can start" if not report.stopping else "cannot start" for report in self.reports.values()]
        self.journal.write("outcome", ok=True, failures=[])
        return Table("Preflight", ("check", *self.reports), [("start", *verdict), *said], self.rehearse)

    def findings(self) -> FindingsTable:
        """What is not well, each once, with the environments it concerns and what mends it."""
        loud: dict[tuple[str, str, str], list[str]] = {}
        kept = {}
        for name, report in self.reports.items():
            for finding in report.findings:
                if finding.verdict is not Verdict.PASS:
                    key = (finding.check, finding.subject, finding.found)
                    loud.setdefault(key, []).append(name)
                    kept[key] = finding
        merged = tuple(
            replace(finding, subject=f"{finding.subject} ({', '.join(loud[key])})") for key, finding in kept.items()
        )
        return FindingsTable(Report(tuple(sorted(merged, key=lambda f: (-f.verdict, f.check)))), self.rehearse)


def _cell(report: Report, check: str) -> str:
    said = [finding.verdict for finding in report.findings if finding.check == check]
    if not said:
        return ""
    worst = max(said)
    count = said.count(worst)
    return worst.name if count == 1 or worst is Verdict.PASS else f"{worst.name} {count}"
