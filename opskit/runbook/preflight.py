"""Judge what would keep each environment from starting here; nothing is started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from opskit.errors import GateClosedError, UsageError
from opskit.gpu.placement import GPU_MODES
from opskit.paths import ROOT
from opskit.preflight.archive import facts_from_json
from opskit.preflight.facts import Facts
from opskit.preflight.finding import Verdict
from opskit.preflight.registry import CHECK_IDS
from opskit.preflight.report import Report
from opskit.runbook.parameters import Operation, find_stacks, one_of, read_terms
from opskit.show.tables import FindingsTable, Table
from opskit.target.collect import collect_facts
from opskit.target.machine import Machine


class Preflight(Operation):
    """The reports of some environments: of this machine as it is now, or of the facts of an earlier run's record.

    Args:
        env: name or alias of one environment; empty for all of them.
        gpu: auto, dual, single or cpu.
        accept: as in `Start`.
        strict: as in `Start`.
        record: the folder of an earlier run, or one of its facts files, to judge again; empty looks at this machine.
        rehearse: judge the rehearsal instead.

    Raises:
        UsageError: no such environment, mode or check.
    """

    def __init__(
        self,
        *,
        env: str = "",
        gpu: str = "auto",
        accept: str = "",
        strict: bool = False,
        record: str = "",
        rehearse: str | bool = "no",
    ) -> None:
        super().__init__(rehearse)
        self.environments = find_stacks(env, rehearse=self.rehearse)
        self.gpu = one_of("gpu", gpu, GPU_MODES)
        self.terms = read_terms(accept, strict=strict)
        self.record = record

    @cached_property
    def facts(self) -> Mapping[str, Facts]:
        """What each report is judged by, by environment; the machine is looked at once for all of them."""
        return self._archived() if self.record else self._here()

    @cached_property
    def reports(self) -> Mapping[str, Report]:
        """The report of every environment, by name."""
        found = {name: Report.from_facts(facts, self.terms) for name, facts in self.facts.items()}
        self.journal.write("preflight", environments={name: report.findings for name, report in found.items()})
        self.exit_status = GateClosedError.exit_status if any(report.stopping for report in found.values()) else 0
        self.journal.write("verdict", exit_status=self.exit_status)
        return found

    def _here(self) -> Mapping[str, Facts]:
        machine = Machine(level=self.level, journal=self.journal)
        found = {}
        for environment in self.environments:
            target = collect_facts(environment, machine, gpu=self.gpu, journal=self.journal)
            target.keep_facts(self.journal)
            found[environment.name] = target.facts
        return found

    def _archived(self) -> Mapping[str, Facts]:
        place = ROOT / self.record
        files = [place] if place.is_file() else sorted(place.glob("facts-*.json"))
        if not files:
            raise UsageError(f"record: found no facts-*.json in {place}; wanted the folder of a recorded run.")
        read = [facts_from_json(_text_of(file), str(file)) for file in files]
        return {facts.environment.name: facts for facts in read}

    def table(self) -> Table:
        """Environments by checks: the worst verdict of each, and how many there are of it where there are several."""
        rows = [(check, *(_cell(report, check) for report in self.reports.values())) for check in CHECK_IDS]
        said = [row for row in rows if any(row[1:])]
        verdict = ["can start" if not report.stopping else "cannot start" for report in self.reports.values()]
        return Table("Preflight", ("check", *self.reports), [("start", *verdict), *said], self.rehearse)

    def findings(self) -> FindingsTable:
        """What is not well, each once, with the environments it concerns and what fixes it."""
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


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"record: {file} cannot be read: {error}; wanted the facts of a recorded run.") from None


def _cell(report: Report, check: str) -> str:
    said = [finding.verdict for finding in report.findings if finding.check == check]
    if not said:
        return ""
    worst = max(said)
    count = said.count(worst)
    return worst.name if count == 1 or worst is Verdict.PASS else f"{worst.name} {count}"
