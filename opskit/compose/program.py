"""The Compose that was found: the words that start it, and its version; pure."""

from __future__ import annotations

from dataclasses import dataclass

MINIMUM: tuple[int, int, int] = (2, 20, 0)
"""The oldest Compose whose model and options this package relies on (`include`, `depends_on.required`)."""


@dataclass(frozen=True, slots=True)
class Compose:
    """A Compose that was found: the words that start it, and its version."""

    words: tuple[str, ...]
    version: tuple[int, int, int]

    def __str__(self) -> str:
        return f"{' '.join(self.words)} {'.'.join(map(str, self.version))}"
