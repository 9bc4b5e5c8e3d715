from __future__ import annotations

from pathlib import Path

import pytest

from opskit.paths import COMPOSE
from opskit.secrets.policy import ALPHABET, BY_NAME, RULES, rules_for, value_faults
from opskit.secrets.store import ensure_secrets, read_secrets


def test_only_demanded_variables_that_are_secrets_get_a_rule() -> None:
    rules = rules_for(["MULTIMODAL_WORKER_IMAGE", "N8N_DB_PASSWORD", "POSTGRES_PASSWORD", "N8N_DB_PASSWORD"])
    assert [rule.name for rule in rules] == ["POSTGRES_PASSWORD", "N8N_DB_PASSWORD"]


def test_the_base_stack_has_a_rule_for_each_of_its_secrets() -> None:
    assert {
        "POSTGRES_PASSWORD", "LITELLM_DB_PASSWORD", "N8N_DB_PASSWORD", "MULTIMODAL_DB_PASSWORD", "REDIS_PASSWORD",
        "QDRANT_API_KEY", "MINIO_ROOT_PASSWORD", "VLLM_API_KEY", "LITELLM_MASTER_KEY", "LITELLM_SALT_KEY",
        "WEBUI_SECRET_KEY", "N8N_ENCRYPTION_KEY",
    } <= set(BY_NAME)  # fmt: skip


def test_litellm_gets_the_prefix_it_demands() -> None:
    assert {name for name, rule in BY_NAME.items() if rule.prefix == "sk-"} == {
        "LITELLM_MASTER_KEY",
        "LITELLM_SALT_KEY",
    }


def test_keys_that_data_is_encrypted_with_are_permanent() -> None:
    assert {"LITELLM_SALT_KEY", "N8N_ENCRYPTION_KEY"} <= {rule.name for rule in RULES if rule.permanent}


def test_the_alphabet_has_64_url_safe_characters_and_each_rule_256_bits() -> None:
    assert len(set(ALPHABET)) == 64
    assert not set("$#@:;&|'\"\\ %/?") & set(ALPHABET)
    assert all(rule.length * 6 >= 256 for rule in RULES)


def test_a_name_comes_once() -> None:
    assert len(BY_NAME) == len(RULES)


def test_the_password_of_n8n_s_owner_always_satisfies_n8n() -> None:
    # n8n 2.41, @n8n/api-types, its schema of a password: 8 to 64 characters, a digit, a capital letter.
    rule = BY_NAME["N8N_OWNER_PASSWORD"]
    assert any(letter.isdigit() for letter in rule.prefix)
    assert any(letter.isupper() for letter in rule.prefix)
    assert 8 <= len(rule.prefix) + rule.length <= 64


def test_a_secret_s_volumes_are_volumes_of_the_files() -> None:
    text = "".join(path.read_text() for path in COMPOSE.glob("docker-compose*.yml"))
    for rule in RULES:
        for key in rule.volumes:
            assert f"\n  {key}: {{}}" in text, (rule.name, key)


def test_what_is_permanent_names_the_volume_it_opens() -> None:
    assert all(rule.volumes for rule in RULES if rule.permanent)


@pytest.mark.parametrize(
    ("name", "refused", "taken"),
    [
        ("MINIO_ROOT_PASSWORD", "shorter", "just-8-c"),
        ("LITELLM_MASTER_KEY", "no-prefix-at-all", "sk-1"),
        ("REDIS_PASSWORD", 'p w"d', "p/w%d"),
        ("N8N_OWNER_PASSWORD", "lower-and-1", "Upper-and-1"),
        ("N8N_OWNER_PASSWORD", "A1" + "x" * 63, "A1" + "x" * 62),
        ("WEBUI_ADMIN_PASSWORD", "x" * 73, "y" * 72),
        ("ELASTIC_PASSWORD", "five5", "sixsix"),
        ("KIBANA_ENCRYPTION_KEY", "x" * 31, "y" * 32),
        ("QDRANT_API_KEY", "with a space", "without"),
        ("VLLM_API_KEY", "clé", "key"),
        ("STACK_API_KEY", "sixteen.or.more.", "sixteen-or_more1"),
        ("POSTGRES_PASSWORD", "# ask the DBA", "a # b"),
        ("POSTGRES_PASSWORD", "changeme", "change me not"),
        ("N8N_DB_PASSWORD", "<password>", "p"),
        ("N8N_DB_PASSWORD", " tiger ", "with in"),
    ],
)
def test_what_a_program_refuses_is_named_and_the_value_is_not(name: str, refused: str, taken: str) -> None:
    assert value_faults({name: taken, "OTHER": refused}) == {}
    (why,) = value_faults({name: refused}).values()
    assert refused.strip() not in why


def test_every_value_that_is_made_is_one_that_its_program_takes(tmp_path: Path) -> None:
    path = tmp_path / ".env.x"
    ensure_secrets(path, RULES)
    assert value_faults({name: secret.reveal() for name, secret in read_secrets(path).items()}) == {}


def test_what_can_be_changed_while_the_stack_runs_locks_nobody_out() -> None:
    free = {rule.name for rule in RULES if not rule.why_not_rotated}
    assert free >= {"POSTGRES_PASSWORD", "N8N_DB_PASSWORD", "REDIS_PASSWORD", "LITELLM_MASTER_KEY", "STACK_API_KEY"}
    assert free.isdisjoint(
        {rule.name for rule in RULES if rule.permanent} | {"GRAFANA_PASSWORD", "WEBUI_ADMIN_PASSWORD"}
    )
