"""What has no package, looked for again in the package lists; one that appears makes its stand-in superfluous."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.real.packages import npm_view
from tests.real.report import Real, table

REAL = Real("none", "PyPI, npm, Debian", "nothing", "the package lists were searched for what has a stand-in", "")
pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]
NAMES = {
    "Qdrant": ("qdrant", "qdrant-server", "qdrant-bin"),
    "Grafana": ("grafana", "grafana-server", "grafana-bin"),
    "Elasticsearch": ("elasticsearch-server", "elasticsearch-bin", "opensearch-bin"),
    "Kibana": ("kibana", "kibana-bin"),
    "Logstash": ("logstash", "logstash-bin"),
    "Filebeat": ("filebeat", "filebeat-bin"),
    "Allure's server": ("allure-docker-service", "allure-server"),
    "dcgm-exporter": ("dcgm-exporter", "nvidia-dcgm-exporter"),
    "MinIO": ("minio-server", "minio-bin"),
}
OTHERS = {
    "PyPI grafana": "0.0.1, an empty package",
    "PyPI kibana": "0.7, a client",
    "PyPI filebeat": "0.0.2, a client",
    "npm qdrant": "1.3.1, a client",
    "npm grafana": "1.0.1, a placeholder",
    "npm kibana": "5.1.1, without Elasticsearch and ten years old",
    "npm logstash": "5.0.2, a client",
    "npm elasticsearch-server": "0.0.1, an empty package",
    "npm elasticsearch-bin": "2.1.0, which downloads Elasticsearch 2.1 of 2015",
}
"""What bears such a name and is no server of today's, as its page says."""


def on_pypi(name: str) -> str:
    words = [sys.executable, "-m", "pip", "index", "versions", "--disable-pip-version-check", name]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout.splitlines()[0] if done.returncode == 0 else ""


def in_debian(name: str) -> str:
    done = subprocess.run(["apt-cache", "policy", name], capture_output=True, text=True, check=False)
    return next((line.split()[1] for line in done.stdout.splitlines() if "Candidate:" in line), "").replace(
        "(none)", ""
    )


def test_what_has_a_stand_in_is_in_no_package_list(section: Callable[[str, str], None]) -> None:
    rows, new = [], []
    for program, names in NAMES.items():
        for name in names:
            answers = {"PyPI": on_pypi(name), "npm": npm_view(name), "Debian": in_debian(name)}
            known = {place: OTHERS.get(f"{place} {name}", "") for place in answers}
            new += [f"{place} {name}: {text}" for place, text in answers.items() if text and not known[place]]
            rows.append((program, name, *(known[place] or answers[place] or "none" for place in answers)))
    section("What no package provides", table(("program", "searched", "PyPI", "npm", "Debian 12"), rows))
    assert new == []
