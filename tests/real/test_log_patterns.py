"""Which service a log line is filed under: the pattern of logstash.conf in Ruby's regex engine, which Logstash's is like."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from opskit.compose.client import find_compose
from opskit.environments import read_environments
from opskit.paths import ENVIRONMENTS
from opskit.runbook.matrix import resolve
from tests.checkout import ROOT
from tests.real.report import Real, debian_version

REAL = Real(
    "Ruby's regex engine",
    "Debian ruby",
    "the pattern of configs/elk/logstash.conf",
    "filed lines under their service",
    debian_version("ruby"),
)

LOGSTASH = (ROOT / "configs/elk/logstash.conf").read_text()
PROJECTS = (
    "multimodal-monitoring",
    "multimodal-monitoring-rehearsal",
    "stack",
    "a-1-b",
    "my_stack2",
    "1-2",
    "opskit-test-0a1b",
)
MATCH = "input = JSON.parse($stdin.read); puts JSON.dump(input.map { |re, tag| m = Regexp.new(re).match(tag); m && m.named_captures })"


def pattern(project: str) -> str:
    """The grok pattern as Logstash gives it to the engine: variables replaced, definitions as named groups.

    Source: Logstash's documents, grok filter (pattern_definitions, nested field names) and environment variables.
    """
    definitions = dict(re.findall(r'"([A-Z]+)" => "([^"]+)"', LOGSTASH))
    (text,) = re.findall(r'match => \{ "\[docker\]\[attrs\]\[tag\]" => "(.+)" \}', LOGSTASH)
    text = text.replace("${PROJECT}", project)
    return re.sub(r"%\{([A-Z]+):([^}]+)\}", lambda m: f"(?<{m[2]}>{definitions[m[1]]})", text)


@pytest.fixture
def match(program: Callable[[str, str], str]) -> Callable[[list[tuple[str, str]]], list[Any]]:
    """What Ruby captures of each text by each pattern; None where it does not fit."""
    ruby = program("ruby", "ruby")

    def run(pairs: list[tuple[str, str]]) -> list[Any]:
        words = [ruby, "-rjson", "-e", MATCH]
        done = subprocess.run(words, input=json.dumps(pairs), capture_output=True, text=True, check=True)
        return list(json.loads(done.stdout))

    return run


@pytest.fixture(scope="module")
def services() -> set[str]:
    environments = read_environments(ENVIRONMENTS)
    return {
        service.name
        for environment in environments.values()
        if not environment.act_on
        for service in resolve(environment, "dual", find_compose()).stack.services
    }


def test_each_line_is_filed_under_its_own_service(
    services: set[str], match: Callable[[list[tuple[str, str]]], list[Any]]
) -> None:
    assert {"postgres", "multimodal-worker", "elk-setup"} <= services
    wanted = [
        (project, service, replica)
        for project in PROJECTS
        for service in (*sorted(services), "a", "v2-api", "a-1", "under_score", "dot.ted")
        for replica in ("1", "12")
    ]
    captured = match([(pattern(project), f"{project}-{service}-{replica}") for project, service, replica in wanted])
    assert captured == [{"[service][name]": s, "[labels][replica]": r} for _, s, r in wanted]


def test_a_line_of_another_project_is_filed_under_no_service(
    match: Callable[[list[tuple[str, str]]], list[Any]],
) -> None:
    tags = ["other-postgres-1", "stack", "stack-1", "my-stack-postgres-1", "stackpostgres-1", "stack-postgres-1-suffix"]
    assert match([(pattern("stack"), tag) for tag in tags]) == [None] * len(tags)


def test_the_project_is_given_to_both_and_filebeat_reads_files_of_any_length() -> None:
    stack = resolve(read_environments(ENVIRONMENTS)["monitoring"], "dual", find_compose()).stack
    for name in ("logstash", "filebeat"):
        service = stack.service(name)
        assert service.raw["environment"]["PROJECT"] == stack.project
        version = (service.image or "").partition(":")[2].split(".")
        assert (int(version[0]), int(version[1])) >= (9, 5), "before 9.5, Filebeat reads no file under 1024 bytes"
    assert '"[labels][project]" => "${PROJECT}"' in LOGSTASH
    filebeat = (ROOT / "configs/elk/filebeat.yml").read_text()
    assert "file_identity.fingerprint.growing: true" in filebeat
    assert not re.search(r"^ *prospector\.scanner\.fingerprint", filebeat, re.MULTILINE), "replicas would be one file"
