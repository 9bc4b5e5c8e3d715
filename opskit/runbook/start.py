"""Launch an environment, cell by cell."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from importlib import import_module
from threading import Thread
from typing import TYPE_CHECKING, Any

from opskit.audit.history import expected_seconds
from opskit.audit.journal import phase
from opskit.audit.runner import is_interactive
from opskit.compose.plan import Step
from opskit.engine.waste import MODES
from opskit.errors import LaunchFailedError, OpskitError
from opskit.gpu.placement import GPU_MODES
from opskit.health.endpoints import endpoints_of, read_answers
from opskit.host.nvml import read_inventory
from opskit.paths import AUDIT
from opskit.preflight.report import Report
from opskit.runbook.bring_up import bring_up, keep_good
from opskit.runbook.clean import Cleanup, services_of
from opskit.runbook.control import chosen_table, launch_panel, look_at
from opskit.runbook.outcome import outcome_table
from opskit.runbook.parameters import Operation, find_stack, one_of, read_terms
from opskit.runbook.smoke import check_services
from opskit.runbook.verify_gpus import verify_gpus
from opskit.show.plan import draw_plan
from opskit.show.run import Action, stop_action
from opskit.show.tables import FindingsTable, Table
from opskit.target.collect import collect_here
from opskit.target.plan import plan_project
from opskit.target.port_overrides import PORTS
from opskit.target.target import Target
from opskit.unknown import Unknown

if TYPE_CHECKING:
    from ipywidgets import VBox
    from matplotlib.figure import Figure

    from opskit.show.panel import Looked


class Start(Operation):
    """A launch; nothing is touched before `launch`. What each method returns is what its cell shows.

    Args:
        env: name or alias of an environment.
        gpu: auto, dual, single or cpu.
        overlays: further files of compose/, comma separated, merged after the environment's own.
        ports: `auto` moves a busy published port to the next free one; later launches leave it there, until `keep`
            takes all that was moved back.
        cleanup: `auto` removes what is certainly waste where more than 30 % of the disk use is reclaimable; `ask` only
            lists it; see `Clean`.
        accept: check ids, or id:subject, comma separated, whose faults you take responsibility for.
        strict: a warning blocks the launch as a fault does, unless it is accepted.
        smoke: after the launch, ask each service by its own protocol; one that does not do its work is a failed launch.
        rehearse: `yes` runs it with light real programs, stand-ins and recorded GPUs, and says so everywhere; `full`
            with every real program that packages provide.
        deadline_s: seconds until a service that is not ready is called late, counted from when its images are there.
        wait_lock_s: seconds to wait for another launch of the environment that is in progress.

    Raises:
        UsageError: a parameter is missing or unknown; nothing was started.
    """

    def __init__(
        self,
        *,
        env: str,
        gpu: str = "auto",
        overlays: str = "",
        ports: str = "",
        cleanup: str = "never",
        accept: str = "",
        strict: bool = False,
        smoke: bool = True,
        rehearse: str | bool = "no",
        deadline_s: float = 900,
        wait_lock_s: float = 0,
    ) -> None:
        super().__init__(rehearse)
        self.interactive = is_interactive()
        env = env or ("development" if self.interactive else "")
        self.environment = find_stack(env, overlays, rehearse=self.rehearse)
        self.gpu = one_of("gpu", gpu, GPU_MODES)
        self.terms = read_terms(accept, strict=strict)
        self.ports = one_of("ports", ports, PORTS)
        self.cleanup = one_of("cleanup", cleanup, MODES)
        self.asks = smoke
        self.deadline_s, self.wait_lock_s = deadline_s, wait_lock_s
        self.given: Mapping[str, object] = {
            "env": self.environment.name, "gpu": gpu, "overlays": overlays, "ports": ports, "cleanup": cleanup,
            "accept": accept, "strict": strict, "smoke": smoke, "rehearse": self.level, "deadline_s": deadline_s,
            "wait_lock_s": wait_lock_s,
        }  # fmt: skip

    @cached_property
    def target(self) -> Target:
        """Everything known before a decision; read once, at the first act that needs it."""
        target = collect_here(self.environment, gpu=self.gpu, ports=self.ports, level=self.level, journal=self.journal)
        target.keep_facts(self.journal)
        return target

    def look_again(self) -> None:
        """Forget what was read: the next act reads the machine as it is then."""
        for read in ("target", "report", "steps"):
            self.__dict__.pop(read, None)

    def choose(self) -> Table | VBox:
        """In JupyterLab the panel, which starts with what was chosen; headless, what was chosen in words."""
        if self.interactive:
            return launch_panel(self.given, self.look).widget
        return chosen_table(self.environment, self.given, self.terms, rehearsal=self.rehearse)

    def look(self, parameters: Mapping[str, Any]) -> Looked:
        """What preflight and the plan say of other parameters; the cells below show these from then on.

        Raises:
            OpskitError: one of them is wrong, or what is asked does not answer.
        """
        chosen = Start(**{name: value for name, value in parameters.items() if name != "measure"})
        self.look_again()
        vars(self).update(vars(chosen), interactive=self.interactive)
        return look_at(self.preflight(), None if self.report.stopping else self.plan_table())

    def topology(self) -> Figure | Table:
        """The GPUs and their links as a picture; the reason in words where there are none to draw."""
        Thread(target=import_module, args=("opskit.show.topology",)).start()  # as slow as Compose: both at once
        inventory = self.target.facts.inventory
        if isinstance(inventory, Unknown):
            return Table("No GPU to draw", ("why", "remedy"), [(inventory.reason, inventory.remedy)], self.rehearse)
        with phase(self.journal, "topology"):
            from opskit.show.topology import draw_topology  # noqa: PLC0415  imported above

            return draw_topology(inventory, rehearsal=self.rehearse)

    def placement(self) -> Table:
        """The GPU mode, and why."""
        placement = self.target.facts.placement
        return Table(f"GPU mode: {placement.mode}", ("why",), [(why,) for why in placement.reasons], self.rehearse)

    @cached_property
    def report(self) -> Report:
        """The judgement of the facts; taken once."""
        target = self.target
        with phase(self.journal, "preflight"):
            report = Report.from_facts(target.facts, self.terms)
        self.journal.write("findings", findings=report.findings)
        return report

    def preflight(self) -> FindingsTable:
        """Every check, worst first; `gate` stops on it."""
        return FindingsTable(self.report, self.rehearse)

    def gate(self) -> str:
        """Stop here if preflight found what must be fixed; in JupyterLab, where no cell launches, only say so.

        Raises:
            GateClosedError: something must be fixed; nothing was started.
        """
        if not self.interactive:
            self.report.gate()
        if stopping := self.report.stopping:
            return f"The launch is blocked: {', '.join(sorted({finding.check for finding in stopping}))}."
        return f"Nothing blocks the launch: {len(self.report.findings)} findings, none of them stops a start."

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """What Compose will do about each container, network, volume and image; nothing is done."""
        client, stack = self.target.opened()
        return plan_project(client, self.target.project, stack, self.journal).steps

    def plan(self) -> Table:
        """What the launch will do, service by service; nothing is done."""
        said = self.gate()
        if self.report.stopping:
            return Table("No plan", ("why",), [(said,)], self.rehearse)
        return self.plan_table(tell=True)

    def plan_table(self, *, tell: bool = False) -> Table:
        """The steps as a table, beside what each service takes of the machine. `tell`: the journal too."""
        _, stack = self.target.opened()
        usual_s = expected_seconds(AUDIT, self.target.project.name)
        if tell:
            self.journal.write("plan", steps=self.steps, usual_s=usual_s)
        return draw_plan(self.steps, stack, self.target.project.name, usual_s=usual_s, rehearsal=self.rehearse)

    def launch(self) -> Table:
        """Make missing secrets, start what is not running and wait until all of it is ready.

        Raises:
            LaunchFailedError: not everything came to ready; names each failure, its evidence and its remedy.
            LockHeldError: another launch of the same environment is in progress.
        """
        if self.interactive:
            said = [("Launch", "in the panel above: it runs this notebook through papermill, and records it")]
            return Table("Nothing was started by this cell", ("press", "what it does"), said, self.rehearse)
        self.refuse_unrecorded(Action("start", {"env": self.environment.name, **self.rehearsing}), "Launch")
        self.gate()
        if self.cleanup != "never":
            client, _ = self.target.opened()
            ours = {self.target.project.name: services_of(self.environment)}
            Cleanup(client, ours, mode=self.cleanup, operation=self).sweep()
        return self.bring_up()

    def bring_up(self) -> Table:
        """Launch the target, whatever preflight says of it.

        Raises:
            LaunchFailedError: as `launch`.
            LockHeldError: likewise.
        """
        self.target, outcome = bring_up(
            self.target, self.journal, deadline_s=self.deadline_s, wait_lock_s=self.wait_lock_s, sink=self.tell_launch
        )
        return outcome_table(outcome, "is ready", self.environment.name, rehearsal=self.rehearse)

    def urls(self) -> Table:
        """Where everything answers, each http address asked just now."""
        if unknown := self._unknown():
            return unknown
        _, stack = self.target.opened()
        with phase(self.journal, "verify"):
            endpoints = read_answers(endpoints_of(stack))
        self.journal.write("endpoints", rows=endpoints)
        rows = [(e.title, e.page or e.url, e.answer or "", e.service) for e in endpoints]
        return Table("Addresses", ("what", "address", "answer", "service"), rows, self.rehearse)

    def smoke(self) -> Table:
        """Whether every service does what its users need, each asked by its own protocol.

        Raises:
            LaunchFailedError: one does not; what is up stays up.
        """
        if self.interactive or not self.asks:
            why = "the panel's run does it" if self.interactive else "smoke is False"
            return Table("No smoke checks by this cell", ("why",), [(why,)], self.rehearse)
        shown = check_services(self.target, self.journal)
        keep_good(self.target, self.journal)
        return shown

    def _unknown(self) -> Table | None:
        """In JupyterLab, what a cell shows where preflight has already said that there is nothing to ask."""
        try:
            self.target.opened()
        except OpskitError as error:
            if not self.interactive:
                raise
            return Table("Not known", ("why",), [(str(error),)], self.rehearse)
        return None

    def gpus(self, *, measure: bool = False) -> FindingsTable | Table:
        """Whether the containers that should hold GPUs hold them.

        Args:
            measure: also ask nvidia-smi inside each, and sum over the GPUs of the model server.

        Raises:
            LaunchFailedError: one holds other GPUs than it should, or none; what is up stays up.
        """
        if unknown := self._unknown():
            return unknown
        client, stack = self.target.opened()
        with phase(self.journal, "verify"):
            now = self.target.facts.inventory if self.rehearse else read_inventory()
            given = self.target.facts.placement
            found = verify_gpus(client, self.target.project, stack, placement=given, inventory=now, measure=measure)
        report = Report.of(found)
        self.journal.write("gpus", findings=report.findings)
        wrong = [f"  [{f.check}] {f.subject}: {f.found}. Remedy: {f.remedy}" for f in report.stopping]
        if wrong and not self.interactive:
            raise LaunchFailedError("\n".join((f"{self.target.project.name} is up, but not on its GPUs:", *wrong)))
        return FindingsTable(report, self.rehearse, title="GPUs after the launch")

    def commands(self) -> Table:
        """What to type next: status, logs, stop."""
        name = self.environment.name
        rows = [
            ("status", f"opskit status {name}{self.more}"),
            ("logs", f"opskit logs {name} SERVICE --follow{self.more}"),
            ("stop (data is kept)", stop_action(name, self.rehearsing).command),
        ]
        return Table("What next", ("what", "command"), rows, self.rehearse)
