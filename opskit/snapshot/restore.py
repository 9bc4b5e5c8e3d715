"""From a set back into databases and volumes, and whether they have what was kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from opskit.snapshot.databases import Databases
from opskit.snapshot.stream import Part, SetReader

Rows = Mapping[str, list[str]]
"""Rows and checksum by table."""
Fill = Callable[[str, Iterator[bytes]], None]


def restore_databases(
    databases: Databases | None, reader: SetReader, parts: Mapping[str, Part], fill: Fill = lambda *_: None
) -> dict[str, Rows]:
    """Put back each part; the rows of each database that was made again, by the part's name.

    Args:
        databases: a PostgreSQL that runs; None leaves dumps and roles out.
        reader: of the set.
        parts: of the set, which was read whole before.
        fill: takes name and content of a volume.

    Raises:
        NotReadError: PostgreSQL refused a part.
        ConfigError: the set is not what was written.
    """
    found: dict[str, Rows] = {}
    for part, content in reader.read():
        kind, _, name = part.partition("/")
        if kind == "volume":
            fill(part, content)
        elif databases and kind == "roles":
            databases.restore_roles(content, parts[part].bytes)
        elif databases:
            databases.restore(name, content, parts[part].bytes)
            found[part] = databases.count(name)
    return found


def row_of(part: Part) -> tuple[str, str, str]:
    """Name, MiB, and how many rows in how many tables a database has, for a table."""
    rows = f"{sum(int(rows) for rows, _ in part.rows.values()):,} in {len(part.rows)} tables" if part.rows else ""
    return part.name, f"{part.bytes / 1024**2:,.1f}", rows


def differences(part: Part, found: Rows) -> Iterator[str]:
    """What a database has other than it had when it was kept."""
    for table in sorted(part.rows.keys() | found.keys()):
        kept, there = part.rows.get(table), found.get(table)
        if kept != there:
            words = [f"{told[0]} rows, checksum {told[1]}" if told else "no such table" for told in (kept, there)]
            yield f"{part.name} {table}: kept {words[0]}; found {words[1]}"
