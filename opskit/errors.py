"""The exceptions: raised where opskit could not do its work, never as an answer about the world."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A sentence, with a space before it, that names the nearest known word; empty where none is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" Did you mean {near[0]}?" if near else ""


class OpskitError(Exception):
    """Says what was being done, what was found, what was wanted and what to do; shown without a traceback.

    Attributes:
        reason: the message without its remedy, where one is given.
        remedy: what to do.
        exit_status: of a command that ends so.
    """

    exit_status = 1

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(f"{reason}. Remedy: {remedy}." if remedy else reason)
        self.reason, self.remedy = reason, remedy

    def _render_traceback_(self) -> list[str]:
        """Let IPython show the message alone: the message is the answer, the stack is not."""
        return [f"{type(self).__name__}: {self}"]


class UsageError(OpskitError):
    """A parameter is missing, unknown or malformed; nothing was started."""

    exit_status = 2


class ConfigError(OpskitError):
    """A file of the project does not say what it must; every fault found is in the message."""


class EngineUnavailableError(OpskitError):
    """The Docker Engine does not answer or does not permit."""


class ComposeMissingError(OpskitError):
    """No usable Compose was found."""


class GateClosedError(OpskitError):
    """Preflight found something that must be fixed before a start."""

    exit_status = 3


class LaunchFailedError(OpskitError):
    """The environment was not brought to ready; the message names each failure with its remedy."""


class LockHeldError(OpskitError):
    """Another launch of the same project is in progress; the message names its holder."""

    exit_status = 5


class NotReadError(OpskitError):
    """A fact cannot be read, or not in time; the message says why."""
