"""Judges the Compose files as no schema can: what Compose accepts and what fails later, on the host; pure."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from opskit.compose.labels import ACCEPT, parse_labels
from opskit.compose.model import Stack
from opskit.compose.source import Scalar, parse_scalars
from opskit.lint import image as lint_image
from opskit.lint import service as lint_service
from opskit.lint import stack as lint_stack
from opskit.lint import text as lint_text
from opskit.lint.subject import Flaw, Subject

Check = Callable[[Subject], Iterator[Flaw]]


@dataclass(frozen=True, slots=True)
class LintFault:
    """One thing in the Compose files that will fail later or harm something.

    Attributes:
        rule: the id of the rule; people accept faults by it.
        place: a path in the resolved model, or a file and line.
        accepted: the reason on the service's label; None where nobody accepted it.
    """

    rule: str
    place: str
    message: str
    remedy: str
    accepted: str | None = None

    def __str__(self) -> str:
        return f"{self.place}: {self.message}; {self.remedy} [{self.rule}]"


def _by_id(*checks: Check) -> Mapping[str, Check]:
    return {check.__name__.removeprefix("check_").replace("_", "-"): check for check in checks}


_OF_TEXT = _by_id(
    lint_text.check_interpolation_blank,
    lint_text.check_image_floating,
    lint_text.check_published_variable_reused,
    lint_text.check_secret_in_command,
)
_OF_STACK = _by_id(
    lint_service.check_container_name_replicated,
    lint_service.check_fixed_port_replicated,
    lint_service.check_port_open,
    lint_service.check_environment_quoted,
    lint_service.check_memory_limit_missing,
    lint_service.check_health_check_missing,
    lint_service.check_restart_policy_missing,
    lint_service.check_log_limit_missing,
    lint_service.check_start_period_short,
    lint_service.check_gpu_count_mismatch,
    lint_service.check_label_invalid,
    lint_stack.check_port_published_twice,
    lint_stack.check_host_path_outside,
    lint_stack.check_host_path_missing,
    lint_stack.check_external_resource,
    lint_stack.check_subnet_fixed,
    lint_stack.check_dependency_unready,
    lint_stack.check_one_shot_unfinished,
    lint_image.check_probe_tool_missing,
    lint_image.check_data_path_mismatch,
)
RULES: Mapping[str, str] = {
    **{rule: check.__doc__ or "" for rule, check in {**_OF_TEXT, **_OF_STACK}.items()},
    "accept-unknown": "A label accepts a rule that there is.",
    "accept-stale": "A label accepts a fault that there still is.",
    "accept-unexplained": "A label says why it accepts.",
}
"""What every rule wants, by the id of its fault."""


def lint(
    stack: Stack,
    *,
    texts: Mapping[str, str],
    root: str,
    present: Mapping[str, bool] | None,
    secrets: Collection[str],
) -> tuple[LintFault, ...]:
    """Every fault of the files, the accepted ones too.

    Args:
        stack: as Compose resolved it.
        texts: every Compose file it came from, the extended ones too, by the name that a fault shall give.
        root: the project's folder.
        present: whether each bind source exists; None where nobody looked.
        secrets: names of the variables that hold secrets.

    Raises:
        ConfigError: a text is no YAML.
    """
    scalars = tuple(scalar for file, text in texts.items() for scalar in parse_scalars(file, text))
    subject = Subject(stack, scalars, root, present or {}, secrets)
    of_stack = {rule: check for rule, check in _OF_STACK.items() if present is not None or rule != "host-path-missing"}
    resolved = {service.name: service.labels.accepted for service in stack.services}
    return (
        *_judge(_OF_TEXT, subject, _written(scalars)),
        *_judge(of_stack, subject, resolved),
        *_misused(resolved),
    )


def _written(scalars: tuple[Scalar, ...]) -> Mapping[str, Mapping[str, str]]:
    """Acceptances by the service they are written in: a rule about texts knows no other."""
    found: dict[str, dict[str, str]] = {}
    for scalar in scalars:
        for owner in scalar.owners:
            if scalar.path[2:3] == ("labels",):
                key, _, value = (
                    scalar.value.partition("=") if scalar.path[3].isdigit() else (scalar.path[3], "", scalar.value)
                )
                found.setdefault(owner, {}).update(parse_labels({key: value}).accepted)
    return found


def _judge(
    checks: Mapping[str, Check], subject: Subject, acceptances: Mapping[str, Mapping[str, str]]
) -> Iterator[LintFault]:
    stale = {(owner, rule) for owner, rules in acceptances.items() for rule in rules if rule in checks}
    for rule, check in checks.items():
        for flaw in check(subject):
            accepting = [owner for owner in flaw.owners if rule in acceptances.get(owner, ())]
            stale -= {(owner, rule) for owner in accepting}
            reason = acceptances[accepting[0]][rule] if accepting else None
            yield LintFault(rule, flaw.place, f"found {flaw.found}; wanted {flaw.wanted}", flaw.remedy, reason)
    for owner, rule in sorted(stale):
        message = f"found an accepted {rule}; wanted no acceptance, since nothing needs it"
        yield LintFault("accept-stale", f"services/{owner}/labels/{ACCEPT}{rule}", message, "remove the label")


def _misused(resolved: Mapping[str, Mapping[str, str]]) -> Iterator[LintFault]:
    for owner, rules in resolved.items():
        for rule, reason in rules.items():
            place = f"services/{owner}/labels/{ACCEPT}{rule}"
            if rule not in _OF_TEXT and rule not in _OF_STACK:
                known = (*_OF_TEXT, *_OF_STACK)
                remedy = f"write one of {', '.join(difflib.get_close_matches(rule, known, n=1) or known)}"
                yield LintFault("accept-unknown", place, f"found {rule}; wanted the id of a rule", remedy)
            elif not reason.strip():
                yield LintFault(
                    "accept-unexplained", place, "found no reason; wanted one", "write why it is right here"
                )
