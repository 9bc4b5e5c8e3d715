"""Which secrets there are, how each is made, and whether it can ever be changed; pure."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from opskit.secrets.roles import ROLES

ALPHABET = string.ascii_letters + string.digits + "_-"
"""URL-safe, and nothing that a shell, YAML or Compose's interpolation would take for its own; 6 bits a character."""


@dataclass(frozen=True, slots=True)
class SecretRule:
    """How one secret is made.

    Attributes:
        length: characters of ALPHABET after the prefix; the 43 of the default hold 258 bits.
        prefix: what its program demands in front.
        permanent: changing it makes data unreadable for ever; it is never rotated.
        first_start: its program takes it once, and keeps a hash of it.
        form: what its program takes, as a pattern; `wants` says it in words.
        volumes: the keys of the volumes whose data was made with it; a new value does not open that data. None for a
            secret that its program takes from the environment at each start.
    """

    name: str
    length: int = 43
    prefix: str = ""
    permanent: bool = False
    volumes: frozenset[str] = frozenset()
    first_start: bool = False
    form: str = r"\S.*\S|\S"
    wants: str = "a value without spaces around it"

    def fault(self, value: str) -> str:
        """What is wrong with a value, without telling it; empty where its program takes it."""
        if _PLACEHOLDER.fullmatch(value):
            return "a text that stands for a value"
        if not re.fullmatch(self.form, value, re.DOTALL):
            return f"{len(value)} characters, wanted {self.wants}"
        return ""

    @property
    def why_not_rotated(self) -> str:
        """Why another value would lock a user out; empty where it can be changed while the stack runs."""
        if self.permanent:
            return "changing it makes data unreadable for ever"
        if self.first_start:
            return "its program takes it at its first start alone: change it there"
        return "" if not self.volumes or self.name in ROLES else "its program keeps it in its data: change it there"


_PLACEHOLDER = re.compile(
    r"(?i)#.*|<.*>|\$\{.*\}|change.?(me|it)|replace.?me|to.?do|tbd|your[-_ ].*|x{3,}|\.{3,}|secret|password"
)
_HEADER = r"[!-~]+"
_SIX, _ELASTIC_WANTS = r".{6,}", "6 characters or more, as Elasticsearch demands"
_IN_HEADER = "letters, digits and signs of ASCII without a space, as a header takes them"

_POSTGRES, _ELASTIC = frozenset({"postgres_data"}), frozenset({"elasticsearch_data"})

