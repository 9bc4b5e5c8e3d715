"""A fact that is not known, because: one value for it, from the reader to the record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

_Fact = TypeVar("_Fact")


@dataclass(frozen=True, slots=True)
class Unknown:
    """Stands where a fact would that could not be read.

    Attributes:
        reason: a sentence.
        remedy: how to look oneself, or what to do.
        required: whether a start is refused for want of it.
    """

    reason: str
    remedy: str
    required: bool = False


def or_else(fact: _Fact | Unknown, other: _Fact) -> _Fact:
    """The fact, or the other value where it is not known."""
    return other if isinstance(fact, Unknown) else fact
