"""The word that says how much of a rehearsal is the real thing."""

from __future__ import annotations

LEVELS = ("no", "yes", "full")
"""No rehearsal; light real programs and stand-ins; every real program that a package provides."""

_WORDS = {"true": "yes", "1": "yes", "false": "no", "0": "no", **{word: word for word in LEVELS}}


def read_level(word: object) -> str | None:
    """The level a word stands for, one of `LEVELS`; None for a word that stands for none.

    It was a switch once: records, scripts and papermill's own reading still pass true or false.
    """
    return _WORDS.get(str(word).strip().lower())
