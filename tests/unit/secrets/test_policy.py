from __future__ import annotations

from opskit.paths import COMPOSE
from opskit.secrets.policy import ALPHABET, BY_NAME, RULES, rules_for


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
