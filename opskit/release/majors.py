"""Another major version of a program beside the data that an earlier one wrote."""

from __future__ import annotations

import re

_MAJOR = re.compile(r":v?(\d+)\b[^/]*$")


def majors(before: str, after: str) -> tuple[int, int] | None:
    """The majors that two references' tags name, where they differ; None where they do not, or one names none."""
    found = [_MAJOR.search(reference) for reference in (before, after)]
    old, new = (int(one[1]) if one else None for one in found)
    return None if old is None or new is None or old == new else (old, new)


def unreadable(service: str, before: str, after: str) -> str:
    """Why the program of `after` does not read what that of `before` wrote; empty where it may.

    Source: Elastic's "Upgrade Elasticsearch": a major reads the data of the major before it, and no program the data of
    a later one; it cannot be taken back. PostgreSQL's major is read from its data, see the check data-version.
    """
    if service != "elasticsearch" or (found := majors(before, after)) is None:
        return ""
    old, new = found
    if new < old:
        return f"Elasticsearch {new} does not read what {old} wrote"
    return f"Elasticsearch {new} reads the data of {new - 1}, and that of {old} is here" if new > old + 1 else ""
