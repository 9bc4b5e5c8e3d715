"""What came of the probes: rows for a table, and a named failure for each service that does not do its work; pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from opskit.compose.faults import Failure
from opskit.engine.model import Answer, Evidence
from opskit.health.causes import find_cause

_INIT = "read init.sql again: `{compose} exec postgres psql -U postgres -f /docker-entrypoint-initdb.d/init.sql`"
_REMEDIES = {
    "alert_lost": "see `{logs}`; its configuration may drop alerts",
    "bad_answer": "see `{logs}`: it answers otherwise than its version should",
    "open_route": "mount the nginx configuration of this version: the route must ask for STACK_API_KEY",
    "contract": "docs/images.md has what its image must do",
    "dead_route": "start the service that the route leads to, or correct the route in the mounted nginx configuration",
    "left_behind": "take it away by hand",
    "log_lost": "see `{compose} logs filebeat logstash`: one of them does not pass lines on",
    "missing_database": _INIT,
    "missing_right": _INIT,
    "missing_table": _INIT,
    "model_missing": "give VLLM_SERVED_NAME and the models of LiteLLM's configuration one name, and start again",
    "no_alertmanager": "see `alerting` in configs/prometheus.yml, and `{logs}`",
    "no_answer": "see `{logs}`",
    "not_found": "see `{logs}` and those of retrieval-proxy: what was taken in has no vector, or no row",
    "not_asked": "start litellm: services without a published port are asked from its container",
    "not_ready": "see `{logs}`; what it depends on may not answer",
    "not_running": "see `{logs}`, then start the environment again",
    "not_separated": _INIT,
    "secret_missing": "start the environment again: that makes the secrets that are missing",
    "sign_up_open": "set ENABLE_SIGNUP=false, start again, and look for accounts that you do not know",
    "slow": "look at `nvidia-smi` and `{logs}`: other work on the GPU, or a model too large for it",
    "target_down": "see the log of the service that is named; `{compose} ps` shows what runs",
    "unguarded": "it got no key: start the environment again, and look at its configuration",
    "webhook_off": "see `{logs}`; a second n8n on the same database turns webhooks off",
    "wrong_key": "put the value that it was started with back into the env file, or start it again: "
    "`{compose} restart {service}`",
    # an account or a role keeps its password in a volume
    "wrong_key n8n": "put the owner's present password into the env file, as N8N_OWNER_PASSWORD",
    "wrong_key openwebui": "put the administrator's present address and password into the env file, as "
    "WEBUI_ADMIN_EMAIL and WEBUI_ADMIN_PASSWORD",
    "wrong_key postgres": "put back the password that the data was made with into the env file, or give the role the "
    "present one: `{compose} exec postgres psql -U postgres -c '\\password ROLE'`",
}


@dataclass(frozen=True, slots=True)
class Result:
    """What a probe found.

    Attributes:
        service: whose; `subject` names it for people.
        place: where it was asked from.
        done: the steps that went well, each with milliseconds.
        at: the step that failed.
        kind: the stable word of what is wrong; empty where all is well, `no_check` where nothing was asked.
        text: what was found and wanted.
        remedy: where it is not that of the kind.
    """

    service: str
    subject: str
    place: str = ""
    done: tuple[tuple[str, int], ...] = ()
    at: str = ""
    kind: str = ""
    text: str = ""
    left: tuple[str, ...] = ()
    remedy: str = ""

    @property
    def ms(self) -> int:
        """Milliseconds of all steps that went well."""
        return sum(ms for _, ms in self.done)

    @property
    def failed(self) -> bool:
        """Whether the service does not do its work."""
        return self.kind not in {"", "no_check"}

    def redacted(self, redact: Callable[[str], str]) -> Result:
        """The same without what must not be shown: a service may quote what it was sent."""
        return replace(self, text=redact(self.text), left=tuple(map(redact, self.left)))


def parse_result(result: Result, answer: Answer) -> Result:
    """Fill in what a probe printed inside a container: one line of JSON, the last.

    Args:
        result: as far as it is known.
        answer: of the container.
    """
    try:
        printed = json.loads(answer.text.splitlines()[-1])
        return fill(result, printed)
    except (ValueError, IndexError, KeyError, TypeError):
        return replace(result, kind="no_answer", text=answer.text[-300:] or f"exit code {answer.exit_code}")


def fill(result: Result, printed: Mapping[str, object]) -> Result:
    """Fill in what `run_probe` returned."""
    done: Iterable[tuple[str, int]] = printed["done"]  # type: ignore[assignment]
    left: Iterable[str] = printed["left"]  # type: ignore[assignment]
    return replace(
        result,
        done=tuple((str(name), int(ms)) for name, ms in done),
        at=str(printed["at"]),
        kind=str(printed["kind"]),
        text=str(printed["text"]),
        left=tuple(left),
    )


def judge_log(evidence: Evidence, result: Result) -> Result:
    """Whether the log of an owner's image tells that it does not keep the contract of docs/images.md."""
    breach = find_cause(evidence.log, contract=True)
    if breach is None:
        return replace(result, done=(("tells of nothing against the contract", 0),))
    cause, line = breach
    return replace(result, kind="contract", text=f"{cause.cause}: {line.strip()[:200]}", remedy=cause.remedy)


def row_of(result: Result) -> tuple[str, str, str, str, str]:
    """Service, word, milliseconds, steps and where from, for a table."""
    steps = ", ".join(f"{name} {ms}" for name, ms in result.done)
    if result.failed:
        steps = f"{result.at}: {result.text}" if result.at else result.text
    return result.subject, result.kind or "ok", str(result.ms) if result.done else "", steps, result.place


def failures_of(results: Iterable[Result], *, project: str) -> tuple[Failure, ...]:
    """A failure for each service that does not do its work, with what leads on."""
    return tuple(_failure(result, project) for result in results if result.failed)


def _failure(result: Result, project: str) -> Failure:
    compose = f"docker compose -p {project}"
    remedy = _REMEDIES.get(f"{result.kind} {result.service}", _REMEDIES[result.kind])
    remedy = remedy.format(compose=compose, service=result.service, logs=f"{compose} logs {result.service}")
    remedy = "; ".join(filter(None, (result.remedy, remedy)))
    at = f"{result.at}: " if result.at else ""
    evidence = [f"{name}: ok, {ms} ms" for name, ms in result.done] + [f"left behind: {name}" for name in result.left]
    return Failure(result.kind, result.service, f"{result.subject}: {at}{result.text}", tuple(evidence), remedy)
