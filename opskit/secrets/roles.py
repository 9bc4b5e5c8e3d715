"""The roles of PostgreSQL and the secrets that open them; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

ROLES: Mapping[str, str] = {
    "POSTGRES_PASSWORD": "postgres",
    "MULTIMODAL_DB_PASSWORD": "multimodal",
    "LITELLM_DB_PASSWORD": "litellm",
    "N8N_DB_PASSWORD": "n8n",
    "MONITOR_DB_PASSWORD": "monitor",
}
"""Role by secret; sql/init.sql makes all but the first, which the image makes."""


def alter_words(names: Iterable[str]) -> tuple[str, ...]:
    """The command that gives roles the passwords of its environment, over the socket, which asks for none.

    Args:
        names: of the secrets; each is a variable of the command.
    """
    lines = [
        line for name in names for line in (f"\\getenv value {name}", f"ALTER ROLE {ROLES[name]} PASSWORD :'value';")
    ]
    script = "\n".join((r"\set ON_ERROR_STOP on", "SET log_statement = 'none';", "BEGIN;", *lines, "COMMIT;"))
    return ("sh", "-c", f"psql -Xq -U postgres -d postgres <<'SQL'\n{script}\nSQL")


def login_words(name: str) -> tuple[str, ...]:
    """The command that logs in as a secret's role over the network; PGPASSWORD is its password."""
    database = (
        "postgres" if name == "POSTGRES_PASSWORD" else "multimodal" if name == "MONITOR_DB_PASSWORD" else ROLES[name]
    )
    return ("psql", "-XqAt", "-h", "postgres", "-U", ROLES[name], "-d", database, "-c", "SELECT 'in'")
