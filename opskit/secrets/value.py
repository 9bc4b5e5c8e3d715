"""A value that will not be written down."""

from __future__ import annotations

from typing import NoReturn


class Secret:
    """A secret's value under its name; not a str, so that no format, join, JSON or pickle lets it out."""

    __slots__ = ("__value", "name")

    def __init__(self, name: str, value: str) -> None:
        self.name = name
        self.__value = value

    def reveal(self) -> str:
        """The value itself; only what writes it or looks for it in a text calls this."""
        return self.__value

    def __repr__(self) -> str:
        return f"Secret({self.name})"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and (self.name, self.__value) == (other.name, other.reveal())

    def __hash__(self) -> int:
        return hash(self.name)

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{self!r} is not for pickling or copying")
