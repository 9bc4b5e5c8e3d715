"""The env file of an environment: read, add what is missing, write whole or not at all. A value is never changed."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import secrets
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from filelock import FileLock, Timeout

from opskit.errors import ConfigError, LockHeldError, UsageError, did_you_mean
from opskit.files import PART, is_shared, make_folder, utc_stamp, write_atomically
from opskit.secrets.envfile import Entry, parse_lines, quote, values_of
from opskit.secrets.policy import ALPHABET, BY_NAME, SecretRule, hidden_of
from opskit.secrets.value import Secret

_LOCK_S = 30.0
_KINDS = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"))
_HEADER = "# Secrets of one environment, made by opskit. A value is never changed by it: data would be locked out.\n"


def read_secrets(path: Path) -> Mapping[str, Secret]:
    """The file's values by name, as Compose reads them; empty where there is no file.

    Raises:
        ConfigError: a line cannot be read, a name comes twice, or a secret is empty; all such lines are named.
    """
    text = _read(path)
    try:
        values = values_of(parse_lines(text or "", os.environ), str(path), BY_NAME)
    except ValueError as faults:
        raise ConfigError(str(faults)) from None
    return {name: Secret(name, value) for name, value in values.items()}


def read_given(name: str, env_file: Mapping[str, Secret]) -> str:
    """What the operator set a variable to, by Compose's own precedence: the shell, then the env file; else empty."""
    return os.environ.get(name) or (env_file[name].reveal() if name in env_file else "")


def read_one(name: str, path: Path) -> str:
    """What a launch gives the services as a secret: the file's, whatever the shell has.

    Raises:
        UsageError: the file does not have it.
    """
    there = read_secrets(path)
    if name not in there:
        raise UsageError(
            f"{name}: not in {path}.{did_you_mean(name, there)} Wanted one of: "
            f"{', '.join(sorted(there)) or 'none; the first start makes them'}."
        )
    return there[name].reveal()


def read_hidden(env_file: Mapping[str, Secret], used: Iterable[str]) -> Mapping[str, str]:
    """Values that must never be shown, by name: the env file's, and those the shell gives to what the files use.

    Args:
        env_file: its values.
        used: names of the variables that the Compose files use.
    """
    shell = {name: os.environ[name] for name in used if os.environ.get(name)}
    return {**hidden_of(shell), **hidden_of({name: value.reveal() for name, value in env_file.items()})}


def ensure_secrets(
    path: Path, rules: Iterable[SecretRule], planned: Mapping[str, Secret] = MappingProxyType({})
) -> tuple[str, ...]:
    """Add those of the rules' secrets that the file lacks; what is there stays byte for byte.

    The file comes whole or not at all (temporary file, fsync, rename) and is for its owner alone (0600), with the group
    where the checkout is the group's (0660). A lock beside it keeps two processes from making two values of one secret.

    Args:
        path: of the file.
        rules: of the secrets it shall have.
        planned: values for what is missing, by name; any other is made here.

    Returns:
        The names added, in the order of the rules.

    Raises:
        ConfigError: the file is damaged or cannot be written; it is as it was.
        LockHeldError: another process keeps the lock.
    """
    path = _regular(path)  # a link stays a link: what it leads to is written
    with _written(path), _locked(path):
        there = read_secrets(path)
        missing = [rule for rule in rules if rule.name not in there]
        if missing or not path.exists():  # where nothing is secret the file is still the place for the operator's own
            before = _read(path)
            if before is None:
                before = _HEADER
            elif before and not before.endswith("\n"):
                before += "\n"
            values = {**new_values(missing), **{r.name: planned[r.name].reveal() for r in missing if r.name in planned}}
            _rewrite(path, before + "".join(f"{name}={value}\n" for name, value in values.items()))
        elif path.exists() and path.stat().st_mode & 0o077 & ~_mode_of(path):
            path.chmod(_mode_of(path))
    return tuple(rule.name for rule in missing)


def change_secrets(path: Path, values: Mapping[str, str]) -> None:
    """Give a file these secrets, in place of what it has of them, else at its end; all else stays byte for byte.

    Raises:
        ConfigError: the file is damaged or cannot be written; it is as it was.
        LockHeldError: another process keeps the lock.
    """
    path = _regular(path)
    with _written(path), _locked(path):
        there = read_secrets(path).keys()
        if values:
            text = _replaced(_read(path) or _HEADER, values)
            new = "".join(f"{name}={quote(value)}\n" for name, value in values.items() if name not in there)
            _rewrite(path, f"{text}\n{new}" if new and not text.endswith("\n") else text + new)


def put_back_file(path: Path, text: str) -> None:
    """Write the file whole, as it was once; what it is now stays beside it, dated.

    Raises:
        ConfigError: it cannot be written; it is as it was.
        LockHeldError: another process keeps the lock.
    """
    path = _regular(path)
    with _written(path), _locked(path):
        _rewrite(path, text)