RULES: tuple[SecretRule, ...] = (
    SecretRule("POSTGRES_PASSWORD", volumes=_POSTGRES),
    SecretRule("MULTIMODAL_DB_PASSWORD", volumes=_POSTGRES),
    SecretRule("LITELLM_DB_PASSWORD", volumes=_POSTGRES),
    SecretRule("N8N_DB_PASSWORD", volumes=_POSTGRES),
    SecretRule("MONITOR_DB_PASSWORD", volumes=_POSTGRES),
    SecretRule("REDIS_PASSWORD", form=r"""[^\s"'\\]+""", wants="what redis.conf takes: no space, quote or backslash"),
    SecretRule("QDRANT_API_KEY", form=_HEADER, wants=_IN_HEADER),
    SecretRule("MINIO_ROOT_PASSWORD", form=r".{8,}", wants="8 characters or more, as the S3 server demands"),
    SecretRule("VLLM_API_KEY", form=_HEADER, wants=_IN_HEADER),
    SecretRule("LITELLM_MASTER_KEY", prefix="sk-", form=rf"sk-{_HEADER}", wants=f"sk- and then {_IN_HEADER}"),
    SecretRule("LITELLM_SALT_KEY", prefix="sk-", permanent=True, volumes=_POSTGRES),
    SecretRule("WEBUI_SECRET_KEY", permanent=True, volumes=frozenset({"openwebui_data"})),
    SecretRule(
        "WEBUI_ADMIN_PASSWORD", first_start=True, form=r".{1,72}", wants="72 characters at most, as bcrypt takes them"
    ),
    SecretRule("N8N_ENCRYPTION_KEY", permanent=True, volumes=_POSTGRES | {"n8n_data"}),
    SecretRule(
        "N8N_OWNER_PASSWORD",
        prefix="A1-",
        form=r"(?=.*[A-Z])(?=.*[0-9]).{8,64}",
        wants="8 to 64 characters with a capital and a digit, as n8n demands",
    ),
    SecretRule("GRAFANA_PASSWORD", volumes=frozenset({"grafana_data"})),
    SecretRule("ELASTIC_PASSWORD", volumes=_ELASTIC, form=_SIX, wants=_ELASTIC_WANTS),
    SecretRule("KIBANA_PASSWORD", form=_SIX, wants=_ELASTIC_WANTS),
    SecretRule("LOGSTASH_PASSWORD", form=_SIX, wants=_ELASTIC_WANTS),
    SecretRule(
        "KIBANA_ENCRYPTION_KEY",
        permanent=True,
        volumes=_ELASTIC,
        form=r".{32,}",
        wants="32 characters or more, as Kibana demands",
    ),
    SecretRule("STACK_API_KEY", form=r"[A-Za-z0-9_-]{16,}", wants="16 or more letters, digits, _ and -"),
    SecretRule("ALLURE_PASSWORD"),
    SecretRule("ALLURE_JWT_SECRET_KEY"),
)

_SECRET_WORDS = frozenset((
    "PASS", "PASSWD", "PASSWORD", "PASSPHRASE", "PWD", "SECRET", "SECRETS", "TOKEN", "KEY", "KEYS", "CREDENTIAL",
    "CREDENTIALS", "DSN", "WEBHOOK",
))  # fmt: skip
_ABOUT_ONE = frozenset((
    "FILE", "PATH", "ALIAS", "NAME", "LENGTH", "EXPIRES", "EXPIRATION", "ALGORITHM", "TTL", "LIMIT", "TYPE", "ENABLED",
    "HEADER",
))  # fmt: skip
"""Last words of a name whose value is about a secret, and none."""
_PLAIN = re.compile(r"[a-z-]{0,12}|[0-9.]{0,5}")
_USERINFO = re.compile(r"://[^/\s:@]*:([^/\s@]+)@")

BY_NAME: Mapping[str, SecretRule] = {rule.name: rule for rule in RULES}


def value_faults(values: Mapping[str, str]) -> Mapping[str, str]:
    """What is wrong with the values of secrets, by name; the values are not told."""
    return {name: why for name, value in values.items() if name in BY_NAME and (why := BY_NAME[name].fault(value))}


def rules_for(demanded: Iterable[str]) -> tuple[SecretRule, ...]:
    """The rules of those demanded variables that are secrets, in the order of the table."""
    names = frozenset(demanded)
    return tuple(rule for rule in RULES if rule.name in names)


def is_secret(name: str) -> bool:
    """Whether a variable's value must never be shown: one of the table, or one whose name says so."""
    words = name.upper().split("_")
    return name in BY_NAME or (not _SECRET_WORDS.isdisjoint(words) and words[-1] not in _ABOUT_ONE)


def hidden_of(values: Mapping[str, str], *, words: bool = True) -> Mapping[str, str]:
    """The values that must never be shown, by name, passwords inside URLs among them.

    Args:
        values: variables.
        words: whether a plain word counts; in place of one that stands in a Compose file, texts would be blanked.
    """
    named = {name: value for name, value in values.items() if is_secret(name)}
    hidden = {name: value for name, value in named.items() if words or not _PLAIN.fullmatch(value)}
    for name, value in values.items():
        for password in _USERINFO.findall(value):
            hidden[f"{name} password"] = password
            hidden[f"{name} password, decoded"] = unquote(password)
    return hidden
