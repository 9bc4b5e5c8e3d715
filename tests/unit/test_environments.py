from __future__ import annotations

from pathlib import Path

import pytest

from opskit.environments import Environment, find_environment, read_environments
from opskit.errors import ConfigError, UsageError
from opskit.paths import ENVIRONMENTS

GOOD = """
project_prefix: multimodal
environments:
  development: {aliases: [dev], purpose: work, compose: [a.yml], memory_gib: 24, secrets: true}
  staging: {purpose: try, compose: [b.yml], memory_gib: 12, gpu: {dual: g.yml}}
"""


def read(tmp_path: Path, text: str) -> dict[str, Environment]:
    path = tmp_path / "environments.yaml"
    path.write_text(text)
    return dict(read_environments(path))


def test_the_eight_are_there_with_the_memory_of_the_matrix() -> None:
    memory = {name: e.memory_gib for name, e in read_environments(ENVIRONMENTS).items()}
    wanted = {
        "first-run": 0,
        "development": 24,
        "staging": 12,
        "production": 20,
        "testing": 2,
        "performance": 4,
        "monitoring": 16,
        "optimized": 24,
    }
    assert {name: memory.get(name) for name in wanted} == wanted


def test_each_is_a_project_and_an_env_file_of_its_own(tmp_path: Path) -> None:
    staging = read(tmp_path, GOOD)["staging"]
    assert (staging.project, staging.env_file) == ("multimodal-staging", ".env.staging")


def test_an_alias_finds_its_environment(tmp_path: Path) -> None:
    assert find_environment(read(tmp_path, GOOD), "dev").name == "development"


def test_no_name_is_answered_with_usage_and_the_list(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"(?s)usage: .*development, dev +work.*staging +try"):
        find_environment(read(tmp_path, GOOD), "")


@pytest.mark.parametrize(("name", "near"), [("stagin", "staging"), ("developmnt", "development"), ("dve", "dev")])
def test_an_unknown_name_is_answered_with_the_nearest(tmp_path: Path, name: str, near: str) -> None:
    with pytest.raises(UsageError, match=f"Did you mean {near}\\?"):
        find_environment(read(tmp_path, GOOD), name)


@pytest.mark.parametrize(
    ("found", "wanted", "said"),
    [
        ("memory_gib: 12", "memory_gb: 12", "environments.staging.memory_gb: unknown key; did you mean memory_gib?"),
        ("memory_gib: 12", "memory_gib: lots", "environments.staging.memory_gib: "),
        ("gpu: {dual", "gpu: {tripel", "environments.staging.gpu.tripel"),
        ("compose: [b.yml], ", "", "environments.staging: "),
        ("aliases: [dev]", "aliases: [staging]", "staging names more than one"),
        ("project_prefix: multimodal", "project_prefix: Multi Modal", "project_prefix: "),
        (
            "compose: [b.yml], memory_gib: 12",
            "act_on: develop",
            "staging.act_on: found develop; wanted one of development",
        ),
        ("compose: [b.yml], memory_gib: 12", "act_on: staging", "staging.act_on: found staging"),
        ("purpose: try", "purpose: [", "cannot be read"),
    ],
)
def test_a_fault_of_the_file_is_named_with_its_place(tmp_path: Path, found: str, wanted: str, said: str) -> None:
    assert found in GOOD
    with pytest.raises(ConfigError) as refused:
        read(tmp_path, GOOD.replace(found, wanted))
    assert said in str(refused.value)
    assert "environments.yaml" in str(refused.value)


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "environments.yaml"
    path.write_bytes("# é".encode("latin-1"))
    with pytest.raises(ConfigError, match="cannot be read"):
        read_environments(path)


def test_every_fault_is_in_one_message(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        read(tmp_path, GOOD.replace("memory_gib: 12", "memory_gb: 12").replace("memory_gib: 24", "memory_gib: -1"))
    assert "environments.development.memory_gib" in str(refused.value)
    assert "environments.staging.memory_gb" in str(refused.value)
