from __future__ import annotations

import pytest

from opskit.preflight.checks_secret import check_secret_data, check_secret_file, check_secret_readable
from opskit.preflight.finding import Verdict
from tests.facts import stack, volume

PROJECT = "multimodal-staging"


@pytest.mark.parametrize(("unmade", "volumes"), [([], []), ([], ["pg"]), (["REDIS_PASSWORD"], [])])
def test_new_secrets_without_data_and_old_ones_with_it_are_fine(unmade: list[str], volumes: list[str]) -> None:
    (finding,) = check_secret_data(stack(), unmade, [volume(name, PROJECT) for name in volumes], ".env.development")
    assert finding.verdict is Verdict.PASS


def test_a_new_secret_for_old_data_fails_and_names_both() -> None:
    data = [volume("redis", PROJECT), volume("pg", PROJECT), volume("theirs", "other")]
    (finding,) = check_secret_data(stack(), ["B_KEY", "A_KEY"], data, ".env.development")
    assert finding.verdict is Verdict.FAIL
    assert finding.found == "A_KEY, B_KEY missing, while there is data in pg, redis"
    assert "docker volume rm pg redis" in finding.remedy


@pytest.mark.parametrize(
    ("mode", "verdict"), [(None, Verdict.PASS), (0o600, Verdict.PASS), (0o400, Verdict.PASS), (0o640, Verdict.WARN)]
)
def test_an_env_file_others_may_read_is_a_warning_with_its_command(mode: int | None, verdict: Verdict) -> None:
    (finding,) = check_secret_file(".env.staging", mode)
    assert finding.verdict is verdict
    assert verdict is Verdict.PASS or finding.remedy == "`chmod 600 .env.staging`"


def test_an_env_file_that_cannot_be_used_fails_with_its_lines() -> None:
    (finding,) = check_secret_readable(".env.staging", ".env.staging:3: REDIS_PASSWORD is empty")
    assert (finding.verdict, finding.found) == (Verdict.FAIL, ".env.staging:3: REDIS_PASSWORD is empty")
    assert [f.verdict for f in check_secret_readable(".env.staging", "")] == [Verdict.PASS]
