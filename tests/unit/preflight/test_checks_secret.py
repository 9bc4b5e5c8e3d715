from __future__ import annotations

import pytest

from opskit.compose.model import Stack, parse_stack
from opskit.preflight.checks.secret import (
    check_data_missing,
    check_secret_changed,
    check_secret_data,
    check_secret_file,
    check_secret_readable,
    check_secret_shell,
    check_secret_value,
)
from opskit.preflight.finding import Verdict
from tests.facts import stack, volume

PROJECT = "multimodal-staging"


@pytest.mark.parametrize(
    ("unmade", "volumes"),
    [
        ([], []),
        ([], ["postgres_data"]),
        (["POSTGRES_PASSWORD"], []),
        (["POSTGRES_PASSWORD"], ["redis_data"]),
        (
            ["WEBUI_ADMIN_PASSWORD", "N8N_OWNER_PASSWORD", "REDIS_PASSWORD"],
            ["openwebui_data", "n8n_data", "redis_data"],
        ),
    ],
)
def test_a_secret_that_no_data_was_made_with_is_made_beside_data(unmade: list[str], volumes: list[str]) -> None:
    (finding,) = check_secret_data(
        stack(), unmade, [volume(name, PROJECT) for name in volumes], ".env.development", "dev"
    )
    assert finding.verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("secret", "key"),
    [
        ("POSTGRES_PASSWORD", "postgres_data"),
        ("MONITOR_DB_PASSWORD", "postgres_data"),
        ("LITELLM_SALT_KEY", "postgres_data"),
        ("N8N_ENCRYPTION_KEY", "postgres_data"),
        ("N8N_ENCRYPTION_KEY", "n8n_data"),
        ("WEBUI_SECRET_KEY", "openwebui_data"),
        ("GRAFANA_PASSWORD", "grafana_data"),
        ("ELASTIC_PASSWORD", "elasticsearch_data"),
        ("KIBANA_ENCRYPTION_KEY", "elasticsearch_data"),
    ],
)
def test_a_lost_secret_fails_beside_each_volume_it_opens(secret: str, key: str) -> None:
    (finding,) = check_secret_data(stack(), [secret], [volume(key, PROJECT)], ".env.staging", "staging")
    assert finding.verdict is Verdict.FAIL


def test_each_lost_secret_has_a_finding_with_its_own_volumes_and_ways_back() -> None:
    data = [volume(key, PROJECT) for key in ("redis_data", "postgres_data", "n8n_data")]
    unmade = ["REDIS_PASSWORD", "N8N_ENCRYPTION_KEY", "N8N_DB_PASSWORD"]
    role, key = check_secret_data(stack(), unmade, [*data, volume("grafana_data", "other")], ".env.dev", "dev")
    assert (role.subject, role.found) == ("N8N_DB_PASSWORD", "not in .env.dev, while there is data in postgres_data")
    assert key.found == "not in .env.dev, while there is data in n8n_data, postgres_data"
    for finding in (role, key):
        assert "opskit secrets dev -p action recover" in finding.remedy
        assert ".env.dev.before-*" in finding.remedy
    assert "action repair" in role.remedy
    assert "action repair" not in key.remedy
    assert role.remedy.endswith("`docker volume rm postgres_data`")


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


def test_a_value_that_its_program_refuses_stops_and_is_not_told() -> None:
    (fine,) = check_secret_value(".env.dev", {})
    (finding,) = check_secret_value(".env.dev", {"MINIO_ROOT_PASSWORD": "5 characters that are not 8 or more"})
    assert (fine.verdict, finding.verdict) == (Verdict.PASS, Verdict.FAIL)
    assert (finding.subject, ".env.dev" in finding.remedy) == ("MINIO_ROOT_PASSWORD", True)


def test_a_secret_of_the_shell_that_is_not_used_is_said() -> None:
    (fine,) = check_secret_shell(".env.dev", ())
    (finding,) = check_secret_shell(".env.dev", ("POSTGRES_PASSWORD", "REDIS_PASSWORD"))
    assert (fine.verdict, finding.verdict) == (Verdict.PASS, Verdict.WARN)
    assert "unset POSTGRES_PASSWORD REDIS_PASSWORD" in finding.remedy


def named(*keys: str) -> Stack:
    return parse_stack(
        {"name": PROJECT, "services": {}, "volumes": {key: {"name": f"{PROJECT}_{key}"} for key in keys}}
    )


@pytest.mark.parametrize("there", [["postgres_data", "n8n_data"], ["postgres_data", "n8n_data", "vllm_cache", "other"]])
def test_data_that_is_all_there_passes_and_a_cache_is_not_missed(there: list[str]) -> None:
    launched = [f"{PROJECT}_{key}" for key in ("postgres_data", "n8n_data", "vllm_cache", "of_an_overlay")]
    volumes = [volume(f"{PROJECT}_{key}", PROJECT) for key in there]
    (finding,) = check_data_missing(named("postgres_data", "n8n_data", "vllm_cache"), launched, "", volumes, "staging")
    assert (finding.verdict, finding.found) == (Verdict.PASS, "2 volumes, all there")


def test_a_volume_that_vanished_stops_with_a_typed_way_on() -> None:
    launched = [f"{PROJECT}_postgres_data", f"{PROJECT}_n8n_data"]
    (finding,) = check_data_missing(
        named("postgres_data", "n8n_data"), launched, "", [volume(f"{PROJECT}_n8n_data", PROJECT)], "staging"
    )
    assert (finding.verdict, finding.subject) == (Verdict.FAIL, f"{PROJECT}_postgres_data")
    assert "opskit start staging -p accept data-missing" in finding.remedy


def test_before_the_first_launch_nothing_is_missed() -> None:
    (finding,) = check_data_missing(named("postgres_data"), (), "", (), "staging")
    assert finding.verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("name", "volumes", "verdict"),
    [
        ("N8N_ENCRYPTION_KEY", ["n8n_data"], Verdict.FAIL),
        ("LITELLM_SALT_KEY", ["postgres_data"], Verdict.FAIL),
        ("GRAFANA_PASSWORD", ["grafana_data"], Verdict.WARN),
        ("N8N_ENCRYPTION_KEY", ["redis_data"], Verdict.PASS),
        ("N8N_ENCRYPTION_KEY", [], Verdict.PASS),
    ],
)
def test_a_changed_secret_is_a_fault_beside_the_data_that_it_opens(
    name: str, volumes: list[str], verdict: Verdict
) -> None:
    there = [volume(key, PROJECT) for key in volumes]
    (finding,) = check_secret_changed(stack(), [name], there, ".env.dev", "dev")
    assert finding.verdict is verdict
    if verdict is not Verdict.PASS:
        assert f"opskit secrets dev -p action recover -p names {name}" in finding.remedy
        assert ".env.dev.before-*" in finding.remedy


def test_a_restore_that_was_killed_stops_with_the_way_to_end_it() -> None:
    (finding,) = check_data_missing(named("postgres_data"), (), "ac406fee", (), "staging")
    assert (finding.verdict, finding.found) == (Verdict.FAIL, "set ac406fee was not put back whole")
    assert f"opskit restore staging -p snapshot ac406fee -p confirm {PROJECT}" in finding.remedy