def new_values(rules: Iterable[SecretRule]) -> dict[str, str]:
    """A value for each rule, as a file without it would get."""
    return {rule.name: _make(rule) for rule in rules}


def forget_secrets(path: Path) -> tuple[str, ...]:
    """Take the generated secrets out of the file, for when the data made with them is gone; all else stays.

    The file as it was stays beside it, dated.

    Returns:
        The names taken out.

    Raises:
        ConfigError: the file is damaged or cannot be written; it is as it was.
        LockHeldError: another process keeps the lock.
    """
    path = _regular(path)
    with _written(path), _locked(path):
        gone = tuple(name for name in read_secrets(path) if name in BY_NAME)
        if gone:
            lines = _lines(_read(path) or "")
            _rewrite(path, "".join(line for line in lines if _name_of(line) not in gone))
    return gone


def kept_copies(path: Path) -> tuple[Path, ...]:
    """What the file was before each change, newest first."""
    return tuple(sorted(path.parent.glob(f"{path.name}.before-*"), reverse=True))


def write_setting(path: Path, name: str, value: str | None) -> None:
    """Write one line `name=value` that is no secret, in the place of an earlier one; None takes it out.

    All other lines stay byte for byte.

    Raises:
        ConfigError: the file is damaged or cannot be written; it is as it was.
        LockHeldError: another process keeps the lock.
    """
    path = _regular(path)
    with _written(path), _locked(path):
        there = name in read_secrets(path)
        if value is None and not there:
            return
        lines = _lines(_read(path) or _HEADER)
        kept = [line for line in lines if _name_of(line) != name]
        if kept and not kept[-1].endswith("\n"):
            kept[-1] += "\n"
        _rewrite(path, "".join([*kept, *([f"{name}={value}\n"] if value is not None else [])]))


def _regular(path: Path) -> Path:
    """Where the path leads to: a regular file, or nothing yet; a pipe would hang, and a device would be replaced.

    Raises:
        ConfigError: it leads to something else, or nowhere.
    """
    try:
        real = path.resolve()
        mode = real.stat().st_mode
    except FileNotFoundError:
        return real
    except (OSError, RuntimeError) as error:
        if isinstance(error, OSError) and error.errno != errno.ELOOP:
            return path  # it cannot be looked at: who opens it says so
        raise ConfigError(
            f"{path}: found links in a circle; wanted a regular file. Remedy: look at `ls -l {path}`"
        ) from None
    if not stat.S_ISREG(mode):
        found = next((word for is_it, word in _KINDS if is_it(mode)), "something else")
        raise ConfigError(f"{path}: found {found} at {real}; wanted a regular file. Remedy: `mv {path} {path}.away`")
    return real


@contextlib.contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"writing {path}: {error.strerror or error}; wanted a folder this user may write to. Remedy: look at "
            f"`ls -ld {path.parent}` and `ls -l {path}*`; the file is as it was."
        ) from None


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    make_folder(path.parent)
    lock = FileLock(path.with_name(f"{path.name}.lock"), timeout=_LOCK_S, mode=0o666)
    try:
        lock.acquire()
    except Timeout:
        raise LockHeldError(
            f"writing {path}: another process held {lock.lock_file} for {_LOCK_S:g} s. Wait for its end, or end it "
            f"(`fuser -v {lock.lock_file}`); the file is as it was."
        ) from None
    for left in path.parent.glob(f"{path.name}.*{PART}"):  # of a process that was killed; nobody else writes just now
        left.unlink(missing_ok=True)
    try:
        yield
    finally:
        lock.release()


def _rewrite(path: Path, text: str) -> None:
    """Write the file whole; what it was stays beside it, dated and its owner's alone: the way back to data it opens."""
    before = _read(path)
    if before and any(isinstance(entry, Entry) for entry in parse_lines(before)):
        write_atomically(path.with_name(f"{path.name}.before-{utc_stamp()}"), before)
    write_atomically(path, text)


def _mode_of(path: Path) -> int:
    return 0o660 if is_shared(path.parent) else 0o600


def _replaced(text: str, values: Mapping[str, str]) -> str:
    """The file's text with other values of these names, each in its place."""
    named = [(_name_of(line), line) for line in _lines(text)]
    return "".join(f"{name}={quote(values[name])}\n" if name in values else line for name, line in named)


def _lines(text: str) -> list[str]:
    """Lines as Compose parts them, at a line feed alone: Python's own splitting would part a value at U+2028 too."""
    return list(io.StringIO(text, newline="\n"))


def _name_of(line: str) -> str:
    """The variable that a line of the file gives; empty where it gives none."""
    return next((entry.name for entry in parse_lines(line) if isinstance(entry, Entry)), "")


def _make(rule: SecretRule) -> str:
    return rule.prefix + "".join(secrets.choice(ALPHABET) for _ in range(rule.length))


def _read(path: Path) -> str | None:
    """The file's text, line ends as they are; None where there is no file."""
    path = _regular(path)
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start} is not UTF-8; wanted a UTF-8 text file; restore it") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}; wanted a file that this user may read") from None
