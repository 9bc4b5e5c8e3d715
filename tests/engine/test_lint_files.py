"""The rules against real Compose files: one that breaks each, its sound twin, and the stack's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from opskit import process
from opskit.compose.client import Project, find_compose
from opskit.compose.model import parse_stack
from opskit.compose.source import read_source, read_texts
from opskit.environments import Environment, GpuMode, read_environments
from opskit.lint.lint import RULES, LintFault, lint
from opskit.paths import COMPOSE, ENVIRONMENTS, ROOT
from opskit.runbook.matrix import find_overlays
from opskit.secrets.policy import BY_NAME

DATA = Path(__file__).resolve().parents[1] / "data" / "lint"
"""As a launch sets it for what it placed on the GPUs."""

PREDECESSOR = {
    "h: replicas with a container_name": "container-name-replicated",
    "h: replicas on one port of the host, once the name was gone": "fixed-port-replicated",
    "j: POSTGRES_PASSWORD blank without --env-file": "interpolation-blank",
    "j: quotes in the list form become the value": "environment-quoted",
    "m: POSTGRES_PORT moves the port inside the network too": "published-variable-reused",
    "p: curl probes an image that lost it": "probe-tool-missing",
    "p: minio/minio:latest": "image-floating",
    "q: mounted files that are not in the tree": "host-path-missing",
    "r: an external network nobody creates": "external-resource",
    "s: Allure and JMeter on 8080": "port-published-twice",
    "u: 172.25.0.0/24": "subnet-fixed",
}
"""The predecessor's defects that are in its Compose files, with the rule that now finds each."""

ELSEWHERE = {
    "a": "prunes by the wrong number: its script",
    "b": "prunes the whole host: its script",
    "c": "an error handler that cannot run: its script",
    "d": "the GPU mode's return code: its script",
    "e": "demands docker-compose v1: its script; opskit.compose.client takes either",
    "f": "a check skipped for a long name: its script; opskit.environments",
    "g": "sleeps for waiting: its script; health-check-missing and dependency-unready hold the files' part",
    "i": "secrets made again, one project for all: its script; opskit.environments names a project each",
    "k": "what is not inherited: its generator; opskit.secrets",
    "l": "$ and # in a password: its generator; opskit.secrets.policy.ALPHABET",
    "n": "CREATE EXTENSION without pgvector: SQL against an image; a start of the stack shows it",
    "o": "${VAR} in LiteLLM's own configuration: no Compose file",
    "t": "first-run looks for names among ids: its script",
    "v": "n8n without DB_TYPE: a program's own setting, which compose/services/frontends.yml makes",
}


def judge(name: str, files: tuple[Path, ...], root: Path, **settings: str) -> tuple[LintFault, ...]:
    environ = dict.fromkeys(read_source(files).demanded, "set") | settings
    # Consistency is looked at after this: Compose itself refuses a container_name with replicas there.
    words = Project(find_compose(), name, files).words("config", "--no-consistency", "--format", "json")
    done = process.run(words, timeout_s=60, env=environ)
    assert done.rc == 0, done.stderr
    stack = parse_stack(json.loads(done.stdout))
    inside = [Path(source) for _, source in stack.bind_sources if Path(source).is_relative_to(root)]
    present = {str(path): path.exists() for path in inside}  # what is outside is another host's matter
    texts = {str(file.relative_to(root)): text for file, text in read_texts(files).items()}
    return lint(stack, texts=texts, root=str(root), present=present, secrets=BY_NAME)


def opened(faults: tuple[LintFault, ...]) -> list[str]:
    return [fault.rule for fault in faults if fault.accepted is None]


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_finds_its_fault_alone_and_none_in_the_sound_twin(rule: str) -> None:
    accepted = {"port-open"} if rule.startswith("accept-") else set()
    bad, good = (judge("lint", (DATA / rule / f"{twin}.yml",), DATA) for twin in ("bad", "good"))
    assert {fault.rule for fault in bad} - accepted == {rule}
    assert rule in opened(bad)
    assert opened(good) == []
    assert {fault.rule for fault in good} == accepted


def test_every_fixture_is_of_a_rule() -> None:
    assert {folder.name for folder in DATA.iterdir() if folder.is_dir()} == RULES.keys()


def test_every_defect_of_the_predecessor_is_held_somewhere() -> None:
    assert set(PREDECESSOR.values()) <= RULES.keys()
    assert {defect[0] for defect in PREDECESSOR} | ELSEWHERE.keys() == set("abcdefghijklmnopqrstuv")


def stacks() -> list[tuple[Environment, GpuMode | None]]:
    environments = [
        e for e in read_environments(ENVIRONMENTS).values() if all((COMPOSE / f).exists() for f in e.compose)
    ]
    return [(e, mode) for e in environments if e.act_on is None for mode in (*e.gpu, *(() if e.gpu else (None,)))]


@pytest.mark.parametrize(("environment", "mode"), [pytest.param(e, m, id=f"{e.name}-{m}") for e, m in stacks()])
def test_the_repository_lints_itself(environment: Environment, mode: GpuMode | None) -> None:
    overlays = find_overlays(environment, mode, MULTIMODAL_WORKER_GPUS="0") if mode else ()
    files = tuple(COMPOSE / file for file in (*environment.compose, *overlays))
    settings = environment.settings
    faults = judge(environment.project, files, ROOT, **settings)
    assert [str(fault) for fault in faults if not fault.accepted] == []
