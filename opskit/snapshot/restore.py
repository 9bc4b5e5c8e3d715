"""From a set back into databases and volumes, and whether they have what was kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from opskit.snapshot.databases import Databases
from opskit.snapshot.stores import STORES
from opskit.snapshot.stream import Part, Rows, SetReader

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


def emptied(databases: Databases, parts: Iterable[Part]) -> Iterator[str]:
    """Databases that had rows, none of whose tables has one now: a newer PostgreSQL may begin beside the data, empty.

    Args:
        databases: that run now.
        parts: of a set of before.
    """
    there = databases.names()
    for part in parts:
        kind, _, name = part.name.partition("/")
        had = {table for table, (rows, _) in part.rows.items() if rows != "0"}
        if kind == "postgres" and had and not (name in there and had & databases.filled(name)):
            yield f"database {name} had rows in {len(had)} tables; now none of these has any"


def row_of(part: Part) -> tuple[str, str, str]:
    """Name, MiB, and how many rows in how many tables it has, or points in collections, or objects in buckets."""
    return part.name, f"{part.bytes / 1024**2:,.1f}", held(part.name, part.rows)


def held(name: str, rows: Rows) -> str:
    """What a part of that name holds, in words; empty where it was not counted."""
    what, where = STORES[name].nouns if name in STORES else ("rows", "tables")
    count = sum(int(count) for count, _ in rows.values())
    return f"{count:,} {what} in {len(rows)} {where.removesuffix('s') if len(rows) == 1 else where}" if rows else ""


def differences(part: Part, found: Rows) -> Iterator[str]:
    """What a database has other than it had when it was kept."""
    for table in sorted(part.rows.keys() | found.keys()):
        kept, there = part.rows.get(table), found.get(table)
        if kept != there:
            words = [f"{told[0]}, checksum {told[1]}" if told else "nothing" for told in (kept, there)]
            yield f"{part.name} {table}: kept {words[0]}; found {words[1]}"
