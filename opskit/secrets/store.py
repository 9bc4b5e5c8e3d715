"""The env file of an environment: read, add what is missing, write whole or not at all. A value is never changed."""

from __future__ import annotations

import os
import re
import secrets
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from filelock import FileLock

from opskit.errors import ConfigError
from opskit.secrets.policy import SecretRule
from opskit.secrets.value import Secret

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)")
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
_MODE = 0o600
_LOCK_S = 30.0
_HEADER = "# Secrets of one environment, made by opskit. A value is never changed by it: data would be locked out.\n"


def read_secrets(path: Path) -> Mapping[str, Secret]:
    """The file's values by name, as Compose reads them; empty where there is no file.

    Raises:
        ConfigError: a line cannot be read, a name comes twice, or a value is empty; all such lines are named.
    """
    if not path.exists():
        return {}
    values: dict[str, Secret] = {}
    faults = []
    for number, line in enumerate(_read(path).splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        found = _LINE.fullmatch(text)
        place = f"{path}:{number}"
        if found is None:
            faults.append(f"{place}: found a line that is no NAME=value; wanted one; mend or remove it")
        elif found[1] in values:
            faults.append(f"{place}: {found[1]} comes twice; remove one, the one the data was made with stays")
        elif not (value := _unquote(found[2].strip())):
            faults.append(f"{place}: {found[1]} is empty; put its value back, or remove the line to have one made")
        else:
            values[found[1]] = Secret(found[1], value)
    if faults:
        raise ConfigError("\n".join(faults))
    return values


def ensure_secrets(path: Path, rules: Iterable[SecretRule]) -> tuple[str, ...]:
    """Add those of the rules' secrets that the file lacks; what is there stays byte for byte.

    The file comes whole or not at all (temporary file, fsync, rename) and is for its owner alone (0600). A lock keeps
    two processes from making two values of one secret.

    Returns:
        The names added, in the order of the rules.

    Raises:
        ConfigError: the file is damaged; nothing was written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f"{path.name}.lock"), timeout=_LOCK_S, mode=_MODE):
        there = read_secrets(path)
        missing = [rule for rule in rules if rule.name not in there]
        if missing:
            before = _read(path) if path.exists() else _HEADER
            if not before.endswith("\n"):
                before += "\n"
            _write(path, before + "".join(f"{rule.name}={_make(rule)}\n" for rule in missing))
        elif path.exists() and path.stat().st_mode & 0o077:
            path.chmod(_MODE)
    return tuple(rule.name for rule in missing)


def _make(rule: SecretRule) -> str:
    return rule.prefix + "".join(secrets.choice(_ALPHABET) for _ in range(rule.length))


def _unquote(text: str) -> str:
    for quote in "'\"":
        if text.startswith(quote):
            return text[1:].partition(quote)[0]
    return re.split(r"\s#", text, maxsplit=1)[0].strip()


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}; wanted a readable UTF-8 file") from None


def _write(path: Path, text: str) -> None:
    with tempfile.NamedTemporaryFile("wb", dir=path.parent, prefix=f"{path.name}.", delete=False) as sink:
        os.fchmod(sink.fileno(), _MODE)
        sink.write(text.encode())
        sink.flush()
        os.fsync(sink.fileno())
    Path(sink.name).replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
