"""What tells a changed secret from the one of the last good launch."""

from __future__ import annotations

from opskit.secrets.fingerprint import changed, fingerprints
from opskit.secrets.value import Secret


def _file(**values: str) -> dict[str, Secret]:
    return {name: Secret(name, value) for name, value in values.items()}


def test_only_what_opens_data_and_no_login_can_try_has_one() -> None:
    names = ("N8N_ENCRYPTION_KEY", "GRAFANA_PASSWORD", "POSTGRES_PASSWORD", "REDIS_PASSWORD", "HF_TOKEN")
    assert set(fingerprints(_file(**dict.fromkeys(names, "a-value-of-its-own")))) == {
        "N8N_ENCRYPTION_KEY",
        "GRAFANA_PASSWORD",
    }


def test_a_change_is_told_and_the_value_is_not() -> None:
    known = fingerprints(_file(N8N_ENCRYPTION_KEY="the-first-one", WEBUI_SECRET_KEY="kept"))
    assert "the-first-one" not in str(known)
    assert changed(_file(N8N_ENCRYPTION_KEY="the-first-one", WEBUI_SECRET_KEY="kept"), known) == ()
    assert changed(_file(N8N_ENCRYPTION_KEY="another", WEBUI_SECRET_KEY="kept"), known) == ("N8N_ENCRYPTION_KEY",)


def test_the_same_value_has_another_one_each_time() -> None:
    one, two = (fingerprints(_file(N8N_ENCRYPTION_KEY="same"))["N8N_ENCRYPTION_KEY"] for _ in range(2))
    assert one != two


def test_what_was_not_known_and_what_is_lost_are_not_called_changed() -> None:
    assert changed(_file(N8N_ENCRYPTION_KEY="any"), {}) == ()
    assert changed({}, fingerprints(_file(N8N_ENCRYPTION_KEY="lost"))) == ()
