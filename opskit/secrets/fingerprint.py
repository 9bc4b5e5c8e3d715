"""What tells a secret that was changed from one that was not, where no program can be asked: a salted hash of it."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping

from opskit.secrets.policy import BY_NAME
from opskit.secrets.roles import ROLES
from opskit.secrets.value import Secret

_COST, _SALT = 2**12, 16
"""scrypt's n, 10 ms and 4 MiB a secret: a generated one has 258 bits, and a chosen one is not tried by the million."""


def fingerprints(secrets: Mapping[str, Secret]) -> dict[str, str]:
    """A fingerprint of each secret that opens data and cannot be tried by a login, by its name."""
    wanted = (name for name in secrets if name in BY_NAME and BY_NAME[name].volumes and name not in ROLES)
    return {name: _make(secrets[name].reveal(), os.urandom(_SALT)) for name in wanted}


def changed(secrets: Mapping[str, Secret], known: Mapping[str, str]) -> tuple[str, ...]:
    """The names of secrets that are not the ones of these fingerprints; one without a fingerprint is not known."""
    return tuple(name for name in known if name in secrets and not _is(secrets[name].reveal(), known[name]))


def _make(value: str, salt: bytes) -> str:
    return f"{salt.hex()}:{hashlib.scrypt(value.encode(), salt=salt, n=_COST, r=8, p=1, dklen=32).hex()}"


def _is(value: str, fingerprint: str) -> bool:
    return hmac.compare_digest(_make(value, bytes.fromhex(fingerprint.partition(":")[0])), fingerprint)
